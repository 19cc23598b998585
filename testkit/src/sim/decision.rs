//! What a server must answer: the resume decision, made again from the record of all that was
//! published.

use lasse_core::{Channel, StartAt};

use super::feed::LogRecord;
use super::position::Position;
use super::reader::Answer;
use super::settings::ChannelSettings;

/// A last event id as it stood in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Requested {
    Nothing,
    Text(String),
    /// Something that cannot be an id.
    Invalid,
}

/// The answer to a request that is admitted, from the state of the log right after it was answered.
pub(super) fn decide(
    requested: &Requested,
    log_index: usize,
    log: &LogRecord,
    held_from: usize,
    settings: &ChannelSettings,
) -> Answer {
    let len = log.entries.len();
    let start = match settings.start {
        StartAt::Now => len,
        StartAt::Oldest => held_from,
        StartAt::Last(n) => {
            len.saturating_sub(usize::try_from(n).unwrap_or(usize::MAX)).max(held_from)
        }
        other => unreachable!("no settings start at {other:?}"),
    };
    let (next, is_reset, is_resumed) = match requested {
        Requested::Nothing => (start, false, false),
        Requested::Invalid => (start, true, false),
        Requested::Text(id) => match log.resume(id, held_from) {
            Some(position) => (position, false, true),
            None if settings.backfill && log.has_expired(id) => (held_from, true, false),
            None => (start, true, false),
        },
    };
    let is_event = settings.reset.is_some();
    let is_mute = is_reset && !is_event && !settings.sends_position();
    if log.ending.is_some() && next == len && (!is_reset || is_mute) {
        return Answer::Complete;
    }
    let may_tell = settings.sends_position() && !is_resumed && !(is_reset && is_event);
    let owes_position = may_tell && log.has_id_at(next);
    Answer::Stream(Position { log: log_index, next, owes_reset: is_reset, owes_position })
}

/// The first entry of the log that the channel still holds.
pub(super) fn held_from(channel: &Channel, log: &LogRecord) -> usize {
    log.entries.len() - usize::try_from(channel.stats().events).unwrap_or(usize::MAX)
}
