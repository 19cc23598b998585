//! From what a connection wants written to bytes on the wire, and back.

use std::boxed::Box;
use std::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};
use http::Response;

use super::request::{Persistence, ResponseContext};
use super::response::{Framing, put_head};

/// Puts a response on the wire: its head, its body in chunks or otherwise, its
/// end.
///
/// It keeps what the wire has beyond the payload, and how far each was written;
/// the payload itself stays the connection's. The default adds nothing. Ask [`wire`](Self::wire) what to
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
/// let mut framer = Framer::of_stream(head.context, &Response::new(()));
/// let mut sent = framer.wire(b"data: hello\n\n").concat();
/// assert_eq!(framer.handle_written(sent.len()), 13);
/// sent.extend(framer.end().concat());
/// assert_eq!(
///     String::from_utf8(sent)?,
///     "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nd\r\ndata: hello\n\n\r\n0\r\n\r\n",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Framer {
    /// The head, as far as it is not written. In a box, since it is soon gone,
    /// while a stream lasts.
    head: Option<Box<Bytes>>,
    chunk: Chunk,
    is_chunked: bool,
    persistence: Persistence,
    is_ending: bool,
    /// How many bytes of the end are written.
    end_written: u8,
}

impl Framer {
    /// The response by a stream. To a HEAD, the head alone goes out.
    pub fn of_stream(context: ResponseContext, head: &Response<()>) -> Self {
        let framing = Framing::of_stream(context);
        let is_chunked = framing == Framing::Chunked && !context.is_head;
        Self::new(context, head, framing, is_chunked)
    }

    /// The response by a whole body, and what of it is to be written as payload: a
    /// HEAD gets its length alone.
    pub fn of_body(context: ResponseContext, response: Response<Bytes>) -> (Self, Bytes) {
        let (parts, mut body) = response.into_parts();
        let framing = Framing::of_body(parts.status, body.len());
        if framing == Framing::Nothing || context.is_head {
            body.clear();
        }
        (Self::new(context, &Response::from_parts(parts, ()), framing, false), body)
    }

    /// Frames a stream in chunks after a head that is encoded already, by another HTTP
    /// library.
    pub fn of_encoded_head(head: Bytes) -> Self {
        let head = (!head.is_empty()).then(|| Box::new(head));
        Self { head, is_chunked: true, ..Self::default() }
    }

    fn new(
        context: ResponseContext,
        head: &Response<()>,
        framing: Framing,
        is_chunked: bool,
    ) -> Self {
        let mut out = BytesMut::new();
        put_head(&mut out, head, framing, context.persistence);
        let head = Some(Box::new(out.freeze()));
        Self { head, is_chunked, persistence: context.persistence, ..Self::default() }
    }

    /// Whether the end of the body can be told from an end of the connection.
    pub fn has_chunks(&self) -> bool {
        self.is_chunked
    }

    /// Whether another request may follow on the connection.
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// What to write so that `payload` gets to the client: the head, if it is
    /// still due, and the payload, framed. `payload` is what the connection
    /// offers: what was not acknowledged of it is offered again.
    pub fn wire<'a>(&'a mut self, payload: &'a [u8]) -> Wire<'a> {
        if !self.is_chunked {
            return Wire { head: self.head(), size: Size::default(), payload, tail: &[] };
        }
        if self.chunk.is_done() && !payload.is_empty() {
            self.chunk = Chunk { payload: payload.len(), written: 0 };
        }
        self.chunk.wire(self.head(), payload)
    }

    /// Whether there is something to write without a payload: the head, or what
    /// is left of a chunk.
    pub fn has_rest(&self) -> bool {
        self.head.is_some() || !self.chunk.is_done()
    }

