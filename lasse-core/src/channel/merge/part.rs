//! One channel of a merged stream: its subscriber, and the place that the client has in it.

use std::boxed::Box;
use std::string::String;
use std::vec::Vec;

use bytes::Bytes;

use super::id::{self, longest_place};
use crate::channel::subscriber::{ResumeOutcome, Subscriber};
use crate::field::LastEventId;
use crate::frame::Frame;
use crate::log::Gauge;

/// One channel of a merged stream.
#[derive(Debug)]
pub(super) struct Part {
    name: Box<str>,
    /// The place of the client, as the ids have it: the name alone if the client has nothing yet, and
    /// nothing if its place cannot be written.
    place: String,
    /// The most bytes of the place.
    room: usize,
    /// The count of the channel's bytes that readers hold, once there were any.
    gauge: Option<Gauge>,
    /// None, if the channel has ended and the client has all of it.
    pub(super) subscriber: Option<Subscriber>,
}

impl Part {
    /// A part whose client has the last event id `last` in the channel.
    pub(super) fn new(name: &str, last: &LastEventId, subscriber: Option<Subscriber>) -> Self {
        let (place, room) = (name.into(), usize::MAX);
        let mut part = Self { name: name.into(), place, room, gauge: None, subscriber };
        let outcome = part.subscriber.as_ref().map(Subscriber::outcome);
        match last {
            LastEventId::Id(id) if outcome != Some(ResumeOutcome::Fresh) => {
                part.set_place(id.as_str().as_bytes());
            }
            // A client that is reset has lost its place until the reset is sent.
            _ if matches!(outcome, Some(ResumeOutcome::Reset(_))) => part.place.clear(),
            _ => {}
        }
        part.subscriber.iter_mut().for_each(Subscriber::mark_notices);
        part
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The bytes that the place needs as long as the epoch of the channel does not change. None, if
    /// the channel has ids of another form.
    pub(super) fn needs(&self) -> Option<usize> {
        match &self.subscriber {
            Some(subscriber) => Some(self.name.len() + longest_place(&subscriber.epoch()?)),
            None => Some(self.place.len()),
        }
    }

    /// A frame of these bytes, which are counted among those of the channel that readers hold.
    pub(super) fn frame(&mut self, bytes: Vec<u8>) -> Frame {
        if self.gauge.is_none() {
            self.gauge = self.subscriber.as_ref().map(Subscriber::gauge);
        }
        let bytes = Bytes::from(bytes);
        Frame::from_bytes_unchecked(match &self.gauge {
            Some(gauge) => gauge.count(bytes),
            None => bytes,
        })
    }

    /// Bounds the place to `room` bytes.
    pub(super) fn set_room(&mut self, room: usize) {
        self.room = room;
        if self.place.len() > room {
            self.place.clear();
        }
    }

    /// Sets the place to that after an event, by the event's id. If there is no room for it, or the
    /// id is not of the form that channels give, the client has no place in the channel, and is reset
    /// when it reconnects.
    pub(super) fn set_place(&mut self, id: &[u8]) {
        self.place.clear();
        self.place.push_str(&self.name);
        if !id::write_place(&mut self.place, id) || self.place.len() > self.room {
            self.place.clear();
        }
    }
}
