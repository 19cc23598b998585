//! From what a connection wants written to bytes on the wire, and back.

use std::io::Write;

use bytes::{Buf, Bytes, BytesMut};
use http::Response;

use super::request::Terms;
use super::response::{Framing, put_head};

/// Puts a response on the wire: its head, its body in chunks or otherwise, its
/// end.
///
/// It keeps what the wire has beyond the payload, and how far each was written;
/// the payload itself stays the connection's. Ask [`wire`](Self::wire) what to
/// write, write it or a part of it, and tell [`handle_written`](Self::handle_written)
/// how much.
///
/// # Examples
///
/// ```
/// use http::Response;
/// use lasse_core::http1::{Framer, Limits, parse_request};
///
/// let input = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// let head = parse_request(input, &Limits::default())?.expect("a whole head");
/// let mut framer = Framer::of_stream(head.terms, &Response::new(()));
/// let mut sent = framer.wire(b"data: hello\n\n").concat();
/// assert_eq!(framer.handle_written(sent.len()), 13);
/// sent.extend(framer.end().concat());
/// assert_eq!(
///     String::from_utf8(sent)?,
///     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\ndata: hello\n\n\r\n0\r\n\r\n",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    is_chunked: bool,
    /// The head, as far as it is not written.
    head: Bytes,
    chunk: Chunk,
    /// What is left of the end.
    end: Option<&'static [u8]>,
}

impl Framer {
    /// The response by a stream. To a HEAD, the head alone goes out.
    pub fn of_stream(terms: Terms, head: &Response<()>) -> Self {
        let framing = Framing::of_stream(terms);
        let is_chunked = framing == Framing::Chunked && !terms.is_head;
        Self::new(terms, head, framing, is_chunked)
    }

    /// The response by a whole body, and what of it is to be written as payload: a
    /// HEAD gets its length alone.
    pub fn of_body(terms: Terms, response: Response<Bytes>) -> (Self, Bytes) {
        let (parts, mut body) = response.into_parts();
        let framing = Framing::of_body(parts.status, body.len());
        if framing == Framing::Nothing || terms.is_head {
            body.clear();
        }
        (Self::new(terms, &Response::from_parts(parts, ()), framing, false), body)
    }

    fn new(terms: Terms, head: &Response<()>, framing: Framing, is_chunked: bool) -> Self {
        let mut out = BytesMut::new();
        put_head(&mut out, head, framing, terms.persistence);
        Self { is_chunked, head: out.freeze(), chunk: Chunk::default(), end: None }
    }

    /// What to write so that `payload` gets to the client: the head, if it is
    /// still due, and the payload, framed. `payload` is what the connection
    /// offers: what was not acknowledged of it is offered again.
    pub fn wire<'a>(&'a mut self, payload: &'a [u8]) -> Wire<'a> {
        if !self.is_chunked {
            return Wire([&self.head, &[], payload, &[]]);
        }
        if self.chunk.is_done() && !payload.is_empty() {
            self.chunk = Chunk::of(payload.len());
        }
        let payload = payload.get(..self.chunk.payload).unwrap_or(payload);
        Wire([&self.head, self.chunk.size.as_slice(), payload, self.chunk.tail])
    }

    /// What to write so that the body ends cleanly.
    pub fn end(&mut self) -> Wire<'_> {
        let last = if self.is_chunked { LAST_CHUNK } else { &[] };
        let end = *self.end.get_or_insert(last);
        Wire([&self.head, self.chunk.tail, end, &[]])
    }

    /// Takes note that `n` bytes of the wire were written, and tells how many of
    /// them were the payload's.
    pub fn handle_written(&mut self, n: usize) -> usize {
        let mut n = n;
        let head = take(&mut n, self.head.len());
        self.head.advance(head);
        if self.head.is_empty() {
            self.head = Bytes::new();
        }
        if !self.is_chunked {
            return n;
        }
        let size = take(&mut n, self.chunk.size.as_slice().len());
        self.chunk.size.start += size as u8;
        let payload = take(&mut n, self.chunk.payload);
        self.chunk.payload -= payload;
        advance(&mut self.chunk.tail, &mut n);
        if let Some(end) = &mut self.end {
            advance(end, &mut n);
        }
        payload
    }
}

/// What is to be written, in this order; some of the slices may be empty.
#[derive(Clone, Copy, Debug)]
pub struct Wire<'a>([&'a [u8]; 4]);

impl<'a> Wire<'a> {
    /// The slices.
    pub fn slices(self) -> [&'a [u8]; 4] {
        self.0
    }

    /// How many bytes there are.
    pub fn len(self) -> usize {
        self.0.iter().map(|slice| slice.len()).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes in one piece.
    pub fn concat(self) -> Vec<u8> {
        self.0.concat()
    }
}

/// A chunk on its way (RFC 9112 7.1), as far as it is not written.
#[derive(Debug, Default)]
struct Chunk {
    size: Size,
    payload: usize,
    tail: &'static [u8],
}

impl Chunk {
    fn of(payload: usize) -> Self {
        Self { size: Size::of(payload), payload, tail: b"\r\n" }
    }

    fn is_done(&self) -> bool {
        self.tail.is_empty()
    }
}

/// A chunk's first line.
#[derive(Debug, Default)]
struct Size {
    text: [u8; 18],
    start: u8,
    end: u8,
}

impl Size {
    fn of(payload: usize) -> Self {
        let mut text = [0; 18];
        let mut room = text.as_mut_slice();
        // Sixteen digits and the line ending always fit.
        let _ = write!(room, "{payload:x}\r\n");
        let end = 18 - room.len() as u8;
        Self { text, start: 0, end }
    }

    fn as_slice(&self) -> &[u8] {
        self.text.get(self.start.into()..self.end.into()).unwrap_or_default()
    }
}

/// Takes what there is, `most` at the most, from `n`.
fn take(n: &mut usize, most: usize) -> usize {
    let taken = most.min(*n);
    *n -= taken;
    taken
}

fn advance(slice: &mut &'static [u8], n: &mut usize) {
    let taken = take(n, slice.len());
    *slice = slice.get(taken..).unwrap_or_default();
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
