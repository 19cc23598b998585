//! Counters of a channel.

use std::sync::Weak;

use super::shared::Shared;
use super::state::State;
use crate::log::ResetReason;
use crate::time::Instant;

/// Counters of a channel since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// Subscribers, now.
    pub subscribers: usize,
    /// Events that were published.
    pub published: u64,
    /// Events that the log holds, now.
    pub events: u64,
    /// Bytes that the log takes, now.
    pub bytes: usize,
    /// Bytes of slices that were read and are still held, now: in the streams of slow clients, and
    /// by the channel and its shards, which keep the last slice.
    pub bytes_in_flight: usize,
    /// New clients that subscribed.
    pub fresh: u64,
    /// Clients that resumed where they had left off.
    pub resumed: u64,
    /// Clients that had all of an ended channel, and received a 204.
    pub complete: u64,
    /// Clients that must retry, because there were too many subscribers.
    pub full: u64,
    /// How often readers skipped events that newer ones of their keys superseded.
    pub conflated: u64,
    pub(super) resets: [u64; ResetReason::ALL.len()],
}

impl ChannelStats {
    /// Clients that were reset for this reason. With [`ResetReason::Lagged`], readers that lagged,
    /// whether they were reset or disconnected.
    pub fn resets(&self, reason: ResetReason) -> u64 {
        self.resets.get(reason as usize).copied().unwrap_or_default()
    }

    /// A number that changes with each new subscriber.
    pub(super) fn arrivals(&self) -> u64 {
        self.fresh + self.resumed + self.resets.iter().sum::<u64>()
    }

    pub(super) fn count_reset(&mut self, reason: ResetReason) {
        if let Some(count) = self.resets.get_mut(reason as usize) {
            *count += 1;
        }
    }
}

/// Reads the counters of a channel, and does not keep it alive.
#[derive(Clone, Debug)]
pub struct StatsReader(pub(super) Weak<Shared>);

impl StatsReader {
    /// Counters, and what the channel holds now. None, once the channel and its readers are gone.
    pub fn stats(&self) -> Option<ChannelStats> {
        self.0.upgrade().map(|shared| shared.lock().stats())
    }

    /// Takes the time of the next publication by `clock`. Readers that have read that event last
    /// return the time as [`Progress::published`](crate::Progress::published), until the next sample is taken.
    pub fn sample_next(&self, clock: fn() -> Instant) {
        if let Some(shared) = self.0.upgrade() {
            shared.lock().sample().request(clock);
        }
    }
}

impl State {
    pub(super) fn stats(&self) -> ChannelStats {
        ChannelStats {
            subscribers: self.subscribers,
            published: self.log.appended(),
            events: self.log.len(),
            bytes: self.log.memory(),
            bytes_in_flight: self.log.bytes_in_flight(),
            ..self.stats.as_deref().copied().unwrap_or_default()
        }
    }
}
