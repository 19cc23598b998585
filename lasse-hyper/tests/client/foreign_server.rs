//! Servers in other languages, each in a process of its own.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server in another language, killed when dropped.
pub struct Foreign {
    language: Language,
    port: u16,
    process: Child,
}

#[derive(Clone, Copy, Debug)]
pub enum Language {
    Node,
    Python,
}

/// Runs a check against a server in each language, all at once.
pub async fn with_each(check: impl AsyncFn(Foreign)) {
    let node = Foreign::spawn(Language::Node, 0);
    let python = Foreign::spawn(Language::Python, 0);
    tokio::join!(check(node.ready()), check(python.ready()));
}

impl Foreign {
    pub fn start(language: Language) -> Self {
        Self::spawn(language, 0).ready()
    }

    pub fn uri(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Kills the process.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        *self = Self::spawn(self.language, self.port).ready();
    }

    /// Starts a server on `port`, or on any port if that is 0.
    fn spawn(language: Language, port: u16) -> Self {
        let (program, script) = match language {
            Language::Node => ("node", "server.mjs"),
            Language::Python => ("python3", "server.py"),
        };
        let process = Command::new(program)
            .arg(
                Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join("../lasse-hyper/tests/foreign")
                    .join(script),
            )
            .arg(port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("these tests need {program}: {error}"));
        Self { language, port, process }
    }

    /// Waits until the server prints its port.
    fn ready(mut self) -> Self {
        let mut line = String::new();
        BufReader::new(self.process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.port = line.trim().parse().unwrap_or_else(|_| panic!("{self} prints {line:?}"));
        self
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.language)
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.kill();
    }
}
