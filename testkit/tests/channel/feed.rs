//! The example `feed`, as a process of its own.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A server process, until it is dropped.
pub(crate) struct Feed {
    pub(crate) address: SocketAddr,
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Feed {
    /// A process that serves with this adapter.
    pub(crate) fn start(adapter: &str) -> Self {
        let test = std::env::current_exe().unwrap();
        let feed = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples/feed");
        let mut process = Command::new(&feed)
            .arg(adapter)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{}, by `cargo build --example feed`: {error}", feed.display())
            });
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let address = line(&mut answers).parse().unwrap();
        Self { address, process, answers }
    }

    /// Publishes an event, and waits until the process has it.
    pub(crate) fn publish(&mut self, id: &str, data: &str) {
        writeln!(self.process.stdin.as_ref().unwrap(), "{id} {data}").unwrap();
        assert_eq!(line(&mut self.answers), id);
    }

    /// How many streams are open, and how many clients were too slow.
    pub(crate) fn stats(&mut self) -> (usize, u64) {
        writeln!(self.process.stdin.as_ref().unwrap()).unwrap();
        let figures = line(&mut self.answers);
        let (open, too_slow) = figures.split_once(' ').unwrap();
        (open.parse().unwrap(), too_slow.parse().unwrap())
    }

    /// How many bytes the process takes.
    pub(crate) fn resident(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn line(answers: &mut impl BufRead) -> String {
    let mut line = String::new();
    answers.read_line(&mut line).unwrap();
    line.strip_suffix('\n').expect("the process goes on").into()
}
