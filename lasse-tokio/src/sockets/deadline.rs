//! Writes with a deadline.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A transport whose writes have a timeout: if a write has waited that long without
/// progress, because the peer reads nothing, it fails with
/// [`TimedOut`](io::ErrorKind::TimedOut). The sockets of a [`Listener`](crate::Listener) have
/// this already.
///
/// A server that does not poll a body while its socket is full, as hyper's does not, has no
/// other way to notice a stalled client. This must be the server's next layer, or the one
/// below TLS, because a layer between them hides whether a write makes progress.
#[doc(alias = "timeout")]
#[derive(Debug)]
pub struct WriteDeadline<T> {
    io: T,
    timeout: Option<Duration>,
    timer: WriteTimer,
}

/// Measures for how long a write has waited.
#[derive(Debug, Default)]
pub(super) struct WriteTimer(Option<Box<Waiting>>);

#[derive(Debug)]
struct Waiting {
    since: Instant,
    sleep: Pin<Box<Sleep>>,
}

impl<T> WriteDeadline<T> {
    /// Lets writes to `io` wait for `timeout`, or without end with `None`.
    pub fn new(io: T, timeout: Option<Duration>) -> Self {
        Self { io, timeout, timer: WriteTimer::default() }
    }

    /// The transport.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// The transport, without a timeout.
    pub fn into_inner(self) -> T {
        self.io
    }

    fn watch(
        &mut self,
        written: Poll<io::Result<usize>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let timeout = self.timeout;
        self.timer.watch(written, || timeout, None, cx)
    }
}

impl WriteTimer {
    /// Returns the result of a write, or an error if it has waited for the timeout. The
    /// timeout is asked for again after `look_again`.
    pub(super) fn watch(
        &mut self,
        written: Poll<io::Result<usize>>,
        timeout: impl Fn() -> Option<Duration>,
        look_again: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.0 = None;
            return written;
        }
        loop {
            let now = Instant::now();
            let since = self.0.as_ref().map_or(now, |waiting| waiting.since);
            // A time that the clock cannot reach is no deadline.
            let deadline = timeout().and_then(|timeout| since.checked_add(timeout));
            if deadline.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            let look_again = look_again.and_then(|delay| now.checked_add(delay));
            let Some(next) = deadline.into_iter().chain(look_again).min() else {
                return Poll::Pending;
            };
            let waiting = self.0.get_or_insert_with(|| {
                Box::new(Waiting { since, sleep: Box::pin(sleep_until(next)) })
            });
            if next < waiting.sleep.deadline() || waiting.sleep.is_elapsed() {
                waiting.sleep.as_mut().reset(next);
            }
            ready!(waiting.sleep.as_mut().poll(cx));
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, bytes);
        this.watch(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, slices);
        this.watch(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WriteDeadline<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;

    use tokio::time::timeout;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// A write that makes no progress, whose timeout is looked at again each three seconds.
    async fn stalled_write(timer: &mut WriteTimer, timeout: &Cell<Option<Duration>>) -> io::Error {
        let look_again = Some(3 * SECOND);
        poll_fn(|cx| timer.watch(Poll::Pending, || timeout.get(), look_again, cx))
            .await
            .unwrap_err()
    }

    async fn progress(timer: &mut WriteTimer) {
        let written = || Poll::Ready(Ok(1));
        poll_fn(|cx| timer.watch(written(), || None, None, cx)).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_that_becomes_shorter_counts_from_the_start_of_the_wait() {
        for (waited, expected) in [(1, 3), (5, 6), (100, 102)] {
            let (mut timer, write_timeout) = (WriteTimer::default(), Cell::new(None));
            let start = Instant::now();
            let wait = stalled_write(&mut timer, &write_timeout);
            let shorten = async {
                tokio::time::sleep(waited * SECOND).await;
                write_timeout.set(Some(3 * SECOND));
            };
            let (error, ()) = tokio::join!(wait, shorten);
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(start.elapsed().as_secs(), expected, "shortened after {waited} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn progress_restarts_the_timeout() {
        let (mut timer, write_timeout) = (WriteTimer::default(), Cell::new(Some(3 * SECOND)));
        for _ in 0..5 {
            let wait = stalled_write(&mut timer, &write_timeout);
            assert!(timeout(2 * SECOND, wait).await.is_err());
            progress(&mut timer).await;
        }
        let start = Instant::now();
        stalled_write(&mut timer, &write_timeout).await;
        assert_eq!(start.elapsed().as_secs(), 3);
    }
}
