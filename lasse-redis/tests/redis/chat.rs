//! Runs of nodes that are processes of their own: the example `chat_cluster`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use libtest_mimic::Trial;
use tokio::time::Instant;

use crate::cluster::Node;
use crate::machine::Stopwatch;
use crate::runs::{FAILED_WITHIN, STOPPED_WITHIN};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("an_answer_is_resumed_and_stopped_at_other_processes", resume),
        trial("an_answer_fails_within_ten_seconds_of_the_kill_of_its_process", killed),
        trial("a_process_that_stood_still_for_longer_than_its_lease_adds_nothing", paused),
    ]
}

/// The data of an event, and its id.
type Item = (String, String);

fn nodes<const N: usize>(server: &Server) -> [Node; N] {
    std::array::from_fn(|_| {
        let node = Node::of("chat_cluster", &server.url());
        let started = Instant::now();
        while request(&node, "GET /runs", "ada").0 != 200 {
            assert!(started.elapsed() < TIME_LIMIT, "the node does not find Redis");
            sleep(Duration::from_millis(20));
        }
        node
    })
}

/// Sends a request without a body, and returns the status and the body of the response.
fn request(node: &Node, line: &str, user: &str) -> (u16, String) {
    let mut socket = send(node, &format!("{line} HTTP/1.1\r\ncookie: user={user}\r\n"), "");
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn send(node: &Node, head: &str, body: &str) -> TcpStream {
    let mut socket = TcpStream::connect(node.address).unwrap();
    socket.set_read_timeout(Some(TIME_LIMIT)).unwrap();
    let (host, length) = (node.address, body.len());
    let rest = format!("host: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    socket.write_all(format!("{head}{rest}{body}").as_bytes()).unwrap();
    socket
}

/// Asks for an answer of many words, and streams it.
fn ask(node: &Node, id: &str) -> impl Iterator<Item = Item> + use<> {
    let prompt = "tea ".repeat(1000);
    let messages = format!("[{{\"role\":\"user\",\"content\":\"{prompt}\"}}]");
    let body = format!("{{\"model\":\"parrot\",\"messages\":{messages},\"stream\":true}}");
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\ncookie: user=ada\r\nidempotency-key: {id}\r\n\
         content-type: application/json\r\n"
    );
    events(send(node, &head, &body))
}

/// Streams a run after the event `last`.
fn read(node: &Node, id: &str, last: &str) -> impl Iterator<Item = Item> + use<> {
    let head = format!("GET /runs/{id} HTTP/1.1\r\ncookie: user=ada\r\nlast-event-id: {last}\r\n");
    events(send(node, &head, ""))
}

fn events(socket: TcpStream) -> impl Iterator<Item = Item> {
    let mut data = String::new();
    BufReader::new(socket).lines().map_while(Result::ok).filter_map(move |line| {
        if let Some(text) = line.strip_prefix("data: ") {
            text.clone_into(&mut data);
        }
        line.strip_prefix("id: ").map(|id| (data.clone(), id.to_owned()))
    })
}

async fn resume() {
    let server = Server::start();
    let [a, b, c] = nodes(&server);
    let mut first: Vec<Item> = ask(&a, "r").take(3).collect();
    // The connection is gone, and the run goes on. The same question at another node resumes it.
    let mut again = ask(&b, "r");
    assert_eq!(again.by_ref().take(3).collect::<Vec<_>>(), first);
    first.extend(read(&c, "r", &first[2].1).take(3));
    let whole: Vec<Item> = read(&b, "r", "").take(6).collect();
    assert_eq!(first, whole);
    assert!(request(&c, "GET /runs", "ada").1.contains(r#"{"id":"r","state":"running"}"#));
    for line in ["GET /runs/r", "DELETE /runs/r"] {
        assert_eq!(request(&c, line, "eve").0, 404);
    }
    let stopwatch = Stopwatch::start();
    assert_eq!(request(&c, "DELETE /runs/r", "ada").0, 204);
    let (last, _) = again.last().unwrap();
    assert!(last.contains("stopped by the user"), "{last}");
    stopwatch.check(STOPPED_WITHIN);
    assert!(request(&a, "GET /runs", "ada").1.contains("stopped"));
}

async fn killed() {
    let server = Server::start();
    let [mut a, b] = nodes(&server);
    let first: Vec<Item> = ask(&a, "r").take(3).collect();
    let mut reader = read(&b, "r", &first[0].1);
    assert_eq!(reader.by_ref().take(2).collect::<Vec<_>>(), first[1..]);
    a.kill();
    let stopwatch = Stopwatch::start();
    let (last, _) = reader.last().unwrap();
    assert!(last.contains("lost"), "{last}");
    stopwatch.check(FAILED_WITHIN);
    // A client that returns is sent the same, at another node as well.
    let [c] = nodes(&server);
    let ends = [&b, &c].map(|node| read(node, "r", &first[2].1).last());
    assert!(ends[0].is_some() && ends[0] == ends[1], "{ends:?}");
    assert!(request(&c, "GET /runs", "ada").1.contains("failed"));
}

async fn paused() {
    let server = Server::start();
    let [a, b] = nodes(&server);
    let first: Vec<Item> = ask(&a, "r").take(2).collect();
    let reader = read(&b, "r", &first[0].1);
    let here = read(&a, "r", &first[0].1);
    a.pause();
    let stopwatch = Stopwatch::start();
    let there: Vec<Item> = reader.collect();
    stopwatch.check(FAILED_WITHIN);
    assert!(there.last().unwrap().0.contains("lost"), "{there:?}");
    a.unpause();
    assert_eq!(here.collect::<Vec<_>>(), there, "the readers of both nodes are sent the same");
    assert_eq!(read(&a, "r", &first[0].1).collect::<Vec<_>>(), there);
}

/// How long a test waits.
const TIME_LIMIT: Duration = Duration::from_secs(60);
