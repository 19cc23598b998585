//! Waiting for the end of a channel.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::shared::Shared;
use super::waiters::Ticket;
use crate::log::Ending;

/// A future that is ready when a channel has ended. It does not keep the channel from ending.
///
/// See [`Channel::ended`](crate::Channel::ended).
#[derive(Debug)]
#[must_use = "a future does nothing unless it is polled"]
pub struct Ended {
    shared: Arc<Shared>,
    ticket: Ticket,
}

impl Ended {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let ticket = shared.lock().watchers.get_or_insert_default().ended.join();
        Self { shared, ticket }
    }
}

impl Future for Ended {
    type Output = Ending;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        let waker = cx.waker().clone();
        let mut state = self.shared.lock();
        if let Some(ending) = state.log.ending() {
            return Poll::Ready(ending);
        }
        let watchers = state.watchers.as_mut();
        let unneeded = watchers.and_then(|watchers| watchers.ended.wait(self.ticket, waker));
        drop(state);
        drop(unneeded);
        Poll::Pending
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let watchers = state.watchers.as_mut();
        let waker = watchers.and_then(|watchers| watchers.ended.leave(self.ticket));
        drop(state);
        drop(waker);
    }
}
