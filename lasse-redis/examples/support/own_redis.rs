//! A server of Redis that lives as long as this program.

use std::error::Error;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

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
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let script = "redis-server --bind 127.0.0.1 --port \"$0\" --save '' --appendonly no & \
             read -r line; kill $!; wait";
        let mut command = Command::new("sh");
        command.args(["-c", script, &port.to_string()]).stdin(Stdio::piped());
        let shell = command.stdout(Stdio::null()).spawn()?;
        Ok(Self { url: format!("redis://127.0.0.1:{port}"), shell })
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

const INSTALL: &str = "redis-server is not installed: install it (Debian: apt install redis-server), \
     or name another server by --redis URL";
