//! The request that makes the server publish.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::options::Options;

/// Posts the options' publication, and waits for the response.
///
/// # Errors
///
/// If the server does not accept it.
pub(crate) fn publish(options: &Options, path: &str) -> io::Result<()> {
    let path = path
        .replace("{rate}", &options.rate.to_string())
        .replace("{events}", &options.events.to_string())
        .replace("{size}", &options.size.to_string());
    let server = options.server;
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let fields = format!("Host: {server}\r\nContent-Length: 0\r\nConnection: close");
    // In one write, since the floor reads requests that come in one piece.
    socket.write_all(format!("POST {path} HTTP/1.1\r\n{fields}\r\n\r\n").as_bytes())?;
    let mut response = [0; 1024];
    let len = socket.read(&mut response)?;
    let text = String::from_utf8_lossy(&response[..len]);
    let status = text.split(' ').nth(1).unwrap_or_default();
    if status.starts_with('2') {
        return Ok(());
    }
    let line = text.lines().next().unwrap_or_default();
    Err(io::Error::other(format!("{path} is answered by {line:?}")))
}
