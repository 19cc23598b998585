//! Several channels on one stream, with one id for all.

mod error;
#[cfg(feature = "http")]
mod http;
mod id;
mod part;
mod rewrite;
mod subscriber;

use std::time::Duration;
use std::vec::Vec;

pub use error::MergeError;
pub use id::MergedId;
pub use subscriber::MergedSubscriber;

use super::{Channel, Subscription};
use crate::field::LastEventId;
use part::Part;

/// The decision on a client that connects to several channels on one stream: such as the private
/// channel of a user, with its own retention, and one that all users share.
///
/// Each channel has a name of 1 to 32 letters, digits and underscores, by which the
/// [ids](MergedId) of the stream and the resets refer to it. The client resumes in each channel by one
/// id. A channel that is not in the id, or that cannot resume, resets the client in its part only.
///
/// # Examples
///
/// ```
/// use lasse_core::{
///     Channel, ChannelConfig, LastEventId, MergeError, MergedId, MergedSubscription, TopicFilter,
/// };
///
/// fn decide(
///     own: &Channel,
///     rooms: &Channel,
///     filter: &TopicFilter,
///     last: &LastEventId,
/// ) -> Result<MergedSubscription, MergeError> {
///     let last = MergedId::from(last);
///     MergedSubscription::new(
///         [
///             ("me", own.subscribe(&last.of_channel("me"))),
///             ("rooms", rooms.subscribe_to(filter, &last.of_channel("rooms"))),
///         ],
///         &last,
///     )
/// }
/// # let (own, rooms) = (Channel::new(&ChannelConfig::new()), Channel::new(&ChannelConfig::new()));
/// # let decision = decide(&own, &rooms, &TopicFilter::default(), &LastEventId::Absent)?;
/// # assert!(matches!(decision, MergedSubscription::Stream(_)));
/// # Ok::<(), MergeError>(())
/// ```
#[doc(alias("merge", "multiplex"))]
#[derive(Debug)]
#[must_use]
#[non_exhaustive]
pub enum MergedSubscription {
    /// The client gets a stream of the events of all channels.
    Stream(MergedSubscriber),
    /// All channels have ended and the client has all of them: answer 204.
    Complete,
    /// A channel admits no more subscribers: have the client retry after this delay.
    Full(Duration),
    /// It is not known now whether the client can resume in a channel: have it retry after this
    /// delay.
    Undecided(Duration),
}

impl MergedSubscription {
    /// Merges subscriptions, each of the client's [last event id](MergedId::of_channel) in its
    /// channel. A subscription that waits for a snapshot is
    /// [supplied with it](Subscription::or_snapshot) before.
    ///
    /// # Errors
    ///
    /// If there are none or more than four, if a name is not valid or is there twice, if a channel is
    /// there twice or its events have ids of their own, or if an id of the stream could be longer than
    /// [`MergedId::MAX_LEN`]. That depends on the names and epochs, not on the client.
    pub fn new<N: AsRef<str>>(
        subscriptions: impl IntoIterator<Item = (N, Subscription)>,
        last: &MergedId,
    ) -> Result<Self, MergeError> {
        let mut parts: Vec<Part> = Vec::new();
        let mut refusal = None;
        for (name, subscription) in subscriptions {
            let name = name.as_ref();
            check_name(name, parts.iter().map(Part::name))?;
            let subscriber = match subscription {
                Subscription::Stream(subscriber) => Some(subscriber),
                Subscription::NeedsSnapshot(never) => match never {},
                Subscription::Complete => None,
                Subscription::Full(delay) => {
                    refusal = Some(Self::Full(delay.max(delay_of(&refusal))));
                    None
                }
                Subscription::Undecided(delay) => {
                    refusal = Some(Self::Undecided(delay.max(delay_of(&refusal))));
                    None
                }
            };
            let others = parts.iter().filter_map(|part| part.subscriber.as_ref());
            let mut same = others.filter(|other| {
                subscriber.as_ref().is_some_and(|subscriber| subscriber.is_of_channel_of(other))
            });
            if same.next().is_some() {
                return Err(MergeError::ChannelTwice(name.into()));
            }
            parts.push(Part::new(name, &last.of_channel(name), subscriber));
        }
        share_room(&mut parts)?;
        Ok(match refusal {
            Some(refusal) => refusal,
            None if parts.iter().all(|part| part.subscriber.is_none()) => Self::Complete,
            None => Self::Stream(MergedSubscriber::new(parts)),
        })
    }

    /// Subscribes to channels, and merges the subscriptions.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, MergedSubscription};
    ///
    /// let config = ChannelConfig::new();
    /// let (own, shared) = (Channel::new(&config), Channel::new(&config));
    /// let channels = [("me", &own), ("all", &shared)];
    /// let decision = MergedSubscription::of_channels(channels, &LastEventId::Absent)?;
    /// let MergedSubscription::Stream(mut subscriber) = decision else { return Ok(()) };
    ///
    /// own.publish(Event::new("for Ada"))?;
    /// shared.publish(Event::new("for all"))?;
    /// let frames = subscriber.first_frames();
    /// let id = format!("me.{}-1~all.{}-1", own.epoch(), shared.epoch());
    /// assert_eq!(frames[2].as_bytes(), format!("data: for all\nid: {id}\n\n").as_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn of_channels<'a, N: AsRef<str>>(
        channels: impl IntoIterator<Item = (N, &'a Channel)>,
        last: &LastEventId,
    ) -> Result<Self, MergeError> {
        let last = MergedId::from(last);
        let subscribe = |(name, channel): (N, &Channel)| {
            let subscription = channel.subscribe(&last.of_channel(name.as_ref()));
            (name, subscription)
        };
        Self::new(channels.into_iter().map(subscribe), &last)
    }
}

fn check_name<'a>(
    name: &str,
    mut others: impl ExactSizeIterator<Item = &'a str>,
) -> Result<(), MergeError> {
    if others.len() == id::MAX_CHANNELS {
        return Err(MergeError::TooManyChannels);
    }
    if !id::is_name(name) {
        return Err(MergeError::InvalidName(name.into()));
    }
    match others.any(|other| other == name) {
        true => Err(MergeError::NameTwice(name.into())),
        false => Ok(()),
    }
}

/// Divides the bytes of an id among the parts, so that no id is ever longer: each gets what it needs
/// under the epoch of its channel, and a share of the rest, for the epochs that follow.
fn share_room(parts: &mut [Part]) -> Result<(), MergeError> {
    let needs = |part: &Part| part.needs().ok_or_else(|| MergeError::OwnIds(part.name().into()));
    let needs: Vec<usize> = parts.iter().map(needs).collect::<Result<_, _>>()?;
    let total = needs.iter().sum::<usize>() + id::len_between(parts.len());
    let Some(spare) = MergedId::MAX_LEN.checked_sub(total) else {
        return Err(MergeError::IdTooLong(total));
    };
    let share = spare.checked_div(parts.len()).ok_or(MergeError::NoChannel)?;
    parts.iter_mut().zip(needs).for_each(|(part, needs)| part.set_room(needs + share));
    Ok(())
}

fn delay_of(refusal: &Option<MergedSubscription>) -> Duration {
    match refusal {
        Some(MergedSubscription::Full(delay) | MergedSubscription::Undecided(delay)) => *delay,
        _ => Duration::ZERO,
    }
}
