//! What channels need a clock for: the task that wakes readers, the one that lets go
//! of what is too old, and the wait for the last reader to leave.

use std::future::Future;
use std::hash::Hash;
use std::time::Duration;

use lasse_core::{Channel, Channels, Dispatcher, IdleWatch};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::clock::{now, ready};

/// Wakes the readers of `channel`, so that to publish costs the same for ten of
/// them and for ten thousand; lets events gather for the channel's linger before;
/// and lets go of events that grow too old. Returns when the channel and its
/// readers are gone, or at once if another does this already.
///
/// A channel without a dispatcher works as well: then `publish` wakes its readers.
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
        while ready(&mut dispatcher, Dispatcher::poll_due, Dispatcher::deadline).await {
            if !dispatcher.linger().is_zero() {
                sleep(dispatcher.linger()).await;
            }
            while dispatcher.wake_some() {
                yield_now().await;
            }
        }
    }
}

/// Tells channels the time every few seconds, so that those are let go which no one
/// uses, and events that grow too old. Does not return; abort its task where
/// channels come and go.
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
            // At least once: keys of removed channels are left though there is no channel.
            for _ in 0..channels.len().div_ceil(LOOKS).max(1) {
                channels.advance_some(now(), LOOKS);
                yield_now().await;
            }
        }
    }
}

/// Returns when `channel` has had no readers for as long as `grace`. A reader that
/// left may come back, so whether to stop what feeds the channel is yours to say.
pub fn idle(channel: &Channel, grace: Duration) -> impl Future<Output = ()> + Send + use<> {
    let mut watch = channel.idle(grace);
    async move { ready(&mut watch, IdleWatch::poll_idle, IdleWatch::deadline).await }
}

/// How long until channels are looked at again.
const ROUND: Duration = Duration::from_secs(5);

/// How many are looked at before others have their turn.
const LOOKS: usize = 1000;
