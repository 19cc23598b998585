//! The memory that several channels share.

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
