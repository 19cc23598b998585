//! The future that waits for the end of a stream.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Message;
use super::queue::{Queue, WatcherId};
use crate::handler::Handler;

/// Waits until a stream has ended: the future of [`Notifier::closed`](crate::Notifier::closed).
#[must_use = "a future does nothing unless it is polled"]
pub struct Closed<H: Handler> {
    queue: Arc<Queue<Message<H>>>,
    watcher: Option<WatcherId>,
}

impl<H: Handler> Closed<H> {
    pub(super) fn new(queue: Arc<Queue<Message<H>>>) -> Self {
        Self { queue, watcher: None }
    }
}

impl<H: Handler> Future for Closed<H> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let closed = self.get_mut();
        closed.queue.poll_closed(&mut closed.watcher, cx)
    }
}

impl<H: Handler> Drop for Closed<H> {
    fn drop(&mut self) {
        if let Some(watcher) = self.watcher {
            self.queue.remove_watcher(watcher);
        }
    }
}

impl<H: Handler> fmt::Debug for Closed<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Closed").finish_non_exhaustive()
    }
}
