//! An answer on its way.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Response;
use lasse_core::http1::{Framer, ResponseContext};
use lasse_core::{Body, Source};
use tokio::io::AsyncWrite;
use tokio::time::timeout;

use super::date::set_date;
use crate::answer::SessionBody;
use crate::session::Session;
use crate::transport::Transport;

/// What follows the head of an answer.
pub(super) enum Outgoing<S: Source> {
    Events(Box<Session<S>>),
    Bytes(Bytes),
}

impl<S: Source> Outgoing<S> {
    /// What puts an answer on the wire, and what follows its head.
    pub(super) fn new(
        context: ResponseContext,
        response: Response<SessionBody<S>>,
    ) -> (Framer, Self) {
        let (head, answer) = response.into_parts();
        let mut head = Response::from_parts(head, ());
        set_date(head.headers_mut());
        match answer {
            Body::Stream(session) => (Framer::of_stream(context, &head), Self::Events(session)),
            Body::HeadOnly => (Framer::of_stream(context, &head), Self::Bytes(Bytes::new())),
            Body::Full(body) => {
                let (framer, body) = Framer::of_body(context, head.map(|()| body));
                (framer, Self::Bytes(body))
            }
        }
    }
}

/// Writes an answer that is not a stream, for which the client may take its time
/// as long as it takes something.
pub(super) async fn write(
    transport: &mut Transport<impl AsyncWrite + Unpin>,
    mut body: Bytes,
    patience: Duration,
) -> io::Result<()> {
    while !body.is_empty() || transport.framer().has_rest() {
        let writing = poll_fn(|cx| transport.poll_write(&body, cx));
        let written = timeout(patience, writing).await??;
        body.advance(written);
    }
    timeout(patience, poll_fn(|cx| transport.poll_flush(cx))).await?
}
