//! The load clients, with the servers that are measured and with the floors.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output};
use std::thread::sleep;
use std::time::Duration;

const FLOOR: &str = env!("CARGO_BIN_EXE_floor");
const SCALE: &str = env!("CARGO_BIN_EXE_scale");
const FANOUT_SERVER: &str = env!("CARGO_BIN_EXE_fanout-server");

/// Every server that `load.py` measures by itself, except axum's own.
const SERVERS: [(&str, &[&str]); 6] = [
    (FLOOR, &[]),
    (FLOOR, &["--coalesce"]),
    (FANOUT_SERVER, &["--adapter", "tokio"]),
    (FANOUT_SERVER, &["--adapter", "hyper"]),
    (FANOUT_SERVER, &["--adapter", "axum"]),
    (FANOUT_SERVER, &["--adapter", "handler"]),
];

#[test]
fn every_server_delivers_every_event_in_order() {
    for (program, args) in SERVERS {
        let server = Server::start(program, args);
        let report = server.load("--conns 200 --events 50 --threads 2");
        assert_eq!(report.figure("delivered"), "10000", "{args:?}: {report:?}");
        let report = server.load("--conns 100 --events 10 --rate 100 --stuck 1");
        assert_eq!(report.figure("complete_conns"), "99", "{args:?}: {report:?}");
        let report = server.load("--mode idle --conns 100 --duration 0.1");
        assert!(report.figure("server_rss_before") != "0", "{args:?}: {report:?}");
        let report = server.stream("--mode stream --conns 2 --events 1000");
        assert_eq!(report.figure("delivered"), "2000", "{args:?}: {report:?}");
    }
}

#[test]
fn readers_of_topics_receive_every_event_of_theirs_in_order() {
    for adapter in ["tokio", "hyper", "axum"] {
        let server = Server::start(FANOUT_SERVER, &["--adapter", adapter]);
        // Of a hundred topics, the first fifty have two readers each, and the others one.
        let report = server.load("--conns 150 --topics 100 --events 3 --threads 2");
        assert_eq!(report.figure("delivered"), "450", "{adapter}: {report:?}");
        let storm = "--mode storm --conns 20 --topics 10 --events 30 --rate 300 --raw-ids";
        let report = server.load(storm);
        assert_eq!(report.figure("delivered"), "600", "{adapter}: {report:?}");
    }
}

#[test]
fn dropped_connections_resume_without_a_gap() {
    // The handlers of `--adapter handler` keep no events.
    for (program, args) in SERVERS.iter().take(5) {
        for option in ["--drop-reset", "--raw-ids"] {
            let server = Server::start(program, args);
            let options = "--mode storm --conns 200 --events 60 --rate 100 --drops 2";
            let report = server.load(&format!("{options} {option}"));
            assert_eq!(report.figure("delivered"), "12000", "{args:?}: {report:?}");
            assert_eq!(report.figure("reconnect_s").split(',').count(), 2, "{args:?}: {report:?}");
        }
    }
}

#[test]
fn every_drop_is_made_although_all_events_were_delivered_before() {
    let server = Server::start(FANOUT_SERVER, &[]);
    let report = server.load("--mode storm --conns 50 --events 2 --drops 3");
    assert_eq!(report.figure("reconnect_s").split(',').count(), 3, "{report:?}");
}

#[test]
fn readers_that_leave_receive_old_events_and_close_their_connections() {
    for (program, args) in SERVERS.iter().take(5) {
        let server = Server::start(program, args);
        server.load("--conns 1 --events 21");
        let report = server.load("--conns 50 --events 20 --last-event-id 1 --no-publish --leave");
        assert_eq!(report.figure("delivered"), "1000", "{args:?}: {report:?}");
        assert_eq!(report.figure("replayed"), "1000", "{args:?}: {report:?}");
    }
}

#[test]
fn events_that_are_missing_or_wrong_fail_the_run() {
    let server = Server::start(FLOOR, &[]);
    let silent = server.run("--conns 10 --events 5 --no-publish --stall 0.5");
    assert_eq!(silent.status.code(), Some(1));
    assert!(Report::of(&silent).figure("note").contains("stalled at 0 of 50"));
    let missing = server.run_at("/nowhere", "--conns 1 --events 1");
    assert!(Report::of(&missing).figure("note").contains("404"), "{missing:?}");
    let wrong = server.run("--conns 0");
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn http2_streams_receive_every_event_in_order() {
    let server = Server::start(FANOUT_SERVER, &["--adapter", "hyper"]);
    let (port, pid) = (server.port.to_string(), server.child.id().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_h2load"));
    command.args(["--port", &port, "--pid", &pid]);
    let output = command.args(["--conns", "3", "--streams", "20", "--events", "10"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("10 events"), "{output:?}");
}

#[test]
fn measurements_without_sockets_print_one_line_of_json() {
    for (program, args, figure) in [
        (env!("CARGO_BIN_EXE_merged"), &["--events", "100", "--slice", "7"][..], "ns_merged"),
        (SCALE, &["--readers", "10", "--threads", "2"], "\"deliveries_per_s\":"),
        (SCALE, &["--publish", "--readers", "10", "--threads", "2"], "\"us_per_publish_p99\":"),
        (SCALE, &["--topics", "--readers", "10"], "\"wakes\":1000,"),
    ] {
        let output = Command::new(program).args(args).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with('{') && text.ends_with("}\n"), "{program}: {text}");
        assert!(text.contains(figure), "{program}: {text}");
        let refused = Command::new(program).args(["--nothing", "1"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{program}");
    }
}

struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(program: &str, args: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(program);
        command.args(["--port", &port.to_string()]).args(args);
        let server = Self { child: command.spawn().unwrap(), port };
        let listens = (0..1000).any(|_| {
            sleep(Duration::from_millis(10));
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        assert!(listens, "{program} does not listen");
        server
    }

    /// Runs the load client, which must succeed.
    fn load(&self, options: &str) -> Report {
        let output = self.run(options);
        assert!(output.status.success(), "{options}: {output:?}");
        Report::of(&output)
    }

    fn stream(&self, options: &str) -> Report {
        let output = self.run_at("/stream?events=1000&size=100", options);
        assert!(output.status.success(), "{options}: {output:?}");
        Report::of(&output)
    }

    fn run(&self, options: &str) -> Output {
        self.run_at("/events", options)
    }

    fn run_at(&self, path: &str, options: &str) -> Output {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let pid = self.child.id().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_sse-load"));
        command.args(["--url", &url, "--server-pid", &pid, "--timeout", "60"]);
        command.args(options.split(' ')).output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
struct Report(String);

impl Report {
    fn of(output: &Output) -> Self {
        Self(String::from_utf8(output.stdout.clone()).unwrap())
    }

    fn figure(&self, name: &str) -> &str {
        let mut lines = self.0.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value.trim())
    }
}
