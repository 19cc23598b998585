//! The head of a response (RFC 9112 4).

use bytes::{BufMut, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, TRANSFER_ENCODING};
use http::{Response, StatusCode};

use super::request::{Persistence, ResponseContext};
use crate::frame::Digits;
use crate::request::{has_no_body, is_framing};

/// How the client finds the end of a body (RFC 9112 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// The status has no body.
    Nothing,
    /// The body has this many bytes. The response to a HEAD does not include them.
    Length(usize),
    /// Each chunk has its length.
    Chunked,
    /// The body ends with the connection.
    UntilClose,
}

impl Framing {
    /// The framing of a stream, whose length is not known.
    pub(super) fn of_stream(context: ResponseContext) -> Self {
        if context.has_chunks() { Self::Chunked } else { Self::UntilClose }
    }

    /// The framing that a head without a body declares.
    pub(super) fn of_head(context: ResponseContext, head: &Response<()>) -> Self {
        let length = head.headers().get(CONTENT_LENGTH);
        match length.and_then(|length| length.to_str().ok()?.parse().ok()) {
            _ if has_no_body(head.status()) => Self::Nothing,
            Some(length) => Self::Length(length),
            None => Self::of_stream(context),
        }
    }

    pub(super) fn of_body(status: StatusCode, len: usize) -> Self {
        if has_no_body(status) { Self::Nothing } else { Self::Length(len) }
    }
}

/// Writes the head. The framing fields of `head` itself are left out.
pub(super) fn put_head(
    out: &mut BytesMut,
    head: &Response<()>,
    framing: Framing,
    persistence: Persistence,
) {
    let status = head.status();
    out.reserve(256);
    out.put_slice(b"HTTP/1.1 ");
    out.put_slice(status.as_str().as_bytes());
    out.put_slice(b" ");
    out.put_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.put_slice(b"\r\n");
    for (name, value) in head.headers().iter().filter(|(name, _)| !is_framing(name)) {
        put_field(out, name, value.as_bytes());
    }
    match framing {
        Framing::Nothing | Framing::UntilClose => {}
        Framing::Length(len) => {
            put_field(out, &CONTENT_LENGTH, Digits::of(len as u64).as_bytes());
        }
        Framing::Chunked => put_field(out, &TRANSFER_ENCODING, b"chunked"),
    }
    if persistence == Persistence::Close {
        put_field(out, &CONNECTION, b"close");
    }
    out.put_slice(b"\r\n");
}

fn put_field(out: &mut BytesMut, name: &HeaderName, value: &[u8]) {
    out.put_slice(name.as_str().as_bytes());
    out.put_slice(b": ");
    out.put_slice(value);
    out.put_slice(b"\r\n");
}
