//! The streams of one HTTP/2 connection: a task each, dropped if its client
//! takes nothing, whatever the socket they share is doing.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use lasse_tokio::lasse_core::{EndReason, Instant};
use lasse_tokio::now;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use crate::end_reason_cell::EndReasonCell;

/// How one stream's client keeps up.
#[derive(Debug)]
pub(super) struct Pace {
    /// Since when bytes are out that have found no room; [`NONE`] if there are none.
    stuck_since: AtomicU64,
    fate: EndReasonCell,
}

impl Pace {
    fn new(fate: EndReasonCell) -> Self {
        Self { stuck_since: NONE.into(), fate }
    }

    /// Bytes are out. If there is room for them, more are asked for at once.
    pub(super) fn bytes_are_out(&self) {
        self.stuck_since.store(now().as_nanos(), Ordering::Relaxed);
    }

    /// There was room.
    pub(super) fn bytes_are_taken(&self) {
        self.stuck_since.store(NONE, Ordering::Relaxed);
    }

    fn stuck_since(&self) -> Option<Instant> {
        let nanos = self.stuck_since.load(Ordering::Relaxed);
        (nanos != NONE).then(|| Instant::from_nanos(nanos))
    }
}

/// Runs the streams of one connection.
///
/// Hyper hands a request to the service, and then at once the stream that will
/// carry the answer to this executor: the service leaves the stream's pace here
/// for the executor to find.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    next: Mutex<Option<Arc<Pace>>>,
    write_timeout: Duration,
}

impl Streams {
    pub(super) fn new(write_timeout: Duration) -> Self {
        Self(Arc::new(Shared { next: Mutex::default(), write_timeout }))
    }

    /// Makes the pace of the stream that is executed next.
    pub(super) fn expect(&self, fate: EndReasonCell) -> Arc<Pace> {
        let pace = Arc::new(Pace::new(fate));
        *self.0.next() = Some(pace.clone());
        pace
    }
}

impl Shared {
    fn next(&self) -> MutexGuard<'_, Option<Arc<Pace>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let pace = self.0.next().take();
        let write_timeout = self.0.write_timeout;
        match pace {
            Some(pace) => {
                drop(tokio::spawn(Paced {
                    stream: Some(stream),
                    pace,
                    write_timeout,
                    timer: None,
                }));
            }
            None => drop(tokio::spawn(stream)),
        }
    }
}

pin_project! {
    /// A stream that is dropped when its client takes nothing for too long.
    struct Paced<F> {
        #[pin]
        stream: Option<F>,
        pace: Arc<Pace>,
        write_timeout: Duration,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future> Future for Paced<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut paced = self.project();
        let Some(stream) = paced.stream.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        if stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = paced.pace.stuck_since() else {
            *paced.timer = None;
            return Poll::Pending;
        };
        let deadline = tokio::time::Instant::from_std((since + *paced.write_timeout).into());
        let timer = paced.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        paced.pace.fate.decide(EndReason::Stalled);
        paced.stream.set(None);
        Poll::Ready(())
    }
}

const NONE: u64 = u64::MAX;
