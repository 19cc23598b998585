//! An answer on its way.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Response;
use lasse_core::Handler;
use lasse_core::http1::{Framer, Terms};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::date::set_date;
use crate::answer::Answer;
use crate::drive::poll_write;
use crate::session::Session;

/// An answer, and what puts it on the wire.
pub(super) struct Outgoing<H: Handler, M> {
    pub(super) terms: Terms,
    pub(super) framer: Framer,
    pub(super) body: Body<H, M>,
}

/// What follows the head of an answer.
pub(super) enum Body<H: Handler, M> {
    Events(Pin<Box<Session<H, M>>>),
    Bytes(Bytes),
}

impl<H: Handler, M> Outgoing<H, M> {
    pub(super) fn new(terms: Terms, response: Response<Answer<H, M>>) -> Self {
        let (head, answer) = response.into_parts();
        let mut head = Response::from_parts(head, ());
        set_date(head.headers_mut());
        let (framer, body) = match answer {
            Answer::Events(session) => (Framer::of_stream(terms, &head), Body::Events(session)),
            Answer::HeadOnly => (Framer::of_stream(terms, &head), Body::Bytes(Bytes::new())),
            Answer::Full(body) => {
                let (framer, body) = Framer::of_body(terms, head.map(|()| body));
                (framer, Body::Bytes(body))
            }
        };
        Self { terms, framer, body }
    }

    /// Writes an answer that is not a stream, for which the client may take its
    /// time as long as it takes something.
    pub(super) async fn write(
        &mut self,
        io: &mut (impl AsyncWrite + Unpin),
        patience: Duration,
    ) -> io::Result<()> {
        let (Body::Bytes(body), framer) = (&mut self.body, &mut self.framer) else {
            return Ok(());
        };
        while !framer.wire(body).is_empty() {
            let writing = poll_fn(|cx| poll_write(io, framer.wire(body), cx));
            let written = timeout(patience, writing).await??;
            body.advance(framer.handle_written(written));
        }
        timeout(patience, io.flush()).await?
    }
}
