//! Nodes that are processes of their own: mostly of the example `cluster`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::Duration;

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::server::{Server, free_port};
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_post_to_one_process_reaches_the_streams_of_another", posts),
        trial("a_client_of_a_process_that_was_killed_resumes_at_another", killed_node),
        trial("a_process_starts_before_its_server_and_is_ready_after_it", not_there_yet),
        trial("a_process_without_a_server_starts_one_and_stops_it", own_server),
        trial("wrong_options_are_refused_with_a_reason", wrong_options),
    ]
}

/// A process of an example, which is killed with this.
pub(crate) struct Node {
    process: Child,
    pub(crate) address: SocketAddr,
    /// The URL of the server that it has started.
    redis: Option<String>,
}

impl Node {
    fn start(redis: &str) -> Self {
        Self::of("cluster", redis)
    }

    /// A process of this example.
    pub(crate) fn of(program: &str, redis: &str) -> Self {
        Self::with(program, &["--port", "0", "--redis", redis])
    }

    fn with(program: &str, arguments: &[&str]) -> Self {
        let mut command = command(program, arguments);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        let has_server = !arguments.contains(&"--redis");
        let second = has_server.then(|| lines.next().unwrap().unwrap());
        let redis = second.and_then(|line| line.split(' ').next_back().map(str::to_owned));
        // A program that prints to a closed pipe would panic.
        spawn(move || lines.count());
        Self { process, address, redis }
    }

    pub(crate) fn request(&self, line: &str, body: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(TIME_LIMIT)).unwrap();
        let (host, length) = (self.address, body.len());
        let head = format!(
            "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
        );
        socket.write_all((head + body).as_bytes()).unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Posts an item, and returns its id.
    fn post(&self, title: &str) -> String {
        let item = format!(r#"{{"title":"{title}","content":""}}"#);
        let (status, body) = self.request("POST /news", &item);
        assert_eq!(status, 201, "{body}");
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["id"].as_str().unwrap().to_owned()
    }

    fn health(&self) -> (u16, serde_json::Value) {
        let (status, body) = self.request("GET /health", "");
        (status, serde_json::from_str(&body).unwrap())
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        while self.health().0 != 200 {
            assert!(started.elapsed() < TIME_LIMIT, "{:?}", self.health());
            sleep(Duration::from_millis(20));
        }
    }

    /// The names and titles of the next events of a stream, and their ids.
    fn stream(&self, last: &str) -> impl Iterator<Item = (String, String)> + use<> {
        let mut socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(TIME_LIMIT)).unwrap();
        let host = self.address;
        let head = format!("GET /news HTTP/1.1\r\nhost: {host}\r\nlast-event-id: {last}\r\n\r\n");
        socket.write_all(head.as_bytes()).unwrap();
        let mut title = String::new();
        let lines = BufReader::new(socket).lines().map_while(Result::ok);
        lines.filter_map(move |line| {
            if let Some(name) = line.strip_prefix("event: ") {
                name.clone_into(&mut title);
            } else if let Some(data) = line.strip_prefix("data: ") {
                if let Some(data) = data.strip_prefix("{\"title\":\"") {
                    data.split('"').next().unwrap_or_default().clone_into(&mut title);
                }
            } else if let Some(id) = line.strip_prefix("id: ") {
                return Some((title.clone(), id.to_owned()));
            }
            None
        })
    }

    fn titles(&self, last: &str, count: usize) -> Vec<String> {
        let events = self.stream(last).filter(|(title, _)| title != "position");
        events.map(|(title, _)| title).take(count).collect()
    }

    pub(crate) fn pause(&self) {
        kill_process(Pid::from_child(&self.process), Signal::STOP).unwrap();
    }

    pub(crate) fn unpause(&self) {
        kill_process(Pid::from_child(&self.process), Signal::CONT).unwrap();
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The example, where cargo puts it beside the tests.
fn command(program: &str, arguments: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples");
    let mut command = Command::new(folder.join(program));
    command.args(arguments).stdin(Stdio::null());
    command
}

async fn posts() {
    let server = Server::start();
    let (a, b) = (Node::start(&server.url()), Node::start(&server.url()));
    a.wait_until_ready();
    b.wait_until_ready();
    let mut stream = b.stream("");
    assert_eq!(stream.next().unwrap().0, "position");
    for n in 0..10 {
        let node = if n % 2 == 0 { &a } else { &b };
        let id = node.post(&n.to_string());
        assert_eq!(stream.next().unwrap(), (n.to_string(), id));
    }
    let (status, page) = a.request("GET /", "");
    assert!(status == 200 && page.contains(&a.address.to_string()), "the page shows its node");
    assert_eq!(a.request("POST /", "").0, 405);
    assert_eq!(a.request("GET /other", "").0, 404);
    assert_eq!(a.request("POST /news", "no item").0, 400);
    let (_, health) = b.health();
    assert!(health["connected"] == true && health["lag_ms"].as_u64().unwrap() < 10_000);
}

async fn killed_node() {
    let server = Server::start();
    let (mut a, b) = (Node::start(&server.url()), Node::start(&server.url()));
    a.wait_until_ready();
    let ids: Vec<_> = ["1", "2", "3"].iter().map(|title| a.post(title)).collect();
    assert_eq!(a.titles("", 3), ["1", "2", "3"]);
    a.kill();
    b.post("4");
    assert_eq!(b.titles(&ids[0], 3), ["2", "3", "4"]);
    let a = Node::start(&server.url());
    a.wait_until_ready();
    assert_eq!(a.titles(&ids[0], 3), ["2", "3", "4"]);
}

async fn not_there_yet() {
    let mut server = Server::absent(&["--save", ""]);
    let node = Node::start(&server.url());
    let (status, health) = node.health();
    assert_eq!((status, &health["ready"], &health["lag_ms"]), (503, &false.into(), &().into()));
    let item = r#"{"title":"1","content":""}"#;
    assert_eq!(node.request("POST /news", item).0, 503);
    server.run();
    node.wait_until_ready();
    node.post("1");
    assert_eq!(node.titles("", 1), ["1"]);
}

async fn own_server() {
    let mut first = Node::with("cluster", &["--port", "0"]);
    let redis = first.redis.clone().unwrap();
    let second = Node::start(&redis);
    first.wait_until_ready();
    second.wait_until_ready();
    first.post("1");
    assert_eq!(second.titles("", 1), ["1"]);
    first.kill();
    let started = Instant::now();
    let port = redis.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    while TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(started.elapsed() < TIME_LIMIT, "redis-server is still there");
        sleep(Duration::from_millis(20));
    }
}

async fn wrong_options() {
    for (arguments, reason) in [
        (&["--port"] as &[&str], "--port needs a value"),
        (&["--port", "x"], "--port x: "),
        (&["--redis", "http://x"], "URL"),
        (&["--other"], "--other: the options are --port and --redis"),
    ] {
        let output = command("cluster", arguments).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && error.contains(reason), "{arguments:?}: {error}");
    }
    let taken = std::net::TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    assert!(!command("cluster", &["--port", &port]).output().unwrap().status.success());
}

/// How long a node can take to answer before a test fails.
const TIME_LIMIT: Duration = Duration::from_secs(60);
