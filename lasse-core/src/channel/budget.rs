//! The memory that several channels share.

use std::sync::Arc;

/// The sum of the memory that the logs of several channels take.
pub(super) trait Budget: Send + Sync {
    /// Adds `change` bytes to the sum, and returns whether the sum is now above the limit.
    ///
    /// Called under the lock of the channel, so that the sum never lacks what the channel has
    /// counted. It must not lock anything.
    fn add(&self, change: isize) -> bool;

    /// Frees memory, because the sum is above the limit. Called without a lock.
    fn relieve(&self);
}

/// What remains to do, without the lock, after the memory of a log was counted.
///
/// It holds the budget, because dropping the last reference to a budget drops channels, which
/// lock themselves.
#[must_use]
pub(super) struct Counted {
    budget: Arc<dyn Budget>,
    has_excess: bool,
}

impl Counted {
    /// Counts `change` bytes more, under the lock of the channel.
    pub(super) fn add(budget: Arc<dyn Budget>, change: isize) -> Self {
        let has_excess = budget.add(change) && change > 0;
        Self { budget, has_excess }
    }

    pub(super) fn settle(self) {
        if self.has_excess {
            self.budget.relieve();
        }
    }
}
