//! A response over HTTP/1.1, chunk by chunk.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::End;

pub(super) struct Http1 {
    pub(super) status: u16,
    socket: BufReader<TcpStream>,
    /// How many bytes of the current chunk are not read yet.
    left: usize,
    is_over: bool,
}

impl Http1 {
    pub(super) fn ask(address: SocketAddr, target: &str, ids: &[&[u8]], piece: usize) -> Self {
        let mut request = format!("GET {target} HTTP/1.1\r\nhost: here\r\n").into_bytes();
        for id in ids {
            request.extend([b"last-event-id: ", *id, b"\r\n"].concat());
        }
        request.extend(b"\r\n");
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(TIME_LIMIT)).unwrap();
        socket.write_all(&request).unwrap();
        let socket = BufReader::with_capacity(piece, socket);
        let mut body = Self { status: 0, socket, left: 0, is_over: false };
        body.read_head().unwrap();
        body
    }

    fn read_head(&mut self) -> io::Result<()> {
        let status = self.line()?;
        self.status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        let mut is_chunked = false;
        loop {
            match self.line()?.to_ascii_lowercase().as_str() {
                "" => break,
                "transfer-encoding: chunked" => is_chunked = true,
                _ => {}
            }
        }
        assert!(is_chunked || self.status == 204, "{status}");
        self.is_over = !is_chunked;
        Ok(())
    }

    /// The next bytes of the body, or its end.
    pub(super) fn chunk(&mut self) -> Result<Vec<u8>, End> {
        match self.read_chunk() {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(End::Clean),
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Err(End::Cut),
                _ => panic!("nothing comes: {error}"),
            },
        }
    }

    fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        if self.left == 0 && !self.is_over {
            self.left = usize::from_str_radix(&self.line()?, 16).unwrap();
            self.is_over = self.left == 0;
            if self.is_over {
                assert_eq!(self.line()?, "");
            }
        }
        if self.is_over {
            return Ok(None);
        }
        let there = self.socket.fill_buf()?;
        let bytes = there[..there.len().min(self.left)].to_vec();
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.socket.consume(bytes.len());
        self.left -= bytes.len();
        if self.left == 0 {
            assert_eq!(self.line()?, "");
        }
        Ok(Some(bytes))
    }

    /// The next line, without its ending.
    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.socket.read_line(&mut line)?;
        let line = line.strip_suffix("\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(line.into())
    }
}

/// How long to wait, on a busy machine, for bytes that should be there at once.
const TIME_LIMIT: Duration = Duration::from_secs(10);
