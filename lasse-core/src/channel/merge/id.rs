//! The ids of a stream of several channels.

use std::string::String;
use std::vec::Vec;

use crate::field::{EventId, InvalidLastEventId, LastEventId};
use crate::log::{Epoch, numbered};

/// The last event id of a client whose stream has several channels: its place in each.
///
/// It is the places of the channels, separated by `~`. A place is the name of the channel, a dot
/// and the id that the channel gave, with its number to the base of 62: `me.k3x7Ah2z-F~all.b-2`. A
/// name alone means that the client has nothing of that channel yet. None of its characters causes
/// a preflight request or is escaped in a query.
///
/// # Examples
///
/// ```
/// use lasse_core::{EventId, LastEventId, MergedId};
///
/// let last = LastEventId::Id(EventId::new("me.k-F~all")?);
/// let merged = MergedId::from(&last);
/// assert_eq!(merged.of_channel("me"), LastEventId::Id(EventId::new("k-15")?));
/// assert_eq!(merged.of_channel("all"), LastEventId::Absent);
/// // The client had another set of channels: that channel resets it.
/// assert!(matches!(merged.of_channel("staff"), LastEventId::Invalid(_)));
/// # Ok::<(), lasse_core::InvalidField>(())
/// ```
#[doc(alias = "compound")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedId(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// The same in all channels: there is none, or it is not an id of several channels.
    Same(LastEventId),
    Places(Vec<(String, LastEventId)>),
}

impl MergedId {
    /// The longest id of a merged stream, in bytes. A longer `Last-Event-ID` causes a preflight
    /// request across origins (Fetch 2.2.2).
    pub const MAX_LEN: usize = 128;

    /// The most channels of a merged stream.
    pub const MAX_CHANNELS: usize = MAX_CHANNELS;

    /// The last event id of the client in the channel of this name.
    ///
    /// If the client has an id without that channel, or an id of another kind, this is
    /// [`LastEventId::Invalid`]: the channel resets the client, and the others resume.
    pub fn of_channel(&self, name: &str) -> LastEventId {
        match &self.0 {
            Kind::Same(last) => last.clone(),
            Kind::Places(places) => places
                .iter()
                .find(|(named, _)| named == name)
                .map_or(LastEventId::Invalid(InvalidLastEventId::OtherChannels), |(_, id)| {
                    id.clone()
                }),
        }
    }
}

impl From<&LastEventId> for MergedId {
    fn from(last: &LastEventId) -> Self {
        let LastEventId::Id(id) = last else { return Self(Kind::Same(last.clone())) };
        Self(read(id.as_str()).map_or_else(
            || Kind::Same(LastEventId::Invalid(InvalidLastEventId::NotMerged)),
            Kind::Places,
        ))
    }
}

/// The places of an id. None, if a merged stream would not write it.
fn read(id: &str) -> Option<Vec<(String, LastEventId)>> {
    if id.len() > MergedId::MAX_LEN {
        return None;
    }
    let mut places: Vec<(String, LastEventId)> = Vec::new();
    for place in id.split(BETWEEN_PLACES).filter(|_| id != NO_PLACES) {
        let (name, last) = match place.split_once(AFTER_NAME) {
            Some((name, after)) => (name, LastEventId::Id(read_place(after)?)),
            None => (place, LastEventId::Absent),
        };
        let is_known = places.iter().any(|(other, _)| other == name);
        if !is_name(name) || is_known || places.len() == MAX_CHANNELS {
            return None;
        }
        places.push((name.into(), last));
    }
    Some(places)
}

/// The id of a channel, from what follows the name.
fn read_place(text: &str) -> Option<EventId> {
    let (epoch, digits) = text.split_once('-')?;
    Some(numbered::write(&Epoch::new(epoch).ok()?, read_number(digits)?))
}

/// Writes the place of a channel after its event `id`. Returns `false`, and writes nothing, if the id
/// is not of the form that a channel gives.
pub(super) fn write_place(out: &mut String, id: &[u8]) -> bool {
    let id = std::str::from_utf8(id).ok().and_then(numbered::read);
    let Some((epoch, number)) = id else { return false };
    out.push(AFTER_NAME);
    out.push_str(epoch.as_str());
    out.push('-');
    write_number(out, number);
    true
}

/// The bytes that the place of a channel takes in addition to its name, if its epoch does not
/// change.
pub(super) fn longest_place(epoch: &Epoch) -> usize {
    2 + epoch.as_str().len() + MOST_DIGITS
}

/// The bytes between so many places.
pub(super) fn len_between(places: usize) -> usize {
    places.saturating_sub(1)
}

/// The id of these places, of which the empty ones are left out.
pub(super) fn join<'a>(out: &mut String, places: impl Iterator<Item = &'a str>) {
    let start = out.len();
    for place in places.filter(|place| !place.is_empty()) {
        if out.len() > start {
            out.push(BETWEEN_PLACES);
        }
        out.push_str(place);
    }
    if out.len() == start {
        out.push_str(NO_PLACES);
    }
}

/// Whether `text` can name a channel.
pub(super) fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_LEN).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn write_number(out: &mut String, mut number: u64) {
    let mut digits = ['0'; MOST_DIGITS];
    let mut start = MOST_DIGITS;
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS.get((number % 62) as usize).copied().map_or('0', char::from);
        number /= 62;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(start));
}

/// A number, without leading zeros.
fn read_number(text: &str) -> Option<u64> {
    if text.is_empty() || (text.starts_with('0') && text != "0") {
        return None;
    }
    text.bytes().try_fold(0_u64, |number, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A' + 10,
            b'a'..=b'z' => byte - b'a' + 36,
            _ => return None,
        };
        number.checked_mul(62)?.checked_add(digit.into())
    })
}

pub(super) const MAX_CHANNELS: usize = 4;
pub(super) const MAX_NAME_LEN: usize = 32;

/// The digits of `u64::MAX` to the base of 62.
const MOST_DIGITS: usize = 11;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

const AFTER_NAME: char = '.';
const BETWEEN_PLACES: char = '~';
/// The id of a client that has no place in any channel.
const NO_PLACES: &str = "~";

#[cfg(test)]
mod tests;
