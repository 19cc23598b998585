//! A server of Redis that lives as long as this program.

use std::error::Error;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::thread::spawn;

/// A server of Redis on a free port, which keeps nothing on disk.
#[derive(Debug)]
pub(crate) struct OwnRedis {
    url: String,
    /// Its standard input ends with this program, however the program ends; then it stops Redis.
    shell: Child,
}

impl OwnRedis {
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        if let Err(error) = Command::new("redis-server").arg("--version").output() {
            return Err(match error.kind() {
                ErrorKind::NotFound => INSTALL.into(),
                _ => error.into(),
            });
        }
        // Another program can use the free port for a moment.
        for _ in 0..ATTEMPTS {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            if let Some(redis) = Self::start_at(port)? {
                return Ok(redis);
            }
        }
        Err("redis-server does not start".into())
    }

    /// Returns when the server is ready. `None` if it ends before.
    fn start_at(port: u16) -> Result<Option<Self>, Box<dyn Error>> {
        let script = "redis-server --bind 127.0.0.1 --port \"$0\" --save '' --appendonly no & \
             exec >&-; read -r line; kill $!; wait";
        let mut command = Command::new("sh");
        command.args(["-c", script, &port.to_string()]).stdin(Stdio::piped());
        let mut shell = command.stdout(Stdio::piped()).spawn()?;
        let output = shell.stdout.take();
        let redis = Self { url: format!("redis://127.0.0.1:{port}"), shell };
        let mut lines = BufReader::new(output.ok_or("the shell has no output")?).lines();
        let is_ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains(READY));
        // What the server prints later must be read, or it would wait.
        spawn(move || lines.map_while(Result::ok).count());
        Ok(is_ready.then_some(redis))
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// What the server prints when it takes connections.
const READY: &str = "Ready to accept connections";

/// How many ports are tried.
const ATTEMPTS: usize = 20;

const INSTALL: &str = "redis-server is not installed: install it (Debian: apt install redis-server), \
     or name another server by --redis URL";
