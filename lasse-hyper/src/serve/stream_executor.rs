//! The tasks of the streams of one HTTP/2 connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use lasse_tokio::lasse_core::{EndReason, Instant};
use lasse_tokio::now;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use crate::end_reason_cell::EndReasonCell;

/// Spawns a task for each stream of one connection.
///
/// Hyper passes a request to the service, and at once the stream of its response to
/// this executor. So the service leaves the stream's progress here, for the task.
#[derive(Clone, Debug)]
pub(super) struct StreamExecutor(Arc<Streams>);

#[derive(Debug)]
struct Streams {
    /// The progress of the stream whose task is spawned next.
    next: Mutex<Option<Arc<StreamProgress>>>,
    write_timeout: Duration,
    open: AtomicU32,
    /// When the last stream ended, in nanoseconds.
    idle_since: AtomicU64,
}

/// How far the client has taken what one stream sent.
#[derive(Debug)]
pub(super) struct StreamProgress {
    /// When data was sent for which there was no room in the stream's window, in
    /// nanoseconds. [`NONE`] if there is no such data.
    blocked_since: AtomicU64,
    end_reason: EndReasonCell,
}

impl StreamExecutor {
    pub(super) fn new(write_timeout: Duration) -> Self {
        let (open, idle_since) = (AtomicU32::new(0), AtomicU64::new(now().as_nanos()));
        Self(Arc::new(Streams { next: Mutex::default(), write_timeout, open, idle_since }))
    }

    /// Makes the progress of the stream whose task is spawned next.
    pub(super) fn expect_stream(&self, end_reason: EndReasonCell) -> Arc<StreamProgress> {
        let progress = Arc::new(StreamProgress { blocked_since: NONE.into(), end_reason });
        *self.0.next() = Some(progress.clone());
        progress
    }

    /// Since when there has been no stream. `None` if there is one.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.0.open.load(Ordering::Acquire) == 0;
        is_idle.then(|| Instant::from_nanos(self.0.idle_since.load(Ordering::Relaxed)))
    }
}

impl Streams {
    fn next(&self) -> MutexGuard<'_, Option<Arc<StreamProgress>>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamProgress {
    /// The stream has sent data. If there is room for it, the body is polled again at
    /// once.
    pub(super) fn handle_sent(&self) {
        self.blocked_since.store(now().as_nanos(), Ordering::Relaxed);
    }

    /// There was room for the data.
    pub(super) fn handle_taken(&self) {
        self.blocked_since.store(NONE, Ordering::Relaxed);
    }

    fn blocked_since(&self) -> Option<Instant> {
        let nanos = self.blocked_since.load(Ordering::Relaxed);
        (nanos != NONE).then(|| Instant::from_nanos(nanos))
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        let progress = self.0.next().take();
        let open = OpenStream::new(self.0.clone());
        drop(tokio::spawn(StreamTask { stream: Some(stream), progress, open, timer: None }));
    }
}

/// Counts a stream as open.
#[derive(Debug)]
struct OpenStream(Arc<Streams>);

impl OpenStream {
    fn new(streams: Arc<Streams>) -> Self {
        streams.open.fetch_add(1, Ordering::Relaxed);
        Self(streams)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.idle_since.store(now().as_nanos(), Ordering::Relaxed);
        self.0.open.fetch_sub(1, Ordering::Release);
    }
}

pin_project! {
    /// The task of a stream, which drops the stream if its client takes nothing for the
    /// write timeout. The socket, which streams share, can be writable all the while.
    struct StreamTask<F> {
        #[pin]
        stream: Option<F>,
        // An upgraded stream has none.
        progress: Option<Arc<StreamProgress>>,
        open: OpenStream,
        timer: Option<Pin<Box<Sleep>>>,
    }
}

impl<F: Future> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut task = self.project();
        let Some(stream) = task.stream.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        if stream.poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let blocked = task.progress.as_ref().and_then(|progress| {
            progress.blocked_since().map(|since| (since + task.open.0.write_timeout, progress))
        });
        let Some((deadline, progress)) = blocked else {
            *task.timer = None;
            return Poll::Pending;
        };
        let deadline = tokio::time::Instant::from_std(deadline.into());
        let timer = task.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(cx));
        progress.end_reason.decide(EndReason::Stalled);
        task.stream.set(None);
        Poll::Ready(())
    }
}

const NONE: u64 = u64::MAX;
