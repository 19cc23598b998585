//! One connection: the only place where HTTP/1.1 meets a socket.

use std::future::Future;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use lasse_core::http1::{ServeConfig, ServerConnection, ServerOutput, Wire};
use lasse_core::{Close, Connection, Instant, Source};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::date::date;
use super::transport::Transport;
use super::with_slot::WithSlot;
use crate::answer::SessionBody;
use crate::clock::now;
use crate::peer_addr::PeerAddr;
use crate::session::Session;
use crate::sockets::{ConnectionSlot, poll_write_slices};
use crate::stream_timer::StreamTimer;
use crate::tracker::{Phase, TrackedConnection};

/// Serves the requests that arrive on `io`, one after the other, until the client leaves
/// or the last response ends the connection. If the result is [`Close::Abort`], reset
/// the connection. Otherwise its writing half is shut down.
///
/// If the future is dropped early, reset the connection too: a client that uses HTTP/1.0
/// takes a normal close for the end of a stream.
pub async fn serve_connection<T, F, A, S>(
    io: &mut T,
    peer: PeerAddr,
    config: &ServeConfig,
    factory: &F,
) -> Close
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<()>) -> A,
    A: Future<Output = Response<SessionBody<S>>>,
    S: Source,
{
    let respond = |mut request: Request<()>, _: &&mut T| {
        request.extensions_mut().insert(peer);
        factory(request)
    };
    ConnectionTask::new(io, Arc::new(Service::new(*config, respond)), None, None).await
}

/// What all connections of a server share.
pub(super) struct Service<F> {
    config: Arc<ServeConfig>,
    /// Responds to a request that arrived on a transport.
    respond: F,
}

impl<F> Service<F> {
    pub(super) fn new(config: ServeConfig, respond: F) -> Self {
        let config = if config.date().is_none() { config.with_date(date) } else { config };
        Self { config: Arc::new(config), respond }
    }
}

/// The task of a connection. Its output is whether the connection has ended as the
/// protocol requires.
///
/// Thousands of streams wait at the same time, so what a stream does not need is in a
/// box.
pub(super) struct ConnectionTask<T, F, A, S: Source> {
    transport: T,
    service: Arc<Service<F>>,
    server: Box<WithSlot<ServerConnection<S>>>,
    /// The response that the application prepares.
    response: Option<Pin<Box<A>>>,
    timer: StreamTimer,
    tracked: Option<TrackedConnection>,
    is_flushed: bool,
    /// Whether the writing half must be shut down.
    is_half_closing: bool,
    /// Whether the transport has the write timeout of a stream.
    has_stream_timeout: bool,
}

/// The result of one step of a task.
enum Step {
    /// Something has changed: take another step.
    Continue,
    /// The wakers are registered.
    Wait,
    Close(Close),
}

