//! One answer on its way to the client, from its head to its end.

use core::task::Context;
use core::time::Duration;

use bytes::{Buf, Bytes};
use http::Response;

use super::bad_request::BadRequest;
use super::framer::{Framer, Wire};
use super::request::{Persistence, ResponseContext};
use crate::config::StreamConfig;
use crate::connection::{Body, Close, Connection, Output};
use crate::end::EndReason;
use crate::source::Source;
use crate::time::Instant;

/// An answer, whether it is a stream or not, with one deadline to its last byte.
#[derive(Debug)]
pub(super) struct Reply<S: Source> {
    framer: Framer,
    stream: Option<Connection<S>>,
    /// What the stream offers, or what is left of a whole body.
    payload: Bytes,
    /// Whether all that is left to write is the end.
    is_ending: bool,
    is_given_up: bool,
    persistence: Persistence,
    write_timeout: Option<Duration>,
    /// When the client must have taken a byte.
    write_deadline: Option<Instant>,
}

/// What is to be done for a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Write the [`wire`](Reply::wire).
    Write,
    Wait,
    Close(Close),
}

impl<S: Source> Reply<S> {
    /// The answer to a request in this context.
    pub(super) fn new(
        response: Response<Body<Connection<S>>>,
        context: ResponseContext,
        config: &StreamConfig,
    ) -> Self {
        let (parts, body) = response.into_parts();
        let head = Response::from_parts(parts, ());
        let (framer, stream, payload) = match body {
            Body::Stream(stream) => (Framer::of_stream(context, &head), Some(stream), Bytes::new()),
            Body::HeadOnly => (Framer::of_stream(context, &head), None, Bytes::new()),
            Body::Full(body) => {
                let (framer, payload) = Framer::of_body(context, head.map(|()| body));
                (framer, None, payload)
            }
        };
        Self {
            framer,
            stream,
            payload,
            is_ending: false,
            is_given_up: false,
            persistence: context.persistence,
            write_timeout: config.settings().write_timeout,
            write_deadline: None,
        }
    }

    /// The answer to what is no request.
    pub(super) fn refuse(bad: BadRequest, config: &StreamConfig) -> Self {
        Self::new(bad.response().map(Body::Full), ResponseContext::BAD_REQUEST, config)
    }

    /// Whether another request may follow.
    pub(super) fn persists(&self) -> bool {
        self.persistence == Persistence::KeepAlive
    }

    pub(super) fn stream(&mut self) -> Option<&mut Connection<S>> {
        self.stream.as_mut()
    }

    pub(super) fn poll_output(&mut self, now: Instant, cx: &mut Context<'_>) -> Progress {
        if self.is_given_up {
            return Progress::Close(Close::Abort);
        }
        let is_over = match self.stream.as_mut().map(|stream| stream.poll_output(now, cx)) {
            Some(Output::Close(Close::Abort)) => return Progress::Close(Close::Abort),
            Some(Output::Write(payload)) => {
                self.payload = payload;
                false
            }
            Some(Output::Wait) => false,
            Some(Output::Close(Close::Clean)) | None => true,
        };
        self.is_ending = is_over && self.payload.is_empty();
        if self.wire().is_empty() {
            return if is_over { Progress::Close(Close::Clean) } else { Progress::Wait };
        }
        if self.write_deadline.is_none() {
            self.write_deadline = self.write_timeout.map(|timeout| now + timeout);
        }
        Progress::Write
    }

    /// What to write, as [`poll_output`](Self::poll_output) found it.
    pub(super) fn wire(&mut self) -> Wire<'_> {
        if self.is_ending { self.framer.end() } else { self.framer.wire(&self.payload) }
    }

    pub(super) fn handle_written(&mut self, n: usize, now: Instant) {
        if n == 0 {
            return;
        }
        self.write_deadline = None;
        let payload = self.framer.handle_written(n);
        self.payload.advance(payload.min(self.payload.len()));
        if let Some(stream) = &mut self.stream {
            stream.handle_written(payload, now);
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let of_stream = self.stream.as_ref().and_then(Connection::deadline);
        [of_stream, self.write_deadline].into_iter().flatten().min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(stream) = &mut self.stream {
            stream.handle_timeout(now);
        }
        if self.write_deadline.is_some_and(|deadline| deadline <= now) {
            self.give_up(|connection| connection.abort(EndReason::Stalled));
        }
    }

    /// Writes no more, and tells the stream why.
    pub(super) fn give_up(&mut self, tell: impl FnOnce(&mut Connection<S>)) {
        self.is_given_up = true;
        if let Some(stream) = &mut self.stream {
            tell(stream);
        }
    }
}
