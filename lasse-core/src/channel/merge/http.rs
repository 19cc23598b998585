//! A merged subscription as the answer to a request.

use super::{MergedSubscriber, MergedSubscription};
use crate::channel::subscription::stream;
use crate::request::{Init, RequestHead};

impl MergedSubscription {
    /// The answer to a request: a stream of what `source` makes of the subscriber.
    ///
    /// A client of [`Dialect::DataOnly`](crate::Dialect::DataOnly) that cannot resume in one of the
    /// channels gets a 410 instead of a reset, with the data of the first reset as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::channel::MergedSubscriber;
    /// use lasse_core::{Channel, Init, MergeError, MergedSubscription, RequestHead};
    ///
    /// fn open(
    ///     own: &Channel,
    ///     shared: &Channel,
    ///     request: &RequestHead<'_>,
    /// ) -> Result<Init<MergedSubscriber>, MergeError> {
    ///     let channels = [("me", own), ("all", shared)];
    ///     let decision = MergedSubscription::of_channels(channels, request.last_event_id())?;
    ///     Ok(decision.into_init(request, |events| events))
    /// }
    /// ```
    pub fn into_init<S>(
        self,
        request: &RequestHead<'_>,
        source: impl FnOnce(MergedSubscriber) -> S,
    ) -> Init<S> {
        match self {
            Self::Stream(subscriber) => {
                let omit = MergedSubscriber::without_notices;
                stream(subscriber, request, omit, MergedSubscriber::first_frames, source)
            }
            Self::Complete => Init::Complete,
            Self::Full(delay) | Self::Undecided(delay) => Init::refuse(delay),
        }
    }
}
