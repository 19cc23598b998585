//! What one connection receives: a response head, chunks, and events, each of which
//! is checked. A connection allocates only if its response head comes in pieces.

use memchr::{memchr, memmem};

use crate::bytes::Bytes;
use crate::tally::Tally;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Closed,
    Connecting,
    Head,
    Body,
}

/// The state of a connection's response, and what it has received so far.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) phase: Phase,
    is_chunked: bool,
    chunk: Chunk,
    /// The unread bytes of the chunk.
    chunk_rest: u64,
    /// The part of the response head that has come.
    head: Vec<u8>,
    line: Line,
    has_data: bool,
    /// The number and the time in the data of the current event.
    number: u64,
    published: u64,
    /// The `id` field that was received last.
    last_id: Id,
    /// The number of the last event, or 0.
    pub(crate) last_number: u64,
    pub(crate) events: u64,
    /// When the request was sent, in nanoseconds.
    pub(crate) opened: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chunk {
    Size,
    Extension,
    Data,
    LineEnd,
    /// The last chunk, or input that is not a chunk.
    End,
}

impl Stream {
    pub(crate) fn new() -> Self {
        Self {
            phase: Phase::Closed,
            is_chunked: false,
            chunk: Chunk::Size,
            chunk_rest: 0,
            head: Vec::new(),
            line: Line::default(),
            has_data: false,
            number: 0,
            published: 0,
            last_id: Id::default(),
            last_number: 0,
            events: 0,
            opened: 0,
        }
    }

    /// Forgets the response, but not the events that were received.
    pub(crate) fn reset(&mut self) {
        self.phase = Phase::Closed;
        self.is_chunked = false;
        self.chunk = Chunk::Size;
        self.chunk_rest = 0;
        self.head = Vec::new();
        self.line.clear();
        self.has_data = false;
    }

    /// The id to reconnect with: the last `id` field, which is only kept if the
    /// tally asks for it, or else the number of the last event.
    pub(crate) fn last_event_id(&self) -> Option<Vec<u8>> {
        match (self.last_id.as_bytes(), self.last_number) {
            ([], 0) => None,
            ([], number) => Some(number.to_string().into_bytes()),
            (id, _) => Some(id.to_vec()),
        }
    }

    /// Takes bytes from the socket.
    ///
    /// # Errors
    ///
    /// If the response is not a 200.
    pub(crate) fn receive(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<(), String> {
        if self.phase == Phase::Body {
            self.receive_body(bytes, tally);
            return Ok(());
        }
        if self.head.is_empty() {
            if let Some(end) = memmem::find(bytes, HEAD_END) {
                return self.receive_head(bytes, end, tally);
            }
        }
        self.head.extend_from_slice(bytes);
        if let Some(end) = memmem::find(&self.head, HEAD_END) {
            let head = std::mem::take(&mut self.head);
            return self.receive_head(&head, end, tally);
        }
        if self.head.len() > LONGEST_HEAD {
            return Err(format!("a response head of more than {LONGEST_HEAD} bytes"));
        }
        Ok(())
    }

    fn receive_head(&mut self, bytes: &[u8], end: usize, tally: &mut Tally) -> Result<(), String> {
        let (head, body) = (&bytes[..end], &bytes[end + HEAD_END.len()..]);
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        if !line.starts_with(b"HTTP/1.") || line.get(9..12) != Some(b"200") {
            return Err(format!("the response is {:?}", String::from_utf8_lossy(line)));
        }
        self.is_chunked = head.split(|byte| *byte == b'\n').any(|field| {
            let field = field.to_ascii_lowercase();
            field.starts_with(b"transfer-encoding:") && memmem::find(&field, b"chunked").is_some()
        });
        self.phase = Phase::Body;
        self.receive_body(body, tally);
        Ok(())
    }

    fn receive_body(&mut self, mut bytes: &[u8], tally: &mut Tally) {
        if !self.is_chunked {
            return self.receive_events(bytes, tally);
        }
        while let Some((&byte, rest)) = bytes.split_first() {
            match self.chunk {
                Chunk::Size => {
                    bytes = rest;
                    self.receive_size(byte, tally);
                }
                Chunk::Extension => {
                    bytes = rest;
                    if byte == b'\n' {
                        self.start_chunk();
                    }
                }
                Chunk::Data => {
                    let len = bytes.len().min(self.chunk_rest as usize);
                    self.receive_events(&bytes[..len], tally);
                    bytes = &bytes[len..];
                    self.chunk_rest -= len as u64;
                    if self.chunk_rest == 0 {
                        self.chunk = Chunk::LineEnd;
                    }
                }
                Chunk::LineEnd => {
                    bytes = rest;
                    match byte {
                        b'\n' => self.chunk = Chunk::Size,
                        b'\r' => {}
                        _ => self.break_off(tally),
                    }
                }
                Chunk::End => return,
            }
        }
    }

    fn receive_size(&mut self, byte: u8, tally: &mut Tally) {
        match byte {
            b'\n' => self.start_chunk(),
            b'\r' => {}
            b';' | b' ' | b'\t' => self.chunk = Chunk::Extension,
            _ => match char::from(byte).to_digit(16) {
                Some(digit) => self.chunk_rest = self.chunk_rest << 4 | u64::from(digit),
                None => self.break_off(tally),
            },
        }
    }

    fn start_chunk(&mut self) {
        self.chunk = if self.chunk_rest == 0 { Chunk::End } else { Chunk::Data };
    }

    fn break_off(&mut self, tally: &mut Tally) {
        tally.protocol_errors += 1;
        self.chunk = Chunk::End;
    }

    fn receive_events(&mut self, mut bytes: &[u8], tally: &mut Tally) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            if self.line.is_empty() {
                self.receive_line(line, tally);
            } else {
                self.line.push(line);
                let whole = std::mem::take(&mut self.line);
                self.receive_line(whole.as_bytes(), tally);
            }
            bytes = rest;
        }
        self.line.push(bytes);
    }

    fn receive_line(&mut self, line: &[u8], tally: &mut Tally) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match line {
            [] if self.has_data => {
                self.has_data = false;
                self.receive_event(tally);
            }
            [b'd', b'a', b't', b'a', b':', value @ ..] if !self.has_data => {
                self.has_data = true;
                let (number, rest) = leading_number(without_space(value));
                self.number = number;
                self.published = leading_number(without_space(rest)).0;
            }
            [b'i', b'd', b':', value @ ..] if tally.keeps_ids => {
                self.last_id = Id::default();
                self.last_id.push(without_space(value));
            }
            [b':', ..] => tally.comments += 1,
            _ => {}
        }
    }

    fn receive_event(&mut self, tally: &mut Tally) {
        let (number, published) = (self.number, self.published);
        if number == 0 || published == 0 {
            tally.unreadable += 1;
            return;
        }
        if self.last_number != 0 && number <= self.last_number {
            tally.repeats += 1;
            return;
        }
        if self.last_number != 0 && number > self.last_number + 1 {
            tally.gaps += 1;
        }
        self.last_number = number;
        self.events += 1;
        tally.count(published, published < self.opened, self.events);
    }
}

