//! Servers in other languages, each a process.

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

pub const LANGUAGES: [Language; 2] = [Language::Node, Language::Python];

impl Foreign {
    pub fn start(language: Language) -> Self {
        let (process, port) = start(language, 0);
        Self { language, port, process }
    }

    pub fn uri(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Kills it, without a goodbye.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts it again, where it was.
    pub fn restart(&mut self) {
        (self.process, _) = start(self.language, self.port);
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Starts a server that listens on `port`, or on any if that is 0.
fn start(language: Language, port: u16) -> (Child, u16) {
    let (program, script) = match language {
        Language::Node => ("node", "server.mjs"),
        Language::Python => ("python3", "server.py"),
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign").join(script);
    let mut process = Command::new(program)
        .arg(script)
        .arg(port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("these tests need {program}: {error}"));
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().parse().unwrap_or_else(|_| panic!("{program} says {line:?}"));
    (process, port)
}
