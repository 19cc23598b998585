//! The frames that a stream begins with: where it starts, and what is lost.

use std::string::String;
use std::vec::Vec;

use super::config::{PositionNotice, ResetNotice, Settings};
use crate::event::Event;
use crate::field::{EventId, EventName, LastEventId};
use crate::frame::Frame;
use crate::log::ResetReason;

/// What a client is to be told before the first event.
#[derive(Debug)]
pub(super) struct Opening {
    /// Why it does not go on where it left off.
    pub(super) gap: Option<ResetReason>,
    /// Where it left off, by its own account.
    pub(super) requested: LastEventId,
    /// The id of the place where its stream starts.
    pub(super) at: EventId,
    /// What the user gives it to start from, if anything.
    pub(super) snapshot: Option<Vec<Frame>>,
}

impl Opening {
    /// The frames, in order.
    ///
    /// Whoever is given a snapshot learns its position after the last frame of
    /// it, and not before: cut off in the middle it comes back as it came, and is
    /// given all of it.
    pub(super) fn into_frames(self, settings: &Settings) -> Vec<Frame> {
        let Self { gap, requested, at, snapshot } = self;
        let has_snapshot = snapshot.is_some();
        let mut frames = Vec::new();
        let mut tells_position = true;
        if let Some(gap) = gap {
            let id = Some(&at).filter(|_| !has_snapshot);
            let is_event = matches!(settings.reset, ResetNotice::Event(_));
            tells_position = has_snapshot || !is_event;
            frames.extend(reset(settings, gap, requested.id(), &at, id));
        }
        frames.extend(snapshot.into_iter().flatten());
        if tells_position {
            frames.extend(position(settings, &at));
        }
        frames
    }
}

/// Tells a client that it has a gap and goes on at `at`; with an id that moves it
/// there, if one is given.
pub(super) fn reset(
    settings: &Settings,
    gap: ResetReason,
    requested: Option<&EventId>,
    at: &EventId,
    id: Option<&EventId>,
) -> Option<Frame> {
    let mut data = String::from("{\"reason\":\"");
    data.push_str(gap.as_str());
    data.push_str("\",\"requested\":");
    match requested {
        Some(id) => push_json(&mut data, id.as_str()),
        None => data.push_str("null"),
    }
    data.push_str(",\"resumed_at\":");
    push_json(&mut data, at.as_str());
    data.push('}');
    match &settings.reset {
        ResetNotice::Event(name) => {
            let event = Event::new(data).with_name(name.clone());
            Some(match id {
                Some(id) => event.with_id(id.clone()).encode(),
                None => event.encode(),
            })
        }
        ResetNotice::Comment => Some(Frame::comment(&(String::from("reset: ") + &data))),
        ResetNotice::Untold => None,
    }
}

/// Whether a client that is reset learns an id with which it would not be reset
/// again.
pub(super) fn moves_who_is_reset(settings: &Settings) -> bool {
    matches!(settings.reset, ResetNotice::Event(_)) || settings.position != PositionNotice::Untold
}

fn position(settings: &Settings, at: &EventId) -> Option<Frame> {
    match settings.position {
        PositionNotice::Id => Some(Frame::id(at)),
        PositionNotice::Open => Some(Event::new("").with_name(OPEN).with_id(at.clone()).encode()),
        PositionNotice::Untold => None,
    }
}

/// Appends `text` as a JSON string (RFC 8259 7).
fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\x1f' => {
                let digit = |value| char::from_digit(value, 16).unwrap_or_default();
                out.push_str("\\u00");
                out.extend([digit(u32::from(c) >> 4), digit(u32::from(c) & 15)]);
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

const OPEN: EventName = EventName::from_static("open");
