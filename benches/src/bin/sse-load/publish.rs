//! The request that makes the server publish.

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpStream};
use std::time::Duration;

/// Posts to the path, and waits for the response.
///
/// # Errors
///
/// If the server does not accept it.
pub(crate) fn publish(server: SocketAddrV4, path: &str) -> io::Result<()> {
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
