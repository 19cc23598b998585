//! One response on its way to the client, from its head to its end.

use core::task::Context;

use bytes::{Buf, Bytes};
use http::Response;
use http::header::DATE;

use super::config::ServeConfig;
use super::framer::Framer;
use super::request::{Persistence, ResponseContext};
use super::wire::Wire;
use crate::connection::{self, Close, Connection, Output};
use crate::deadlines::Deadline;
use crate::end::EndReason;
use crate::source::Source;
use crate::time::Instant;

/// A response that is being written, with one write timeout from its first byte to its
/// last one.
#[derive(Debug)]
pub(super) struct Reply<S: Source> {
    framer: Framer,
    body: Body<S>,
    /// When the client last took a byte, or when the pending write was offered. Never,
    /// if nothing is being written.
    progress_at: Deadline,
}

#[derive(Debug)]
enum Body<S: Source> {
    Stream(Connection<S>),
    /// The rest of a whole body.
    Full(Bytes),
}

/// What a driver must do for a response.
#[derive(Debug)]
pub(super) enum Progress {
    Write(Wire),
    Wait,
    /// The response is complete, and another request can follow.
    Next,
    /// The response is over. Its bytes must reach the client before the connection is
    /// closed.
    Close,
    Abort,
}

impl<S: Source> Reply<S> {
    pub(super) fn new(
        response: Response<connection::Body<Connection<S>>>,
        context: ResponseContext,
        config: &ServeConfig,
    ) -> Self {
        let (mut parts, body) = response.into_parts();
        if let (Some(date), false) = (config.date(), parts.headers.contains_key(DATE)) {
            parts.headers.extend(date().map(|date| (DATE, date)));
        }
        let head = Response::from_parts(parts, ());
        let (framer, body) = match body {
            connection::Body::Stream(stream) => {
                (Framer::of_stream(context, &head), Body::Stream(stream))
            }
            connection::Body::HeadOnly => {
                (Framer::of_head(context, &head), Body::Full(Bytes::new()))
            }
            connection::Body::Full(body) => {
                let (framer, payload) = Framer::of_body(context, head.map(|()| body));
                (framer, Body::Full(payload))
            }
        };
        Self { framer, body, progress_at: Deadline::NEVER }
    }

    /// Whether another request can follow.
    pub(super) fn persists(&self) -> bool {
        self.framer.persistence() == Persistence::KeepAlive
    }

    /// Closes the connection after this response.
    pub(super) fn close_after(&mut self) {
        self.framer.close_after();
    }

    pub(super) fn stream(&mut self) -> Option<&mut Connection<S>> {
        match &mut self.body {
            Body::Stream(stream) => Some(stream),
            Body::Full(_) => None,
        }
    }

    /// Why the stream ended.
    pub(super) fn end_reason(&self) -> Option<EndReason> {
        match &self.body {
            Body::Stream(stream) => stream.reason(),
            Body::Full(_) => None,
        }
    }

    #[inline]
    pub(super) fn poll_output(&mut self, now: Instant, cx: &mut Context<'_>) -> Progress {
        if self.framer.is_aborted() {
            return Progress::Abort;
        }
        let (wire, end) = match &mut self.body {
            Body::Full(body) if body.is_empty() => (self.framer.end(), Progress::Next),
            Body::Full(body) => (self.framer.wire(body.clone()), Progress::Wait),
            Body::Stream(stream) => match stream.poll_output(now, cx) {
                Output::Write(payload) => (self.framer.wire(payload), Progress::Wait),
                Output::Wait if !self.framer.has_rest() => return Progress::Wait,
                Output::Wait => (self.framer.wire(Bytes::new()), Progress::Wait),
                Output::Close(Close::Clean) => (self.framer.end(), end_of(stream.reason())),
                // The events before it must arrive, and a missing last chunk shows that
                // more should follow (RFC 9112 8). Without chunks, only a reset does.
                Output::Close(Close::Abort) if stream.is_flushed() && self.framer.has_chunks() => {
                    (self.framer.wire(Bytes::new()), Progress::Close)
                }
                Output::Close(Close::Abort) => return Progress::Abort,
            },
        };
        if !wire.is_empty() {
            self.progress_at = self.progress_at.min(Deadline::at(Some(now)));
            return Progress::Write(wire);
        }
        match end {
            Progress::Next if !self.persists() => Progress::Close,
            end => end,
        }
    }

    pub(super) fn handle_written(&mut self, n: usize, now: Instant) {
        if n == 0 {
            return;
        }
        self.progress_at = Deadline::NEVER;
        let payload = self.framer.handle_written(n);
        match &mut self.body {
            Body::Full(body) => body.advance(payload.min(body.len())),
            Body::Stream(stream) if payload == 0 => stream.handle_progress(now),
            Body::Stream(stream) => stream.handle_written(payload, now),
        }
    }

    pub(super) fn deadline(&self, config: &ServeConfig) -> Option<Instant> {
        let of_stream = match &self.body {
            Body::Stream(stream) => stream.deadline(),
            Body::Full(_) => None,
        };
        match self.write_deadline(config).time() {
            Some(of_write) => Some(of_stream.map_or(of_write, |time| time.min(of_write))),
            None => of_stream,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, config: &ServeConfig) {
        if self.write_deadline(config).is_due(now) {
            self.abort(|stream| stream.abort(EndReason::Stalled));
        } else if let Some(stream) = self.stream() {
            stream.handle_timeout(now);
        }
    }

    /// Stops writing. `end_stream` gives the stream the reason.
    pub(super) fn abort(&mut self, end_stream: impl FnOnce(&mut Connection<S>)) {
        self.framer.abort();
        if let Some(stream) = self.stream() {
            end_stream(stream);
        }
    }

    /// When the client must have taken a byte of the pending write.
    fn write_deadline(&self, config: &ServeConfig) -> Deadline {
        let Some(since) = self.progress_at.time() else { return Deadline::NEVER };
        match &self.body {
            Body::Stream(stream) => stream.framing_deadline(since),
            Body::Full(_) => Deadline::at(Some(since + config.write_timeout())),
        }
    }
}

/// What follows a stream that ended cleanly: no request, if the server shuts down.
fn end_of(reason: Option<EndReason>) -> Progress {
    if reason == Some(EndReason::Shutdown) { Progress::Close } else { Progress::Next }
}
