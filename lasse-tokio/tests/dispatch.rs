//! The tasks around channels: sweeping, dispatching, waiting for the last reader.

use std::sync::Arc;
use std::time::Duration;

use lasse_core::{ChannelConfig, Channels};
use lasse_tokio::sweep;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_sweep_frees_the_keys_of_removed_channels_though_no_channel_is_left() {
    let channels = Channels::<Arc<str>>::new(&ChannelConfig::new());
    let sweeping = tokio::spawn(sweep(&channels));
    let key: Arc<str> = "tea".into();
    for _ in 0..10_000 {
        channels.open(key.clone());
        channels.remove(&key);
    }
    assert!(channels.is_empty());
    sleep(Duration::from_secs(6)).await;
    assert_eq!(Arc::strong_count(&key), 1);
    sweeping.abort();
}
