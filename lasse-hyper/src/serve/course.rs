//! The course of a connection, from its first byte to its end, and what may end it
//! but its client.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper_util::server::graceful::GracefulConnection;
use lasse_tokio::lasse_core::EndReason;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::connection::Spoken;
use super::house::{Phase, Stay};
use super::introduce::Caller;

pin_project! {
    /// The task of a connection.
    ///
    /// A stream may last for hours, and is woken with every event: what a
    /// connection needs no more is gone, and all that it needs is in one place.
    pub(super) struct Course<F, A, B> {
        caller: Arc<Caller>,
        stay: Stay,
        // Until the first request is here, if that takes too long.
        late: Option<Pin<Box<Sleep>>>,
        #[pin]
        stage: Stage<F, A, B>,
    }

    impl<F, A, B> PinnedDrop for Course<F, A, B> {
        fn drop(this: Pin<&mut Self>) {
            // A runtime that is dropped with its tasks cannot say so otherwise.
            this.project().caller.fate.decide(EndReason::Dropped);
        }
    }
}

pin_project! {
    #[project = StageMut]
    enum Stage<F, A, B> {
        Opening {
            opening: Pin<Box<F>>,
        },
        Open {
            #[pin]
            connection: Spoken<A, B>,
        },
    }
}

impl<F, A, B> Course<F, A, B> {
    pub(super) fn new(caller: Arc<Caller>, stay: Stay, late: Sleep, opening: F) -> Self {
        let (late, stage) = (Some(Box::pin(late)), Stage::Opening { opening: Box::pin(opening) });
        Self { caller, stay, late, stage }
    }
}

impl<F, A, B> Future for Course<F, A, B>
where
    F: Future<Output = io::Result<Spoken<A, B>>>,
    A: GracefulConnection,
    B: GracefulConnection,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut course = self.project();
        course.caller.handle_woken();
        loop {
            if let Poll::Ready(is_flushed) = course.stage.as_mut().poll(cx) {
                if is_flushed {
                    course.caller.handle_flushed();
                }
                course.caller.fate.decide(EndReason::PeerClosed);
                return Poll::Ready(());
            }
            let Poll::Ready(phase) = course.stay.poll_phase(cx) else { break };
            if let Phase::Over(reason) = phase {
                course.caller.fate.decide(reason);
                return Poll::Ready(());
            }
            if course.stage.as_mut().handle_phase(phase, course.caller.is_busy()) {
                return Poll::Ready(());
            }
        }
        if course.caller.has_spoken() {
            *course.late = None;
        }
        match course.late {
            Some(late) => late.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F, A, B> Stage<F, A, B>
where
    F: Future<Output = io::Result<Spoken<A, B>>>,
    A: GracefulConnection,
    B: GracefulConnection,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            match self.as_mut().project() {
                StageMut::Open { connection } => return connection.poll(cx),
                StageMut::Opening { opening } => match ready!(opening.as_mut().poll(cx)) {
                    Ok(connection) => self.set(Self::Open { connection }),
                    Err(_) => return Poll::Ready(false),
                },
            }
        }
    }

    /// Closes in time: a client that is cut off instead of told may not come back.
    /// Whether that is the end.
    fn handle_phase(self: Pin<&mut Self>, phase: Phase, is_busy: bool) -> bool {
        match self.project() {
            StageMut::Open { connection } => {
                if is_busy || phase == Phase::Closed || connection.refuses() {
                    connection.close();
                }
                false
            }
            StageMut::Opening { .. } => phase == Phase::Closed,
        }
    }
}
