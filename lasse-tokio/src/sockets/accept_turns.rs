//! Turns of the accept loop, so that a burst of connections does not delay live streams.

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, yield_now};

/// Limits how many of the tasks that are ready belong to new connections.
///
/// A runtime polls tasks in the order in which they become ready. If thousands of clients
/// connect at once, each new connection would have its request read, its response written
/// and its old events sent before a stream that has a new event. So the accept loop
/// waits, after two connections, until the tasks that were ready before have run.
#[derive(Debug, Default)]
pub(super) struct AcceptTurns {
    /// How many connections the turn has accepted.
    accepted: usize,
    /// Ends when the tasks that were ready after the last turn have run.
    last: Option<JoinHandle<()>>,
}

impl AcceptTurns {
    /// Waits until the next connection can be accepted.
    ///
    /// If the future is dropped, the turn is not lost.
    pub(super) async fn wait(&mut self) {
        if self.accepted < TURN {
            return;
        }
        // The turn before the last one, so that the runtime has work while this waits.
        if let Some(last) = &mut self.last {
            // It fails only if the runtime shuts down.
            let _ = last.await;
        }
        // It goes to the end of the queue, and once more after new events of sockets.
        self.last = Handle::try_current().ok().map(|runtime| runtime.spawn(yield_now()));
        self.accepted = 0;
    }

    /// Counts a connection.
    pub(super) fn count(&mut self) {
        self.accepted += 1;
    }
}

/// How many connections are accepted in one turn.
const TURN: usize = 2;

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A task that is always ready, and how often it was polled.
    fn ready_task() -> (JoinHandle<()>, Arc<AtomicUsize>) {
        let polls = Arc::new(AtomicUsize::new(0));
        let counter = polls.clone();
        let task = tokio::spawn(async move {
            loop {
                counter.fetch_add(1, Ordering::Relaxed);
                yield_now().await;
            }
        });
        (task, polls)
    }

    #[tokio::test]
    async fn tasks_that_are_ready_run_between_two_turns() {
        let (task, polls) = ready_task();
        let mut turns = AcceptTurns::default();
        for _ in 0..20 * TURN {
            turns.wait().await;
            turns.count();
        }
        // No turn waits for the one before it, so the first two need not wait.
        assert!(polls.load(Ordering::Relaxed) >= 18, "{polls:?}");
        task.abort();
    }

    #[tokio::test]
    async fn a_wait_that_is_dropped_can_be_repeated() {
        let (task, polls) = ready_task();
        let mut turns = AcceptTurns::default();
        let (mut dropped, mut counted) = (0, 0);
        while counted < 20 * TURN {
            let is_ready = poll_fn(|cx| Poll::Ready(pin!(turns.wait()).poll(cx).is_ready())).await;
            if is_ready {
                turns.count();
                counted += 1;
            } else {
                dropped += 1;
                yield_now().await;
            }
        }
        assert!(dropped >= 18 && polls.load(Ordering::Relaxed) >= 18, "{dropped}, {polls:?}");
        task.abort();
    }

    #[test]
    fn without_a_runtime_no_turn_waits() {
        let mut turns = AcceptTurns::default();
        for _ in 0..20 * TURN {
            let is_ready =
                pin!(turns.wait()).poll(&mut Context::from_waker(Waker::noop())).is_ready();
            assert!(is_ready);
            turns.count();
        }
    }
}