/// The start of a line that has come in part: as much of it as is read.
type Line = Bytes<56>;
type Id = Bytes<39>;

fn without_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// A number at the start of `text`, and what follows it.
fn leading_number(text: &[u8]) -> (u64, &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let digits = text[..end].iter().map(|byte| u64::from(byte - b'0'));
    let number = digits.fold(0_u64, |number, digit| number.wrapping_mul(10).wrapping_add(digit));
    (number, &text[end..])
}

const HEAD_END: &[u8] = b"\r\n\r\n";
const LONGEST_HEAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(response: &[u8], step: usize) -> (Stream, Tally) {
        let (mut stream, mut tally) = (Stream::new(), Tally::new(3).with_ids(true));
        tally.now = 1_000;
        stream.phase = Phase::Head;
        for piece in response.chunks(step) {
            stream.receive(piece, &mut tally).unwrap();
        }
        (stream, tally)
    }

    #[test]
    fn a_body_without_chunks_is_read_however_it_is_cut() {
        let padding = "x".repeat(200);
        let response = format!(
            "HTTP/1.1 200 OK\r\nA: b\r\n\r\n: hi\n\nid: 7\ndata: 7 500 {padding}\n\nid:8\r\ndata:8 600\r\n\
             data: more\r\n\r\nid: 9\ndata: 9 700\n\n"
        );
        for step in 1..response.len() {
            let (stream, tally) = receive(response.as_bytes(), step);
            assert_eq!((tally.delivered, tally.faults(), tally.complete), (3, 0, 1), "step {step}");
            assert_eq!(stream.last_event_id().unwrap(), b"9");
            assert_eq!(tally.comments, 1);
        }
    }

    #[test]
    fn a_chunked_body_is_read_however_it_is_cut() {
        let mut response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n".to_vec();
        let pieces = ["id: 1\ndata: 1 500 abc\n\n", "id: 2\ndata: 2 ", "500 zz\n\ndata: 3 500\n\n"];
        for piece in pieces {
            response.extend(format!("{:x};ext=1\r\n{piece}\r\n", piece.len()).bytes());
        }
        response.extend(b"0\r\n\r\n");
        for step in 1..response.len() {
            let (_, tally) = receive(&response, step);
            assert_eq!((tally.delivered, tally.faults(), tally.complete), (3, 0, 1), "step {step}");
        }
    }

    #[test]
    fn gaps_repeats_and_unreadable_events_are_counted() {
        let response = b"HTTP/1.1 200 OK\r\n\r\ndata: 1 5\n\ndata: 4 5\n\ndata: 4 5\n\ndata: x\n\n";
        let (_, tally) = receive(response, 1000);
        assert_eq!((tally.delivered, tally.gaps, tally.repeats, tally.unreadable), (2, 1, 1, 1));
        let (_, tally) = receive(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz", 1000);
        assert_eq!(tally.protocol_errors, 1);
    }

    #[test]
    fn another_status_than_200_is_an_error() {
        let mut stream = Stream::new();
        let error = stream.receive(b"HTTP/1.1 503 Busy\r\n\r\n", &mut Tally::new(0)).unwrap_err();
        assert_eq!(error, "the response is \"HTTP/1.1 503 Busy\"");
    }
}
