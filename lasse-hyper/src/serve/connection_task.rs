//! The task of one connection, from its first byte to its end.

use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use lasse_tokio::lasse_core::EndReason;
use lasse_tokio::server::{Phase, TrackedConnection};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use super::acceptor::Accepted;
use super::context::ConnectionContext;
use super::event_stream::{EventStream, StreamEnd};
use super::http1::{Http1Connection, Next};
use super::http2::Http2Connection;
use super::linger::linger;
use super::protocol::Protocol;
use super::service::UserService;

use super::transport::Transport;
use super::upgrade::UpgradedConnection;

pin_project! {
    /// The task of one connection.
    ///
    /// Nearly all of its time it waits for an event of a stream. So there is room in it
    /// for a stream, and the other states are in boxes.
    pub(super) struct ConnectionTask<Io, S>
    where
        Io: Transport,
        S: UserService,
    {
        context: Arc<ConnectionContext>,
        tracked: TrackedConnection,
        // Runs until the head of the first request has arrived.
        deadline: Option<Pin<Box<Sleep>>>,
        #[pin]
        state: State<Io, S>,
    }

    impl<Io, S> PinnedDrop for ConnectionTask<Io, S>
    where
        Io: Transport,
        S: UserService,
    {
        fn drop(this: Pin<&mut Self>) {
            // The task is dropped without having ended if its runtime is.
            this.project().context.end_reason.decide(EndReason::Dropped);
        }
    }
}

pin_project! {
    #[project = StateMut]
    #[project_replace = TakenState]
    enum State<Io, S>
    where
        Io: Transport,
        S: UserService,
    {
        Accepting { accepting: Accepting<Io>, service: S },
        Http1 { connection: Box<Http1Connection<Io, S>> },
        Stream {
            stream: EventStream<Io>,
            #[pin]
            body: S::ResponseBody,
            service: S,
        },
        Http2 { connection: Box<Http2Connection<Io, S>> },
        Upgraded { connection: UpgradedConnection },
        Ended,
    }
}

type Accepting<Io> = Pin<Box<dyn Future<Output = io::Result<Accepted<Io>>> + Send>>;

impl<Io: Transport, S: UserService> ConnectionTask<Io, S> {
    pub(super) fn new(
        context: ConnectionContext,
        tracked: TrackedConnection,
        service: S,
        accepting: impl Future<Output = io::Result<Accepted<Io>>> + Send + 'static,
    ) -> Self {
        let deadline = Some(Box::pin(sleep(context.settings.config.head_timeout())));
        let state = State::Accepting { accepting: Box::pin(accepting), service };
        Self { context: Arc::new(context), tracked, deadline, state }
    }
}

