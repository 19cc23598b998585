//! Tokio's clock, which tests can pause.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use lasse_core::Instant;
use tokio::time::sleep_until;

/// The time of tokio's clock.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std().into()
}

/// A time, as a tokio instant.
pub(crate) fn at(time: Instant) -> tokio::time::Instant {
    tokio::time::Instant::from_std(time.into())
}

/// In place of a time, if there is none to wait for.
pub(crate) const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// Waits for a subject that has a deadline but no clock: polls it when it wakes the task,
/// and at its deadline.
pub(crate) async fn ready<S, T>(
    subject: &mut S,
    mut poll: impl FnMut(&mut S, Instant, &mut Context<'_>) -> Poll<T>,
    deadline: impl Fn(&S) -> Option<Instant>,
) -> T {
    let mut timer = pin!(None);
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(answer) = poll(subject, now(), cx) {
                return Poll::Ready(answer);
            }
            timer.set(deadline(subject).map(|deadline| sleep_until(at(deadline))));
            let Some(timer) = timer.as_mut().as_pin_mut() else { return Poll::Pending };
            ready!(timer.poll(cx));
        }
    })
    .await
}
