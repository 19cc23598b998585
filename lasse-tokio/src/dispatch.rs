//! The tasks around channels that need a clock: waking readers, removing old events,
//! and waiting until the last reader has left.

use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use lasse_core::channel::{Dispatcher, IdleWatch};
use lasse_core::{Channel, Channels};
use tokio::task::{JoinSet, yield_now};
use tokio::time::sleep;

use crate::clock::{now, ready};

/// Wakes the readers of `channel` in place of `publish`, which then costs the same for ten
/// readers and for ten thousand. Before it wakes them, it lets events gather for the
/// channel's linger. It also removes events that are too old. Returns when the channel
/// and its readers are dropped, or at once if the channel has a dispatcher already.
///
/// Each [shard](lasse_core::ChannelConfig::with_shards) of the channel gets a task of its
/// own, which ends with the future.
///
/// Without a dispatcher, `publish` wakes the readers.
///
/// # Examples
///
/// ```
/// use lasse_tokio::lasse_core::{Channel, ChannelConfig};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let news = Channel::new(&ChannelConfig::new());
/// tokio::spawn(lasse_tokio::dispatch(&news));
/// # }
/// ```
pub fn dispatch(channel: &Channel) -> impl Future<Output = ()> + Send + use<> {
    let dispatcher = channel.dispatcher();
    async move {
        let Some(mut dispatcher) = dispatcher else { return };
        // None, as long as there are no shards: then it takes no memory.
        let mut tasks = None;
        while wake_round(&mut dispatcher).await {
            for shard in dispatcher.take_shards() {
                tasks.get_or_insert_with(JoinSet::new).spawn(wake_rounds(shard));
            }
        }
    }
}

/// Wakes readers until the channel and its readers are dropped.
async fn wake_rounds(mut dispatcher: Dispatcher) {
    while wake_round(&mut dispatcher).await {}
}

/// Waits until there are readers to wake, and wakes them. Returns `false` when the channel and
/// its readers are dropped.
async fn wake_round(dispatcher: &mut Dispatcher) -> bool {
    if !ready(dispatcher, Dispatcher::poll_due, Dispatcher::deadline).await {
        return false;
    }
    if !dispatcher.linger().is_zero() {
        sleep(dispatcher.linger()).await;
    }
    while dispatcher.wake_some() {
        yield_now().await;
    }
    true
}

/// Removes, every few seconds, channels that are not used and events that are too old. It does not
/// return, and keeps `channels` alive: abort its task when you no longer need them.
///
/// # Examples
///
/// ```
/// use lasse_tokio::lasse_core::{ChannelConfig, Channels};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let chats = Channels::<String>::new(&ChannelConfig::new());
/// tokio::spawn(lasse_tokio::sweep(&chats));
/// # }
/// ```
pub fn sweep<K>(channels: &Channels<K>) -> impl Future<Output = ()> + Send + use<K>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
{
    let channels = channels.clone();
    async move {
        loop {
            sleep(ROUND).await;
            // At least once: if no channel is left, the keys of removed channels can be.
            for _ in 0..channels.len().div_ceil(LOOKS).max(1) {
                channels.advance_some(now(), LOOKS);
                yield_now().await;
            }
        }
    }
}

/// Returns when `channel` has had no readers for the time `grace`. Readers can still reconnect, so
/// the caller decides whether to stop the producer of the channel.
pub fn idle(channel: &Channel, grace: Duration) -> impl Future<Output = ()> + Send + use<> {
    let mut watch = channel.idle(grace);
    async move { ready(&mut watch, IdleWatch::poll_idle, IdleWatch::deadline).await }
}

/// How often the channels are swept.
const ROUND: Duration = Duration::from_secs(5);

/// How many channels are swept before other tasks run.
const LOOKS: usize = 1000;
