//! What a channel has seen.

use crate::log::ResetReason;

/// What a channel has seen since it was made, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelStats {
    /// How many subscribers there are.
    pub subscribers: usize,
    /// How many events were published.
    pub published: u64,
    /// How many events are kept.
    pub events: u64,
    /// How many bytes the log takes.
    pub bytes: usize,
    /// How many came who were new.
    pub fresh: u64,
    /// How many came back and went on where they had left off.
    pub resumed: u64,
    /// How many were told that the log is over and that they have all of it.
    pub complete: u64,
    /// How many came when there was no room for more.
    pub full: u64,
    pub(super) resets: [u64; ResetReason::ALL.len()],
}

impl ChannelStats {
    /// How many were told of a gap, or had to be let go because of one: with
    /// [`ResetReason::Lagged`], how often someone read too slowly.
    pub fn resets(&self, gap: ResetReason) -> u64 {
        self.resets.get(gap as usize).copied().unwrap_or_default()
    }

    pub(super) fn count_reset(&mut self, gap: ResetReason) {
        if let Some(count) = self.resets.get_mut(gap as usize) {
            *count += 1;
        }
    }
}
