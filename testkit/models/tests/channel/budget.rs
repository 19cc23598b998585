//! The budget of `Channels`.

use std::time::Duration;

use lasse_core::log::Epoch;
use lasse_core::{ChannelConfig, Channels, Instant};
use loom::thread::spawn;

use super::{model, publish};

/// Channels with up to `bytes` bytes, which are idle at once.
fn channels(bytes: usize) -> Channels<u8> {
    let config = ChannelConfig::new().with_total_bytes(bytes).with_idle_timeout(Duration::ZERO);
    Channels::with_epochs(&config, || Epoch::from(1))
}

/// Whatever the threads do with the channels, no bytes are counted once all channels are removed.
fn model_budget(bytes: usize, first: fn(&Channels<u8>), second: fn(&Channels<u8>)) {
    model(move || {
        let channels = channels(bytes);
        let kept = channels.open(1);
        let threads = [first, second].map(|task| {
            let channels = channels.clone();
            spawn(move || task(&channels))
        });
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        channels.keys().iter().for_each(|key| drop(channels.remove(key)));
        publish(&kept);
        assert_eq!(channels.bytes(), 0);
    });
}

fn open_and_publish(channels: &Channels<u8>) {
    publish(&channels.open(1));
}

#[test]
fn the_bytes_of_a_channel_that_is_removed_are_not_counted() {
    model_budget(usize::MAX, open_and_publish, |channels| drop(channels.remove(&1)));
}

#[test]
fn the_bytes_of_a_channel_that_two_threads_open_are_counted_once() {
    model_budget(usize::MAX, open_and_publish, open_and_publish);
}

#[test]
fn the_bytes_of_a_channel_that_is_cleared_for_its_excess_are_not_counted() {
    model_budget(0, open_and_publish, open_and_publish);
}

#[test]
fn the_bytes_of_a_channel_that_is_dropped_for_being_idle_are_not_counted() {
    model_budget(
        usize::MAX,
        |channels| publish(&channels.open(2)),
        |channels| channels.advance(Instant::from_nanos(1)),
    );
}