impl<T, F, A, S> ConnectionTask<T, F, A, S>
where
    T: Transport,
    F: Fn(Request<()>, &T) -> A,
    A: Future<Output = Response<SessionBody<S>>>,
    S: Source,
{
    pub(super) fn new(
        transport: T,
        service: Arc<Service<F>>,
        tracked: Option<TrackedConnection>,
        slot: Option<ConnectionSlot>,
    ) -> Self {
        let inner = ServerConnection::new(&service.config, now());
        let server = Box::new(WithSlot::new(inner, slot));
        Self {
            transport,
            service,
            server,
            response: None,
            timer: StreamTimer::default(),
            tracked,
            is_flushed: true,
            is_half_closing: false,
            has_stream_timeout: false,
        }
    }

    /// Handles all changes since the last poll. Returns [`Step::Close`] if the server aborts its
    /// connections.
    fn begin(&mut self, now: Instant, cx: &mut Context<'_>) -> Step {
        while let Some(Poll::Ready(phase)) =
            self.tracked.as_mut().map(|tracked| tracked.poll_phase(cx))
        {
            match phase {
                Phase::Closing => self.server.handle_shutdown(now),
                Phase::Aborted(reason) => {
                    self.server.abort(reason);
                    return Step::Close(Close::Abort);
                }
                _ => {}
            }
        }
        if let (Poll::Ready(signal), Some(stream)) =
            (self.timer.poll_signal(cx), self.server.stream())
        {
            signal.apply(stream);
        }
        Step::Continue
    }

    fn step(&mut self, now: Instant, cx: &mut Context<'_>) -> Step {
        if self.response.is_some() {
            self.poll_response(cx);
        }
        let output = self.server.poll_output(now, cx);
        if self.server.stream().is_none() {
            self.end_stream();
        }
        match output {
            ServerOutput::Request(request) => {
                let response = (self.service.respond)(request, &self.transport);
                self.response = Some(Box::pin(response));
            }
            ServerOutput::Write(wire) if self.poll_write(&wire, now, cx).is_pending() => {
                return self.wait(now, cx);
            }
            ServerOutput::Write(_) => {}
            ServerOutput::HalfClose => self.is_half_closing = true,
            ServerOutput::Wait => {
                self.flush(cx);
                return self.wait(now, cx);
            }
            ServerOutput::Close(close) => return Step::Close(close),
        }
        Step::Continue
    }

    /// Polls the application for its response, or drops the work if no client waits.
    fn poll_response(&mut self, cx: &mut Context<'_>) {
        if !self.server.awaits_response() {
            self.response = None;
        }
        let Some(response) = &mut self.response else { return };
        let Poll::Ready(response) = response.as_mut().poll(cx) else { return };
        self.response = None;
        let response = response.map(|body| body.map(|session| self.start_stream(*session, cx)));
        self.server.respond(response);
    }

    fn start_stream(&mut self, session: Session<S>, cx: &mut Context<'_>) -> Connection<S> {
        let (mut stream, permit) = session.into_parts();
        self.timer = StreamTimer::new(permit);
        if let Poll::Ready(signal) = self.timer.poll_signal(cx) {
            signal.apply(&mut stream);
        }
        if stream.write_timeout() != Some(self.service.config.write_timeout()) {
            self.transport.set_write_timeout(stream.write_timeout());
            self.has_stream_timeout = true;
        }
        stream
    }

    /// Returns the permit of a stream that has ended.
    fn end_stream(&mut self) {
        if self.timer.has_permit() {
            self.timer.record(self.server.end_reason());
            self.timer = StreamTimer::default();
        }
        if std::mem::take(&mut self.has_stream_timeout) {
            self.transport.set_write_timeout(Some(self.service.config.write_timeout()));
        }
    }

    /// Ready when bytes are written, or cannot be written.
    fn poll_write(&mut self, wire: &Wire, now: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let slices = wire.slices().map(IoSlice::new);
        match ready!(poll_write_slices(Pin::new(&mut self.transport), &slices, cx)) {
            Ok(0) => self.server.handle_write_error(io::Error::from(io::ErrorKind::WriteZero)),
            Ok(n) => {
                self.is_flushed = false;
                #[cfg(feature = "metrics")]
                if let Some(stream) = self.server.stream() {
                    crate::stream_metrics::written(n, stream, now);
                }
                self.server.handle_written(n, now);
            }
            Err(error) => self.server.handle_write_error(error),
        }
        Poll::Ready(())
    }

    fn flush(&mut self, cx: &mut Context<'_>) {
        // If this fails, the next write fails, too.
        if !self.is_flushed && Pin::new(&mut self.transport).poll_flush(cx).is_ready() {
            self.is_flushed = true;
        }
    }

    /// Waits for the client and the deadline.
    #[inline]
    fn wait(&mut self, now: Instant, cx: &mut Context<'_>) -> Step {
        if self.is_half_closing && Pin::new(&mut self.transport).poll_shutdown(cx).is_ready() {
            self.is_half_closing = false;
        }
        if self.server.wants_input() && self.poll_read(cx).is_ready() {
            return Step::Continue;
        }
        let Some(deadline) = self.server.deadline() else { return Step::Wait };
        if self.timer.poll_until(deadline, now, cx).is_pending() {
            return Step::Wait;
        }
        self.server.handle_timeout(now);
        Step::Continue
    }

    /// Ready when the client has sent something, or has left. Reads into the stack,
    /// so that a connection that waits has no buffer.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut space = [const { MaybeUninit::uninit() }; READ_SIZE];
        let mut buffer = ReadBuf::uninit(&mut space);
        match ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buffer)) {
            Ok(()) if buffer.filled().is_empty() => self.server.handle_peer_closed(),
            Ok(()) => self.server.handle_input(buffer.filled()),
            Err(error) => self.server.handle_read_error(&error),
        }
        Poll::Ready(())
    }
}

impl<T, F, A, S> Future for ConnectionTask<T, F, A, S>
where
    T: Transport,
    F: Fn(Request<()>, &T) -> A,
    A: Future<Output = Response<SessionBody<S>>>,
    S: Source,
{
    type Output = Close;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Close> {
        let task = self.get_mut();
        let now = now();
        let mut step = task.begin(now, cx);
        for _ in 0..MAX_STEPS {
            match step {
                Step::Continue => step = task.step(now, cx),
                Step::Wait => return Poll::Pending,
                Step::Close(Close::Abort) => return Poll::Ready(Close::Abort),
                Step::Close(Close::Clean) => {
                    // The client has all it needs, so this does not wait.
                    let _ = Pin::new(&mut task.transport).poll_shutdown(cx);
                    return Poll::Ready(Close::Clean);
                }
            }
        }
        // A stream that never waits does not poll its timer.
        if task.server.deadline().is_some_and(|deadline| deadline <= now) {
            task.server.handle_timeout(now);
        }
        // Other tasks need a turn, too.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// If a callback has panicked, its stream has ended for that reason before.
impl<T, F, A, S: Source> Drop for ConnectionTask<T, F, A, S> {
    fn drop(&mut self) {
        self.timer.record(self.server.end_reason());
    }
}

/// Pinned values are in boxes.
impl<T: Unpin, F, A, S: Source> Unpin for ConnectionTask<T, F, A, S> {}

/// How many bytes are read at once. Most heads are smaller.
const READ_SIZE: usize = 4096;

/// How many steps a task takes in one turn.
const MAX_STEPS: usize = 32;

#[cfg(test)]
mod tests {
    use std::future::{Ready, ready};
    use std::mem::size_of;

    use http::Request;
    use lasse_core::{Body, Subscriber};

    use super::super::transport::Socket;
    use super::*;

    fn size_of_task<F, A>(_: F) -> usize
    where
        F: Fn(Request<()>, &Socket) -> A,
        A: Future<Output = Response<SessionBody<Subscriber>>>,
    {
        size_of::<ConnectionTask<Socket, F, A, Subscriber>>()
    }

    #[test]
    fn a_task_fits_into_256_bytes_with_what_tokio_adds() {
        let size = size_of_task(|_, _| -> Ready<_> { ready(Response::new(Body::HeadOnly)) });
        // Tokio aligns tasks to 128 bytes: the next size is 384.
        assert!(size <= 160, "{size}");
    }

    #[test]
    fn the_box_of_a_connection_fits_between_two_tasks() {
        // With glibc, a larger box finds no room there, and a connection takes 200 bytes more.
        let size = size_of::<WithSlot<ServerConnection<Subscriber>>>();
        assert!(size <= 232, "{size}");
    }
}
