//! A client that reads a stream line by line.

use std::io::{self, BufRead, BufReader, Lines, Write};
use std::net::{SocketAddr, TcpStream};

/// Asks the server at `address` for `target`, and reads the answer, head and
/// chunks and all.
///
/// # Errors
///
/// When the server is not there.
pub fn lines_of(address: SocketAddr, target: &str) -> io::Result<Lines<BufReader<TcpStream>>> {
    let mut socket = TcpStream::connect(address)?;
    socket.write_all(format!("GET {target} HTTP/1.1\r\nhost: here\r\n\r\n").as_bytes())?;
    Ok(BufReader::new(socket).lines())
}
