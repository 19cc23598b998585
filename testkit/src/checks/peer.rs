//! A client that sees every byte: blocking, and strict about framing.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::check_error::{CheckError, ensure, equal};
use super::{MAX_WAIT, Server};

/// A connection to the server under test.
#[derive(Debug)]
pub(super) struct Peer {
    socket: TcpStream,
    /// The input that is not parsed yet.
    received: Vec<u8>,
}

/// How a connection or a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As the protocol ends it.
    Clean,
    /// In the middle, or by a reset.
    Cut,
}

impl Peer {
    pub(super) fn connect(server: &Server) -> Result<Self, CheckError> {
        let socket = TcpStream::connect(server.address)?;
        socket.set_read_timeout(Some(MAX_WAIT))?;
        socket.set_write_timeout(Some(MAX_WAIT))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, received: Vec::new() })
    }

    /// Connects, and sends a GET over HTTP/1.1.
    pub(super) fn get(server: &Server, target: &str) -> Result<Self, CheckError> {
        let mut peer = Self::connect(server)?;
        peer.request("GET", target, "")?;
        Ok(peer)
    }

    /// The same connection, to send while a response is being read.
    pub(super) fn another(&self) -> Result<Self, CheckError> {
        Ok(Self { socket: self.socket.try_clone()?, received: Vec::new() })
    }

    /// Sends a request over HTTP/1.1 with more `fields`, each ended by CR LF.
    pub(super) fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: impl AsRef<[u8]>,
    ) -> Result<(), CheckError> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: here\r\n").into_bytes();
        request.extend_from_slice(fields.as_ref());
        request.extend_from_slice(b"\r\n");
        self.send(request)
    }

    pub(super) fn send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), CheckError> {
        Ok(self.socket.write_all(bytes.as_ref())?)
    }

    /// Closes the writing half: no more will be sent.
    pub(super) fn half_close(&self) -> Result<(), CheckError> {
        Ok(self.socket.shutdown(Shutdown::Write)?)
    }

    /// Closes with a reset, because the response is not read.
    pub(super) fn reset(self) -> Result<(), CheckError> {
        let there = self.socket.peek(&mut [0])?;
        equal("what can be peeked at", there, 1)
    }

    /// Reads the head of a response with a body.
    pub(super) fn response(&mut self) -> Result<PeerResponse<'_>, CheckError> {
        let head = self.head()?;
        let framing = Framing::of(&head)?;
        Ok(PeerResponse { peer: self, head, framing, payload: Vec::new() })
    }

    /// Reads the head of a response.
    pub(super) fn head(&mut self) -> Result<Head, CheckError> {
        loop {
            if let Some(at) = find(&self.received, b"\r\n\r\n") {
                let text: Vec<_> = self.received.drain(..at + 4).collect();
                return Head::parse(&text);
            }
            if let Some(end) = self.receive()? {
                let received = String::from_utf8_lossy(&self.received);
                return Err(CheckError::new(format!(
                    "{end:?} end after {received:?}, and no head"
                )));
            }
        }
    }

    /// Reads the status of the response to a bad request, or `None` if the connection ends
    /// without one.
    pub(super) fn refusal(&mut self) -> Result<Option<u16>, CheckError> {
        loop {
            if find(&self.received, b"\r\n\r\n").is_some() {
                return Ok(Some(self.head()?.status));
            }
            if self.receive()?.is_some() {
                return Ok(None);
            }
        }
    }

    /// Whether bytes or the end arrive within the time.
    pub(super) fn receives_within(&mut self, time: Duration) -> Result<bool, CheckError> {
        self.socket.set_read_timeout(Some(time))?;
        let received = !self.received.is_empty() || self.receive().is_ok();
        self.socket.set_read_timeout(Some(MAX_WAIT))?;
        Ok(received)
    }

    /// Reads the end of the connection. No bytes can come before it.
    pub(super) fn end(&mut self) -> Result<End, CheckError> {
        let end = loop {
            if let Some(end) = self.receive()? {
                break end;
            }
        };
        let rest = String::from_utf8_lossy(&self.received);
        ensure(rest.is_empty(), || format!("{rest:?} comes after the end"))?;
        Ok(end)
    }

    /// Reads to the end of the connection.
    pub(super) fn drain(&mut self) -> Result<End, CheckError> {
        loop {
            self.received.clear();
            if let Some(end) = self.receive()? {
                return Ok(end);
            }
        }
    }

    /// Receives more bytes, or the end.
    fn receive(&mut self) -> Result<Option<End>, CheckError> {
        let mut buffer = [0; 64 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => Ok(Some(End::Clean)),
            Ok(n) => {
                self.received.extend(buffer.iter().take(n));
                Ok(None)
            }
            Err(error) if is_end(error.kind()) => Ok(Some(End::Cut)),
            Err(error) if is_timeout(error.kind()) => {
                let received = String::from_utf8_lossy(&self.received);
                Err(CheckError::new(format!("nothing arrives in time after {received:?}")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The head of a response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self, CheckError> {
        let text = String::from_utf8_lossy(bytes);
        let malformed = || CheckError::new(format!("not a head: {text:?}"));
        let mut lines = text.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1."));
        let status = status.and_then(|line| line.get(2..5)).and_then(|code| code.parse().ok());
        let field = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        };
        let fields = lines.map(field).collect::<Option<_>>().ok_or_else(malformed)?;
        Ok(Self { status: status.ok_or_else(malformed)?, fields })
    }

    /// The values of a field, joined by commas.
    pub(super) fn field(&self, name: &str) -> Option<String> {
        let values = self.fields.iter().filter(|(other, _)| other == name);
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Passes if a field has this value.
    pub(super) fn expect(&self, name: &str, should_be: Option<&str>) -> Result<(), CheckError> {
        equal(name, self.field(name).as_deref(), should_be)
    }
}

/// How a client finds the end of a body (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    fn of(head: &Head) -> Result<Self, CheckError> {
        let length = head.field("content-length");
        match head.field("transfer-encoding").as_deref() {
            Some("chunked") if length.is_none() => Ok(Self::Chunked),
            Some(other) => Err(CheckError::new(format!(
                "the transfer-encoding is {other:?}, the content-length {length:?}"
            ))),
            None => match length.map(|length| length.parse()) {
                Some(Ok(length)) => Ok(Self::Length(length)),
                Some(Err(error)) => Err(CheckError::new(format!("the content-length: {error}"))),
                None if matches!(head.status, 204 | 304) => Ok(Self::Length(0)),
                None => Ok(Self::UntilClose),
            },
        }
    }
}

/// A response whose body is being read.
#[derive(Debug)]
pub(super) struct PeerResponse<'p> {
    peer: &'p mut Peer,
    pub(super) head: Head,
    pub(super) framing: Framing,
    /// The body as far as it is received.
    payload: Vec<u8>,
}

impl PeerResponse<'_> {
    /// Reads until `text` arrives, and returns the text before it.
    pub(super) fn await_text(&mut self, text: &str) -> Result<String, CheckError> {
        loop {
            if let Some(at) = find(&self.payload, text.as_bytes()) {
                let taken: Vec<_> = self.payload.drain(..at + text.len()).take(at).collect();
                return Ok(String::from_utf8_lossy(&taken).into_owned());
            }
            if let Some(end) = self.more()? {
                return Err(CheckError::new(format!(
                    "{end:?} end before {text:?}, after {:?}",
                    self.text()
                )));
            }
        }
    }

    /// Reads to the end.
    pub(super) fn finish(mut self) -> Result<(String, End), CheckError> {
        loop {
            if let Some(end) = self.more()? {
                return Ok((self.text(), end));
            }
        }
    }

    /// Passes if the body is `text` and ends cleanly.
    pub(super) fn expect(self, text: &str) -> Result<(), CheckError> {
        equal("the body", self.finish()?, (text.to_owned(), End::Clean))
    }

    /// Reads to the end, and passes if the body without keep-alives is `text` and ends cleanly.
    pub(super) fn expect_events(self, text: &str) -> Result<(), CheckError> {
        let (body, end) = self.finish()?;
        let lines = body.split_inclusive('\n').filter(|line| !line.starts_with(':'));
        equal("the stream", (lines.collect(), end), (text.to_owned(), End::Clean))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// Adds to the payload, or returns the end.
    fn more(&mut self) -> Result<Option<End>, CheckError> {
        let len = self.payload.len();
        loop {
            if self.take()? {
                return Ok(Some(End::Clean));
            }
            if self.payload.len() > len {
                return Ok(None);
            }
            match (self.peer.receive()?, self.framing) {
                (None, _) => {}
                (Some(end), Framing::UntilClose) => return Ok(Some(end)),
                (Some(_), _) => return Ok(Some(End::Cut)),
            }
        }
    }

    /// Moves received bytes to the payload. Returns whether the body is complete.
    fn take(&mut self) -> Result<bool, CheckError> {
        let received = &mut self.peer.received;
        match self.framing {
            Framing::UntilClose => {
                self.payload.append(received);
                Ok(false)
            }
            Framing::Length(length) => {
                let missing = length.saturating_sub(self.payload.len()).min(received.len());
                self.payload.extend(received.drain(..missing));
                Ok(self.payload.len() >= length)
            }
            Framing::Chunked => take_chunks(received, &mut self.payload),
        }
    }
}

/// Takes all complete chunks (RFC 9112 7.1). Returns whether the last one was among them.
fn take_chunks(received: &mut Vec<u8>, payload: &mut Vec<u8>) -> Result<bool, CheckError> {
    while let Some(at) = find(received, b"\r\n") {
        let size = String::from_utf8_lossy(received.get(..at).unwrap_or_default()).into_owned();
        let Ok(len) = usize::from_str_radix(&size, 16) else {
            return Err(CheckError::new(format!("{size:?} is not the size of a chunk")));
        };
        let Some(ending) = received.get(at + 2 + len..at + 4 + len) else { return Ok(false) };
        equal("the end of a chunk", ending, b"\r\n")?;
        payload.extend(received.drain(..at + 4 + len).skip(at + 2).take(len));
        if len == 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}

fn is_end(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(kind, ConnectionReset | ConnectionAborted | BrokenPipe)
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
