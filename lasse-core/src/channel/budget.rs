//! What the memory of several channels counts towards.

/// Who sees to it that several channels together do not take too much.
pub(super) trait Budget: Send + Sync {
    /// A channel's log takes so many bytes more, or less.
    fn note(&self, change: isize);
}
