//! Notices: events that report where a stream starts, and what its client lacks.

use std::error::Error;
use std::fmt;
use std::string::String;
use std::vec::Vec;

use super::config::Settings;
use super::terms::Terms;
use crate::event::Event;
use crate::field::{EventId, EventName};
use crate::frame::Frame;
use crate::log::ResetReason;

/// The name of a notice: any event name but `open` and `error`.
///
/// A browser's `EventSource` calls the page's `onopen` or `onerror` for an event of such a name,
/// as if the connection had opened or failed.
///
/// # Examples
///
/// ```
/// use lasse_core::channel::NoticeName;
/// use lasse_core::{ChannelConfig, EventName};
///
/// const GAP: NoticeName = NoticeName::from_static("gap");
/// let config = ChannelConfig::new().with_reset(GAP);
/// assert!(NoticeName::new(EventName::from_static("error")).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NoticeName(EventName);

impl NoticeName {
    /// The name of a notice.
    ///
    /// # Errors
    ///
    /// If the name is `open` or `error`.
    pub fn new(name: EventName) -> Result<Self, ReservedName> {
        if is_reserved(name.as_str()) { Err(ReservedName) } else { Ok(Self(name)) }
    }

    /// The name `text`, checked at compile time if it is a constant.
    ///
    /// # Panics
    ///
    /// If `text` is `open`, `error` or no event name.
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            !is_reserved(text),
            "EventSource dispatches events named `open` and `error` itself"
        );
        Self(EventName::from_static(text))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// A name that cannot be the name of a notice: `open` or `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedName;

impl fmt::Display for ReservedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventSource dispatches events named `open` and `error` itself")
    }
}

impl Error for ReservedName {}

/// The notice that a stream starts at `at`, or the mark of it for a merged stream.
pub(super) fn position(terms: &Terms, settings: &Settings, at: &EventId) -> Option<Frame> {
    if terms.has_marks() {
        let mark = [&[MARK], at.as_str().as_bytes(), b"\n"].concat();
        return Some(Frame::from_bytes_unchecked(mark));
    }
    let name = settings.position.as_ref().filter(|_| terms.has_notices())?;
    Some(position_event(name, at))
}

/// The event that a stream starts at `at`.
pub(super) fn position_event(name: &NoticeName, at: &EventId) -> Frame {
    let mut data = String::from("{\"at\":");
    push_json(&mut data, at.as_str());
    data.push('}');
    Event::new(data).with_name(name.0.clone()).with_id(at.clone()).encode()
}

/// The notice that a client lacks events and continues at `at`. With `id`, it moves the client there.
pub(super) fn reset(
    terms: &Terms,
    settings: &Settings,
    reason: ResetReason,
    requested: Option<&EventId>,
    at: Option<&EventId>,
    id: Option<&EventId>,
) -> Option<Frame> {
    let name = settings.reset.as_ref()?;
    let event = Event::new(reset_data(reason, requested, at)).with_name(name.0.clone());
    Some(terms.mark(match id {
        Some(id) => event.with_id(id.clone()).encode(),
        None => event.encode(),
    }))
}

/// The notice that the events up to `until` that follow are only the newest of each key.
pub(super) fn conflated(
    terms: &Terms,
    settings: &Settings,
    until: Option<&EventId>,
) -> Option<Frame> {
    let name = settings.conflated.as_ref().filter(|_| terms.has_notices())?;
    let mut data = String::from("{\"until\":");
    push_json_or_null(&mut data, until);
    data.push('}');
    Some(terms.mark(Event::new(data).with_name(name.0.clone()).encode()))
}

impl Terms {
    /// Marks a notice for a merged stream, which adds the name of the channel.
    fn mark(&self, notice: Frame) -> Frame {
        if !self.has_marks() {
            return notice;
        }
        let marked: Vec<u8> = [&[MARK, b'\n'], notice.as_bytes()].concat();
        Frame::from_bytes_unchecked(marked)
    }
}

/// The data of a reset: a JSON object with `reason`, `requested` and `resumed_at`.
pub(super) fn reset_data(
    reason: ResetReason,
    requested: Option<&EventId>,
    at: Option<&EventId>,
) -> String {
    let mut data = String::from("{\"reason\":\"");
    data.push_str(reason.as_str());
    data.push_str("\",\"requested\":");
    push_json_or_null(&mut data, requested);
    data.push_str(",\"resumed_at\":");
    push_json_or_null(&mut data, at);
    data.push('}');
    data
}

/// Whether a client that is reset gets an id, so that it is not reset again when it reconnects.
pub(super) fn moves_reset_clients(settings: &Settings) -> bool {
    settings.reset.is_some() || settings.position.is_some()
}

fn push_json_or_null(out: &mut String, id: Option<&EventId>) {
    match id {
        Some(id) => push_json(out, id.as_str()),
        None => out.push_str("null"),
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

const fn is_reserved(name: &str) -> bool {
    matches!(name.as_bytes(), b"open" | b"error")
}

/// The first byte of a line that only a merged stream reads: alone before a notice, and with an id in
/// place of a position. No line of an event begins with it.
pub(super) const MARK: u8 = 0;

pub(super) const POSITION: NoticeName = NoticeName::from_static("position");
pub(super) const CONFLATED: NoticeName = NoticeName::from_static("conflated");
pub(super) const RESET: NoticeName = NoticeName::from_static("reset");
