//! Tasks that are polled in an order that the seed decides.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use super::meter::Meter;
use super::random::Random;

/// Spawns `future` so that it gives way to other tasks now and then, although it could go on.
pub(super) fn spawn<F>(future: F, random: Random, meter: &Arc<Meter>) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(Yielding { future: Box::pin(future), random, meter: meter.clone() })
}

struct Yielding<F> {
    future: Pin<Box<F>>,
    random: Random,
    meter: Arc<Meter>,
}

impl<F: Future> Future for Yielding<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.meter.count_step();
        if self.random.one_in(YIELDS_ONE_IN) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.future.as_mut().poll(cx)
    }
}

const YIELDS_ONE_IN: u64 = 3;
