//! nginx between client and server, over HTTP/1.0, which it uses by default, and HTTP/1.1.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use lasse_core::{Channel, ChannelConfig, Epoch, Event};
use lasse_testkit::Received;
use libtest_mimic::Trial;

use crate::reader::{End, Reader, Target};
use crate::server::{Server, Stack, settle};

pub(crate) fn is_installed() -> bool {
    Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok()
}

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (test, name) in TESTS {
        for stack in [Stack::Tokio, Stack::Hyper] {
            for (version, path) in [("HTTP/1.0", "/"), ("HTTP/1.1", "/1.1/")] {
                trials.push(crate::trial(format!("{name}, {stack:?}, {version}"), move || {
                    test(&Setup::new(stack, path));
                }));
            }
        }
    }
    trials
}

fn events_pass_one_by_one(setup: &Setup) {
    let mut reader = setup.read(Some("k-0"), 16 * 1024);
    for number in 1..=50 {
        setup.publish(number);
        // It blocks if nginx keeps the event until there are more.
        assert_eq!(reader.receive(), Ok(event(number)));
    }
}

fn a_finished_channel_ends_cleanly_and_stops_the_client(setup: &Setup) {
    let reader = setup.read(Some("k-0"), 16 * 1024);
    setup.publish(1);
    setup.channel.finish();
    assert_eq!(reader.read_to_end(), (vec![event(1)], End::Clean));
    assert_eq!(setup.read(Some("k-1"), 16 * 1024).status, 204);
}

fn an_aborted_channel_cuts_the_stream(setup: &Setup) {
    let reader = setup.read(Some("k-0"), 16 * 1024);
    let publisher = setup.channel.publisher();
    publisher.publish(Event::new("1")).unwrap();
    let task = thread::spawn(move || {
        let _publisher = publisher;
        resume_unwind(Box::new("as ordered"));
    });
    assert!(task.join().is_err());
    // nginx can drop the last event with the connection: the client resumes.
    let (received, end) = reader.read_to_end();
    assert_eq!(end, End::Cut);
    assert!(received.is_empty() || received == [event(1)], "{received:?}");
}

fn a_backlog_reaches_a_slow_reader_whole(setup: &Setup) {
    let large = "x".repeat(100_000);
    for _ in 0..3 {
        setup.channel.publish(Event::new(large.clone())).unwrap();
    }
    setup.channel.finish();
    let (received, end) = setup.read(Some("k-0"), 64).read_to_end();
    let expected = [1, 2, 3].map(|number| Received::message("message", &large, &id(number)));
    assert!(received == expected, "{} events", received.len());
    assert_eq!(end, End::Clean);
}

fn a_client_that_leaves_is_noticed(setup: &Setup) {
    let mut reader = setup.read(Some("k-0"), 16 * 1024);
    setup.publish(1);
    assert_eq!(reader.receive(), Ok(event(1)));
    assert_eq!(setup.server.gate.stats().open, 1);
    drop(reader);
    settle("nginx passes on that the client is gone", || setup.server.gate.stats().open == 0);
}

type Test = fn(&Setup);

const TESTS: [(Test, &str); 5] = [
    (events_pass_one_by_one, "events_pass_one_by_one"),
    (
        a_finished_channel_ends_cleanly_and_stops_the_client,
        "a_finished_channel_ends_cleanly_and_stops_the_client",
    ),
    (an_aborted_channel_cuts_the_stream, "an_aborted_channel_cuts_the_stream"),
    (a_backlog_reaches_a_slow_reader_whole, "a_backlog_reaches_a_slow_reader_whole"),
    (a_client_that_leaves_is_noticed, "a_client_that_leaves_is_noticed"),
];

/// A channel, its server, and nginx in front.
struct Setup {
    channel: Channel,
    server: Server,
    nginx: Nginx,
    path: &'static str,
}

impl Setup {
    fn new(stack: Stack, path: &'static str) -> Self {
        let channel = Channel::with_epoch(&ChannelConfig::new(), Epoch::new("k").unwrap());
        let server = Server::of(stack, &channel);
        let nginx = Nginx::start(server.address);
        Self { channel, server, nginx, path }
    }

    fn publish(&self, number: u64) {
        assert_eq!(
            self.channel.publish(Event::new(number.to_string())).unwrap().as_str(),
            id(number)
        );
    }

    fn read(&self, last: Option<&str>, piece: usize) -> Reader {
        let target = Target { stack: self.server.stack, address: self.nginx.address };
        let ids: Vec<_> = last.into_iter().map(str::as_bytes).collect();
        Reader::ask(target, self.path, &ids, piece)
    }
}

/// A process of nginx, until it is dropped.
struct Nginx {
    address: SocketAddr,
    directory: PathBuf,
    process: Child,
}

impl Nginx {
    fn start(server: SocketAddr) -> Self {
        // Another program can take the port before nginx does.
        (0..10).find_map(|_| Self::try_start(server)).expect("nginx starts")
    }

    fn try_start(server: SocketAddr) -> Option<Self> {
        let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let directory =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nginx-{}", address.port()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("nginx.conf");
        fs::write(&file, configuration(&directory, address, server)).unwrap();
        let process = Command::new("nginx")
            .arg("-p")
            .arg(&directory)
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(directory.join("error.log"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut nginx = Self { address, directory, process };
        let mut has_ended = false;
        settle("nginx listens, or ends", || {
            has_ended = nginx.process.try_wait().unwrap().is_some();
            has_ended || TcpStream::connect(address).is_ok()
        });
        (!has_ended).then_some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn configuration(directory: &Path, address: SocketAddr, server: SocketAddr) -> String {
    let directory = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {directory}/{kind};\n"))
        .concat();
    format!(
        "daemon off; master_process off; pid {directory}/pid;
         events {{}}
         http {{
             access_log off;
             {temporary}
             server {{
                 listen {address};
                 location / {{ proxy_pass http://{server}; }}
                 location /1.1/ {{
                     proxy_pass http://{server};
                     proxy_http_version 1.1;
                     proxy_set_header Connection '';
                 }}
             }}
         }}"
    )
}

fn event(number: u64) -> Received {
    Received::message("message", &number.to_string(), &id(number))
}

fn id(number: u64) -> String {
    format!("k-{number}")
}
