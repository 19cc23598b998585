//! A client that hears every byte: blocking, and strict about framing.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::wrong::{Wrong, ensure, equal};
use super::{PATIENCE, Server};

/// A connection to the server under test.
#[derive(Debug)]
pub(super) struct Peer {
    socket: TcpStream,
    /// What was read from the socket and not yet understood.
    heard: Vec<u8>,
}

/// How a connection, or a body, is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As the protocol has it.
    Clean,
    /// In the middle, or by a reset.
    Cut,
}

impl Peer {
    pub(super) fn dial(server: &Server) -> Result<Self, Wrong> {
        let socket = TcpStream::connect(server.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, heard: Vec::new() })
    }

    /// Dials, and asks by HTTP/1.1 for `target`.
    pub(super) fn get(server: &Server, target: &str) -> Result<Self, Wrong> {
        let mut peer = Self::dial(server)?;
        peer.ask("GET", target, "")?;
        Ok(peer)
    }

    /// The same connection, to speak while an answer is being read.
    pub(super) fn another(&self) -> Result<Self, Wrong> {
        Ok(Self { socket: self.socket.try_clone()?, heard: Vec::new() })
    }

    /// Sends a request by HTTP/1.1 with some more `fields`, each ended by CR LF.
    pub(super) fn ask(
        &mut self,
        method: &str,
        target: &str,
        fields: impl AsRef<[u8]>,
    ) -> Result<(), Wrong> {
        let mut request = format!("{method} {target} HTTP/1.1\r\nhost: here\r\n").into_bytes();
        request.extend_from_slice(fields.as_ref());
        request.extend_from_slice(b"\r\n");
        self.say(request)
    }

    pub(super) fn say(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), Wrong> {
        Ok(self.socket.write_all(bytes.as_ref())?)
    }

    /// Says that no more will be said.
    pub(super) fn half_close(&self) -> Result<(), Wrong> {
        Ok(self.socket.shutdown(Shutdown::Write)?)
    }

    /// Leaves with a reset: what is there to be read is not.
    pub(super) fn reset(self) -> Result<(), Wrong> {
        let there = self.socket.peek(&mut [0])?;
        equal("what can be peeked at", there, 1)
    }

    /// Reads the head of an answer that streams, or has a body.
    pub(super) fn answer(&mut self) -> Result<Answer<'_>, Wrong> {
        let head = self.head()?;
        let framing = Framing::of(&head)?;
        Ok(Answer { peer: self, head, framing, payload: Vec::new() })
    }

    /// Reads the head of an answer.
    pub(super) fn head(&mut self) -> Result<Head, Wrong> {
        loop {
            if let Some(at) = find(&self.heard, b"\r\n\r\n") {
                let text: Vec<_> = self.heard.drain(..at + 4).collect();
                return Head::parse(&text);
            }
            if let Some(end) = self.hear()? {
                let heard = String::from_utf8_lossy(&self.heard);
                return Err(Wrong::new(format!("{end:?} end after {heard:?}, and no head")));
            }
        }
    }

    /// Reads the answer to a request that should not be: its status, or `None`
    /// if the connection ends without one.
    pub(super) fn refusal(&mut self) -> Result<Option<u16>, Wrong> {
        loop {
            if find(&self.heard, b"\r\n\r\n").is_some() {
                return Ok(Some(self.head()?.status));
            }
            if self.hear()?.is_some() {
                return Ok(None);
            }
        }
    }

    /// Whether anything follows, in the time given: bytes, or the end.
    pub(super) fn hears_within(&mut self, time: Duration) -> Result<bool, Wrong> {
        self.socket.set_read_timeout(Some(time))?;
        let heard = !self.heard.is_empty() || self.hear().is_ok();
        self.socket.set_read_timeout(Some(PATIENCE))?;
        Ok(heard)
    }

    /// Reads up to the end of the connection; nothing may come before it.
    pub(super) fn end(&mut self) -> Result<End, Wrong> {
        let end = loop {
            if let Some(end) = self.hear()? {
                break end;
            }
        };
        let rest = String::from_utf8_lossy(&self.heard);
        ensure(rest.is_empty(), || format!("{rest:?} comes after the end"))?;
        Ok(end)
    }

    /// Reads to the end of the connection, whatever comes.
    pub(super) fn drain(&mut self) -> Result<End, Wrong> {
        loop {
            self.heard.clear();
            if let Some(end) = self.hear()? {
                return Ok(end);
            }
        }
    }

    /// Hears more, or the end.
    fn hear(&mut self) -> Result<Option<End>, Wrong> {
        let mut buffer = [0; 64 * 1024];
        match self.socket.read(&mut buffer) {
            Ok(0) => Ok(Some(End::Clean)),
            Ok(n) => {
                self.heard.extend(buffer.iter().take(n));
                Ok(None)
            }
            Err(error) if is_end(error.kind()) => Ok(Some(End::Cut)),
            Err(error) if is_timeout(error.kind()) => {
                let heard = String::from_utf8_lossy(&self.heard);
                Err(Wrong::new(format!("nothing came in time; what did is {heard:?}")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    fn parse(bytes: &[u8]) -> Result<Self, Wrong> {
        let text = String::from_utf8_lossy(bytes);
        let malformed = || Wrong::new(format!("this is no head: {text:?}"));
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

    /// Passes if a field is as it should be.
    pub(super) fn expect(&self, name: &str, should_be: Option<&str>) -> Result<(), Wrong> {
        equal(name, self.field(name).as_deref(), should_be)
    }
}

/// How the end of a body is told (RFC 9112 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

impl Framing {
    fn of(head: &Head) -> Result<Self, Wrong> {
        let length = head.field("content-length");
        match head.field("transfer-encoding").as_deref() {
            Some("chunked") if length.is_none() => Ok(Self::Chunked),
            Some(other) => Err(Wrong::new(format!(
                "the transfer-encoding is {other:?}, the content-length {length:?}"
            ))),
            None => match length.map(|length| length.parse()) {
                Some(Ok(length)) => Ok(Self::Length(length)),
                Some(Err(error)) => Err(Wrong::new(format!("the content-length: {error}"))),
                None if matches!(head.status, 204 | 304) => Ok(Self::Length(0)),
                None => Ok(Self::UntilClose),
            },
        }
    }
}

/// An answer whose body is being read.
#[derive(Debug)]
pub(super) struct Answer<'p> {
    peer: &'p mut Peer,
    pub(super) head: Head,
    pub(super) framing: Framing,
    /// The body, as far as it has come.
    payload: Vec<u8>,
}

impl Answer<'_> {
    /// Reads until `text` has come, and returns what came before it.
    pub(super) fn await_text(&mut self, text: &str) -> Result<String, Wrong> {
        loop {
            if let Some(at) = find(&self.payload, text.as_bytes()) {
                let taken: Vec<_> = self.payload.drain(..at + text.len()).take(at).collect();
                return Ok(String::from_utf8_lossy(&taken).into_owned());
            }
            if let Some(end) = self.more()? {
                return Err(Wrong::new(format!(
                    "{end:?} end before {text:?}, after {:?}",
                    self.text()
                )));
            }
        }
    }

    /// Reads to the end.
    pub(super) fn finish(mut self) -> Result<(String, End), Wrong> {
        loop {
            if let Some(end) = self.more()? {
                return Ok((self.text(), end));
            }
        }
    }

    /// Passes if the body is `text` and ends cleanly.
    pub(super) fn expect(self, text: &str) -> Result<(), Wrong> {
        equal("the body", self.finish()?, (text.to_owned(), End::Clean))
    }

    /// Reads to the end, and passes if the body, but for keep-alives, is `text`
    /// and ends cleanly.
    pub(super) fn expect_events(self, text: &str) -> Result<(), Wrong> {
        let (body, end) = self.finish()?;
        let lines = body.split_inclusive('\n').filter(|line| !line.starts_with(':'));
        equal("the stream", (lines.collect(), end), (text.to_owned(), End::Clean))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }

    /// Adds to the payload, or tells the end.
    fn more(&mut self) -> Result<Option<End>, Wrong> {
        let len = self.payload.len();
        loop {
            if self.take()? {
                return Ok(Some(End::Clean));
            }
            if self.payload.len() > len {
                return Ok(None);
            }
            match (self.peer.hear()?, self.framing) {
                (None, _) => {}
                (Some(end), Framing::UntilClose) => return Ok(Some(end)),
                (Some(_), _) => return Ok(Some(End::Cut)),
            }
        }
    }

    /// Takes what was heard into the payload; whether that was the last of it.
    fn take(&mut self) -> Result<bool, Wrong> {
        let heard = &mut self.peer.heard;
        match self.framing {
            Framing::UntilClose => {
                self.payload.append(heard);
                Ok(false)
            }
            Framing::Length(length) => {
                let missing = length.saturating_sub(self.payload.len()).min(heard.len());
                self.payload.extend(heard.drain(..missing));
                Ok(self.payload.len() >= length)
            }
            Framing::Chunked => take_chunks(heard, &mut self.payload),
        }
    }
}

/// Takes all whole chunks (RFC 9112 7.1); whether the last one was among them.
fn take_chunks(heard: &mut Vec<u8>, payload: &mut Vec<u8>) -> Result<bool, Wrong> {
    while let Some(at) = find(heard, b"\r\n") {
        let size = String::from_utf8_lossy(heard.get(..at).unwrap_or_default()).into_owned();
        let Ok(len) = usize::from_str_radix(&size, 16) else {
            return Err(Wrong::new(format!("{size:?} is not the size of a chunk")));
        };
        let Some(ending) = heard.get(at + 2 + len..at + 4 + len) else { return Ok(false) };
        equal("what ends a chunk", ending, b"\r\n")?;
        payload.extend(heard.drain(..at + 4 + len).skip(at + 2).take(len));
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