impl<Io: Transport, S: UserService> Future for ConnectionTask<Io, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut task = self.project();
        task.context.handle_wake();
        loop {
            let is_serving = || task.tracked.phase() == Phase::Serving;
            if task.state.as_mut().poll(task.context, is_serving, cx).is_ready() {
                task.context.end_reason.decide(EndReason::PeerClosed);
                return Poll::Ready(());
            }
            let Poll::Ready(phase) = task.tracked.poll_phase(cx) else { break };
            if let ControlFlow::Break(reason) = task.state.as_mut().handle_phase(phase) {
                task.context.end_reason.decide(reason);
                return Poll::Ready(());
            }
        }
        if task.context.has_request() {
            *task.deadline = None;
        }
        match task.deadline {
            Some(deadline) => deadline.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<Io: Transport, S: UserService> State<Io, S> {
    /// Ready when the connection has ended.
    fn poll(
        mut self: Pin<&mut Self>,
        context: &Arc<ConnectionContext>,
        is_serving: impl Fn() -> bool,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let next = match self.as_mut().project() {
                StateMut::Accepting { accepting, .. } => {
                    let accepted = ready!(accepting.as_mut().poll(cx));
                    self.as_mut().take().accepted(accepted, context)
                }
                StateMut::Http1 { connection } => match ready!(connection.poll(cx)) {
                    Next::Stream { stream, body, service } => {
                        Self::Stream { stream, body, service }
                    }
                    Next::Refusal { io, request, service } => {
                        Self::http1(io, request, service, context)
                    }
                    Next::Upgraded(connection) => Self::Upgraded { connection },
                    Next::End(io) => {
                        if let Some(io) = io {
                            spawn_linger(io);
                        }
                        Self::Ended
                    }
                },
                StateMut::Stream { stream, body, .. } => {
                    let end = ready!(stream.poll(body, context, cx));
                    self.as_mut().take().streamed(end, is_serving(), context)
                }
                StateMut::Http2 { connection } => return connection.poll(cx),
                StateMut::Upgraded { connection } => return connection.poll_dropped(cx),
                StateMut::Ended => return Poll::Ready(()),
            };
            self.set(next);
        }
    }

    fn take(self: Pin<&mut Self>) -> TakenState<Io, S> {
        self.project_replace(Self::Ended)
    }

    fn http1(io: Io, read_ahead: Bytes, service: S, context: &Arc<ConnectionContext>) -> Self {
        let connection = Http1Connection::new(io, read_ahead, service, context);
        Self::Http1 { connection: Box::new(connection) }
    }

    /// Returns the reason if the connection must end now.
    fn handle_phase(self: Pin<&mut Self>, phase: Phase) -> ControlFlow<EndReason> {
        match (self.project(), phase) {
            (StateMut::Upgraded { connection }, Phase::Aborted(reason)) => {
                connection.shut_down();
                return ControlFlow::Break(reason);
            }
            (_, Phase::Aborted(reason)) => return ControlFlow::Break(reason),
            (StateMut::Accepting { .. }, Phase::Closed) => {
                return ControlFlow::Break(EndReason::Shutdown);
            }
            (StateMut::Http1 { connection }, Phase::Closing) if !connection.is_busy() => {}
            (StateMut::Http1 { connection }, Phase::Closing | Phase::Closed) => {
                connection.graceful_shutdown();
            }
            // A request that arrives too late is refused, not lost.
            (StateMut::Http2 { connection }, Phase::Closing) => connection.graceful_shutdown(),
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

impl<Io: Transport, S: UserService> TakenState<Io, S> {
    fn accepted(
        self,
        accepted: io::Result<Accepted<Io>>,
        context: &Arc<ConnectionContext>,
    ) -> State<Io, S> {
        let (Self::Accepting { service, .. }, Ok(accepted)) = (self, accepted) else {
            return State::Ended;
        };
        let Accepted { io, protocol, read_ahead } = accepted;
        match protocol {
            Protocol::Http1 => State::http1(io, read_ahead, service, context),
            Protocol::Http2 => {
                let connection = Http2Connection::new(io, read_ahead, service, context);
                State::Http2 { connection: Box::new(connection) }
            }
        }
    }

    /// The next request, if there can be one after a stream.
    fn streamed(
        self,
        end: StreamEnd,
        is_serving: bool,
        context: &Arc<ConnectionContext>,
    ) -> State<Io, S> {
        let (Self::Stream { stream, service, .. }, StreamEnd::Complete) = (self, end) else {
            return State::Ended;
        };
        let may_persist = is_serving && !context.settings.gate.is_draining();
        let is_persistent = may_persist && stream.is_persistent();
        let (io, read_ahead) = stream.into_parts();
        if is_persistent {
            return State::http1(io, read_ahead, service, context);
        }
        spawn_linger(io);
        State::Ended
    }
}

/// Has the client read the last response, in a task that a shutdown does not wait for.
fn spawn_linger(io: impl Transport) {
    drop(tokio::spawn(linger(io)));
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::Ready;
    use std::mem::size_of;

    use bytes::Bytes;
    use http::{Request, Response};
    use http_body::Body;
    use hyper::body::Incoming;
    use hyper::service::Service;
    use lasse_tokio::Socket;

    use super::*;

    /// A service and a body of the size of axum's.
    #[derive(Clone)]
    struct Router(#[expect(dead_code)] Arc<()>);

    type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = Infallible> + Send>>;

    impl Service<Request<Incoming>> for Router {
        type Response = Response<BoxBody>;
        type Error = Infallible;
        type Future = Ready<Result<Response<BoxBody>, Infallible>>;

        fn call(&self, _: Request<Incoming>) -> Self::Future {
            unreachable!()
        }
    }

    #[test]
    fn a_task_has_room_for_a_stream_and_nothing_else() {
        // With what tokio adds, 256 bytes. The next size is 384.
        let size = size_of::<ConnectionTask<Socket, Router>>();
        assert!(size <= 160, "{size}");
    }
}
