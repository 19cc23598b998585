//! An example as a program, and requests to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

/// A program that prints the URL of its server as its first line. It is killed when
/// this is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) address: SocketAddr,
    stderr: Receiver<String>,
}

impl Program {
    /// Starts an example on a free port, with these environment variables.
    pub(crate) fn start(example: &str, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(path_of(example));
        command.envs(variables.iter().copied());
        Self::spawn(&mut command).unwrap_or_else(|stderr| panic!("{example}: {stderr}"))
    }

    /// Starts a command that runs an example. If the server does not start, returns
    /// the text on stderr.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self, String> {
        command.env("PORT", "0").stdin(Stdio::null());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("{command:?}, by `cargo build --examples`: {error}")
            });
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        let mut url = String::new();
        stdout.read_line(&mut url).unwrap();
        // A program that prints to a closed pipe would panic.
        thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let address = url.trim().strip_prefix("http://").and_then(|rest| rest.split('/').next());
        match address.and_then(|address| address.parse().ok()) {
            Some(address) => Ok(Self { child, address, stderr }),
            None => {
                child.kill().unwrap();
                child.wait().unwrap();
                Err(stderr.iter().collect::<Vec<_>>().join("\n"))
            }
        }
    }

    /// The next line on stderr.
    pub(crate) fn next_error(&self) -> String {
        self.stderr.recv_timeout(TIME_LIMIT).expect("the program prints to stderr")
    }

    /// Sends SIGKILL, and waits for the end.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        for _ in 0..TIME_LIMIT.as_millis() / 10 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("the program still runs after {TIME_LIMIT:?}");
    }

    /// Sends a request with these fields and this body, and reads the response.
    pub(crate) fn request(&self, line: &str, fields: &str, body: &str) -> Response {
        let host = self.address;
        let mut socket = self.connect();
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n"
        );
        socket.write_all(format!("{head}{fields}\r\n{body}").as_bytes()).unwrap();
        let mut text = String::new();
        // If the server is killed, the response ends here.
        let _ = socket.read_to_string(&mut text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let (head, body) = (head.to_owned(), body.to_owned());
        Response { status: status.unwrap_or_default(), head, body }
    }

    /// Opens an event stream, and returns its lines.
    pub(crate) fn stream(&self, path: &str, fields: &str) -> impl Iterator<Item = String> + use<> {
        self.open(&format!("GET {path}"), fields, "")
    }

    /// Sends a request with these fields and this body, and returns the lines of the response.
    pub(crate) fn open(
        &self,
        line: &str,
        fields: &str,
        body: &str,
    ) -> impl Iterator<Item = String> + use<> {
        let mut socket = self.connect();
        let (host, length) = (self.address, body.len());
        let head = format!("{line} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n");
        socket.write_all(format!("{head}{fields}\r\n{body}").as_bytes()).unwrap();
        BufReader::new(socket).lines().map(|line| line.unwrap())
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(TIME_LIMIT)).unwrap();
        socket
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub(crate) struct Response {
    /// Zero if there is no response.
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Where cargo puts an example, beside the tests.
pub(crate) fn path_of(example: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(example)
}

fn lines(output: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// How long a program may take to answer before a test fails.
const TIME_LIMIT: Duration = Duration::from_secs(20);