    /// What to write so that the body ends cleanly.
    pub fn end(&mut self) -> Wire<'_> {
        self.is_ending = true;
        let last = if self.is_chunked { LAST_CHUNK } else { &[] };
        Wire {
            head: self.head(),
            size: Size::default(),
            payload: self.chunk.wire(&[], &[]).tail,
            tail: last.get(usize::from(self.end_written)..).unwrap_or_default(),
        }
    }

    /// Takes note that `n` bytes of the wire were written, and tells how many of
    /// them were the payload's.
    pub fn handle_written(&mut self, n: usize) -> usize {
        let mut n = n;
        if let Some(head) = &mut self.head {
            head.advance(take(&mut n, head.len()));
            if head.is_empty() {
                self.head = None;
            }
        }
        if !self.is_chunked {
            return n;
        }
        let payload = self.chunk.handle_written(&mut n);
        if self.is_ending {
            self.end_written += n as u8;
        }
        payload
    }

    fn head(&self) -> &[u8] {
        self.head.as_deref().map_or(&[], |head| head)
    }
}

/// What is to be written, in this order; some of the pieces may be empty.
#[derive(Clone, Copy, Debug)]
pub struct Wire<'a> {
    head: &'a [u8],
    size: Size,
    payload: &'a [u8],
    tail: &'static [u8],
}

impl Wire<'_> {
    /// The pieces.
    pub fn slices(&self) -> [&[u8]; 4] {
        [self.head, self.size.as_slice(), self.payload, self.tail]
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes in one piece.
    pub fn concat(&self) -> Vec<u8> {
        self.slices().concat()
    }
}

/// A chunk on its way (RFC 9112 7.1): its size, its payload, a line ending.
#[derive(Debug, Default)]
struct Chunk {
    /// How many bytes its payload has; without any, there is no chunk.
    payload: usize,
    /// How many bytes of it all are written.
    written: usize,
}

impl Chunk {
    fn is_done(&self) -> bool {
        self.payload == 0
    }

    /// What is left to write, if `payload` begins with what is left of its
    /// payload.
    fn wire<'a>(&self, head: &'a [u8], payload: &'a [u8]) -> Wire<'a> {
        if self.is_done() {
            return Wire { head, size: Size::default(), payload: &[], tail: &[] };
        }
        let mut written = self.written;
        let size = Size::of(self.payload).after(take(&mut written, Size::len_of(self.payload)));
        let left = self.payload - take(&mut written, self.payload);
        Wire {
            head,
            size,
            payload: payload.get(..left).unwrap_or(payload),
            tail: TAIL.get(written..).unwrap_or_default(),
        }
    }

    /// Takes from `n` what was written of the chunk, and tells how much of that
    /// was its payload.
    fn handle_written(&mut self, n: &mut usize) -> usize {
        if self.is_done() {
            return 0;
        }
        let size = Size::len_of(self.payload);
        let payload_written = |written: usize| written.saturating_sub(size).min(self.payload);
        let before = payload_written(self.written);
        let len = size + self.payload + TAIL.len();
        self.written += take(n, len - self.written);
        let payload = payload_written(self.written) - before;
        if self.written == len {
            *self = Self::default();
        }
        payload
    }
}

/// A chunk's first line, as far as it is not written.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    text: [u8; Self::MOST],
    start: u8,
    end: u8,
}

impl Size {
    /// Sixteen digits and a line ending.
    const MOST: usize = 18;

    /// The line of a chunk of so many bytes.
    fn of(payload: usize) -> Self {
        let mut line = Self::default();
        let mut left = payload;
        let (digits, end) = line.text.split_at_mut(Self::digits(payload));
        for place in digits.iter_mut().rev() {
            *place = Self::digit(left as u8 & 15);
            left >>= 4;
        }
        end.iter_mut().zip(TAIL).for_each(|(place, byte)| *place = *byte);
        line.end = Self::len_of(payload) as u8;
        line
    }

    /// How many bytes that line has.
    fn len_of(payload: usize) -> usize {
        Self::digits(payload) + TAIL.len()
    }

    fn digits(payload: usize) -> usize {
        (usize::BITS - payload.leading_zeros()).div_ceil(4) as usize
    }

    fn digit(value: u8) -> u8 {
        if value < 10 { b'0' + value } else { b'a' + value - 10 }
    }

    fn after(self, written: usize) -> Self {
        Self { start: written as u8, ..self }
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

const TAIL: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
