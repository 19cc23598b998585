//! Tokio's clock, which tests can pause.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use lasse_core::Instant;
use tokio::time::sleep_until;

/// What time it is, to tokio.
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std().into()
}

/// A time, as tokio has it.
pub(crate) fn at(time: Instant) -> tokio::time::Instant {
    tokio::time::Instant::from_std(time.into())
}

/// No time that is waited for.
pub(crate) const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// Waits for what has a deadline of its own but no clock: polls it when it wakes,
/// and when the deadline has come that it then tells.
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
