//! The framing of one response: its head, the chunks of its body, its end.

use std::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};
use http::Response;

use super::request::{Persistence, ResponseContext};
use super::response::{Framing, put_head};
use super::wire::{Chunk, Wire, take};

/// Frames one response: its head, its body in chunks or as it is, its end.
///
/// It holds the head and remembers how much of each part is written. The caller holds
/// the payload. [`wire`](Self::wire) returns the bytes to write. Write all or some of
/// them, and pass the number to [`handle_written`](Self::handle_written). The default
/// adds nothing to a payload.
///
/// # Examples
///
/// ```
/// use http::Response;
/// use lasse_core::http1::{Framer, Limits, parse_request};
///
/// let input = b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n";
/// let head = parse_request(input, &Limits::default())?.expect("a complete head");
/// let mut framer = Framer::of_stream(head.context, &Response::new(()));
/// let mut sent = framer.wire("data: hello\n\n".into()).concat();
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
    /// The rest of the head. In a box, because it is soon written, and a stream lasts.
    head: Option<Box<Bytes>>,
    chunk: Chunk,
    is_chunked: bool,
    persistence: Persistence,
    is_ending: bool,
    /// Whether the response is broken off. It takes no extra room here, next to the other flags.
    is_aborted: bool,
    /// How many bytes of the last chunk are written.
    end_written: u8,
}

impl Framer {
    /// Frames a stream. The response to a HEAD is the head alone.
    pub fn of_stream(context: ResponseContext, head: &Response<()>) -> Self {
        let framing = Framing::of_stream(context);
        let is_chunked = framing == Framing::Chunked && !context.is_head;
        Self::new(context, head, framing, is_chunked)
    }

    /// Frames the response to a HEAD: the head alone, with its `content-length`, if any.
    pub fn of_head(context: ResponseContext, head: &Response<()>) -> Self {
        Self::new(context, head, Framing::of_head(context, head), false)
    }

    /// Frames a whole body, and returns the part that must be written as payload. The response to a
    /// HEAD has the length of the body, but not the body.
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

    /// Whether the client can distinguish the end of the body from a lost connection.
    pub fn has_chunks(&self) -> bool {
        self.is_chunked
    }

    /// Whether another request can follow on the connection.
    pub fn persistence(&self) -> Persistence {
        self.persistence
    }

    /// Closes the connection after this response.
    pub(super) fn close_after(&mut self) {
        self.persistence = Persistence::Close;
    }

    /// Breaks off the response: nothing more is written.
    pub(super) fn abort(&mut self) {
        self.is_aborted = true;
    }

    /// Whether the response is broken off.
    pub(super) fn is_aborted(&self) -> bool {
        self.is_aborted
    }

    /// The bytes to write for `payload`: the rest of the head, and the payload in its
    /// framing. `payload` must start with the part of the last payload that is not
    /// acknowledged.
    pub fn wire(&mut self, payload: Bytes) -> Wire {
        let wire = if self.is_chunked {
            if self.chunk.is_done() && !payload.is_empty() {
                self.chunk = Chunk::new(payload.len());
            }
            self.chunk.wire(payload)
        } else {
            Wire { payload, ..Wire::default() }
        };
        match &self.head {
            Some(head) => Wire { head: Bytes::clone(head), ..wire },
            None => wire,
        }
    }

    /// Whether there are bytes to write without a payload: a part of the head, or the
    /// end of a chunk.
    pub fn has_rest(&self) -> bool {
        self.head.is_some() || !self.chunk.is_done()
    }

    /// The bytes to write to end the body.
    pub fn end(&mut self) -> Wire {
        self.is_ending = true;
        let last = if self.is_chunked { LAST_CHUNK } else { &[] };
        Wire {
            head: self.head(),
            payload: Bytes::from_static(self.chunk.rest()),
            tail: last.get(usize::from(self.end_written)..).unwrap_or_default(),
            ..Wire::default()
        }
    }

    /// Acknowledges `n` written bytes. Returns how many of them were payload.
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

    fn head(&self) -> Bytes {
        self.head.as_deref().cloned().unwrap_or_default()
    }
}

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::String;
    use std::vec;

    use super::*;

    const CONTEXT: ResponseContext =
        ResponseContext { is_1_0: false, is_head: false, persistence: Persistence::KeepAlive };

    /// A framer of chunks whose head is written.
    fn chunks() -> Framer {
        Framer::of_encoded_head(Bytes::new())
    }

    #[test]
    fn a_stream_continues_a_head_that_is_encoded_already() {
        let mut framer = Framer::of_encoded_head("HTTP/1.1 200 OK\r\n\r\n".into());
        assert!(framer.has_rest() && framer.has_chunks());
        assert_eq!(framer.wire("a".into()).concat(), b"HTTP/1.1 200 OK\r\n\r\n1\r\na\r\n");
        assert!(!chunks().has_rest());
        assert_eq!(chunks().wire("a".into()).concat(), b"1\r\na\r\n");
    }

    #[test]
    fn a_head_alone_declares_the_framing_of_the_body_that_it_stands_for() {
        let head = |status: u16, length: Option<&str>| {
            let mut response = Response::builder().status(status);
            if let Some(length) = length {
                response = response.header("content-length", length);
            }
            let context = ResponseContext { is_head: true, ..CONTEXT };
            let mut framer = Framer::of_head(context, &response.body(()).unwrap());
            let sent = framer.wire(Bytes::new()).concat();
            framer.handle_written(sent.len());
            assert!(framer.end().is_empty());
            String::from_utf8(sent).unwrap()
        };
        assert_eq!(head(200, Some("5")), "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
        assert_eq!(head(200, None), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!(head(204, Some("5")), "HTTP/1.1 204 No Content\r\n\r\n");
    }

    #[test]
    fn the_size_of_a_chunk_is_hexadecimal() {
        for len in [1, 9, 10, 15, 16, 26, 255, 256, 4096, 0xa_9f0] {
            let wire = chunks().wire(vec![b'x'; len].into());
            assert_eq!(wire.slices()[1], format!("{len:x}\r\n").as_bytes());
            assert_eq!((wire.slices()[2].len(), wire.slices()[3]), (len, b"\r\n".as_slice()));
        }
    }

    #[test]
    fn a_chunk_keeps_its_size_before_any_of_it_is_written() {
        let mut framer = chunks();
        assert_eq!(framer.wire("abc".into()).concat(), b"3\r\nabc\r\n");
        assert_eq!(format!("{:?}", framer.wire("abcdef".into())), r#"Wire(b"3\r\nabc\r\n")"#);
    }

    #[test]
    fn a_body_can_end_before_the_end_of_its_last_chunk_is_written() {
        for step in 1..=7 {
            let mut framer = chunks();
            framer.wire("abc".into());
            assert_eq!(framer.handle_written(6), 3);
            let mut sent = vec![];
            while !framer.end().is_empty() {
                let wire = framer.end().concat();
                let part = &wire[..step.min(wire.len())];
                sent.extend_from_slice(part);
                assert_eq!(framer.handle_written(part.len()), 0);
            }
            assert_eq!(sent, b"\r\n0\r\n\r\n", "{step} bytes at a time");
        }
    }
}
