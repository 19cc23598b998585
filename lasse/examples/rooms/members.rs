//! The rooms of each user, since when, and the streams of their pages.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use lasse::{
    Channel, EventId, FilterHandle, LastEventId, Subscription, TooManyTopics, Topic, TopicFilter,
};

use crate::Refusal;

/// All users. It outlives the streams, so a page that reconnects has the rooms that it had.
#[derive(Clone, Default)]
pub(crate) struct Members(Arc<Mutex<HashMap<String, Member>>>);

struct Member {
    /// The private feed.
    feed: Topic,
    rooms: BTreeMap<Topic, Membership>,
    streams: Vec<FilterHandle>,
}

enum Membership {
    /// The user joined after this event. Older events are not sent, however old the last event id of
    /// a page is.
    After(Option<EventId>),
    /// The user left. A page that reconnects still has the room in its URL.
    Left,
}

impl Members {
    /// Adds a user, and joins the rooms that the user has neither joined nor left.
    pub(crate) fn add(
        &self,
        name: &str,
        feed: Topic,
        rooms: Vec<Topic>,
        channel: &Channel,
    ) -> Result<(), Refusal> {
        self.change(name, feed, |member| {
            for room in rooms {
                member.rooms.entry(room).or_insert_with(|| Membership::After(channel.last_id()));
            }
        })
    }

    /// Joins a room, also on the streams that are open.
    pub(crate) fn join(
        &self,
        name: &str,
        feed: Topic,
        room: Topic,
        channel: &Channel,
    ) -> Result<(), Refusal> {
        self.change(name, feed, |member| {
            let before = member.rooms.get(&room);
            if !matches!(before, Some(Membership::After(_))) {
                member.rooms.insert(room, Membership::After(channel.last_id()));
            }
        })
    }

    /// Leaves a room, also on the streams that are open.
    pub(crate) fn leave(&self, name: &str, feed: Topic, room: Topic) -> Result<(), Refusal> {
        self.change(name, feed, |member| {
            member.rooms.insert(room, Membership::Left);
        })
    }

    /// Subscribes a page of a user to the rooms that the user has now.
    pub(crate) fn subscribe(
        &self,
        name: &str,
        channel: &Channel,
        last: &LastEventId,
    ) -> Subscription {
        // Locked until the stream is known, so that no change falls between.
        let mut members = self.lock();
        let Some(member) = members.get_mut(name) else {
            return channel.subscribe_to(&TopicFilter::default(), last);
        };
        let filter = member.filter().unwrap_or_default();
        let mut subscription = channel.subscribe_to(&filter, last);
        if let Subscription::Stream(subscriber) = &mut subscription {
            member.streams.retain(|stream| !stream.is_closed());
            member.streams.push(subscriber.filter_handle());
        }
        subscription
    }

    /// Changes the rooms of a user, and the filter of each open stream.
    fn change(
        &self,
        name: &str,
        feed: Topic,
        change: impl FnOnce(&mut Member),
    ) -> Result<(), Refusal> {
        let mut members = self.lock();
        if members.len() >= MOST_USERS && !members.contains_key(name) {
            return Err((StatusCode::SERVICE_UNAVAILABLE, "there are too many users\n".into()));
        }
        let new = || Member { feed, rooms: BTreeMap::new(), streams: Vec::new() };
        let member = members.entry(name.to_owned()).or_insert_with(new);
        change(member);
        let filter =
            member.filter().map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
        member.streams.retain(|stream| stream.set_filter(filter.clone()));
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Member>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn filter(&self) -> Result<TopicFilter, TooManyTopics> {
        let filter = TopicFilter::from(self.feed.clone());
        self.rooms.iter().try_fold(filter, |filter, (room, membership)| match membership {
            Membership::After(Some(id)) => filter.with_after(room, id.clone()),
            Membership::After(None) => filter.with(room),
            Membership::Left => Ok(filter),
        })
    }
}

const MOST_USERS: usize = 100_000;
