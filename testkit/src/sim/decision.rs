//! What a server must answer: the resume decision, made again from the record of all that was
//! published.

use lasse_core::{Channel, StartAt};

use super::channel_settings::ChannelSettings;
use super::feed::LogRecord;
use super::position::Position;
use super::reader::Answer;

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
        StartAt::Last(n) => log.last_from(n).max(held_from),
        other => unreachable!("no settings start at {other:?}"),
    };
    // Without an id, there is no place after which a snapshot could say that the events follow.
    let may_get_snapshot = settings.has_snapshots && log.has_id_at(len);
    let start = if may_get_snapshot { len } else { start };
    if let Requested::Text(id) = requested {
        let may_wait = settings.is_shared && !may_get_snapshot && log.ending.is_none();
        if may_wait && log.is_ahead(id) {
            return Answer::Stream(Position::ahead(log_index, len, id));
        }
    }
    let (next, is_reset, is_resumed) = match requested {
        Requested::Nothing => (start, false, false),
        Requested::Invalid => (start, true, false),
        Requested::Text(id) => match log.resume(id, held_from) {
            Some(position) => (position, false, true),
            None if settings.backfill && !may_get_snapshot && log.has_expired(id) => {
                (held_from, true, false)
            }
            None => (start.max(log.past_hole(id, held_from).unwrap_or(start)), true, false),
        },
    };
    let is_event = settings.reset.is_some();
    let owes_snapshot = may_get_snapshot && !is_resumed;
    let is_mute = is_reset && !is_event && !settings.sends_position();
    let has_all = next == len && (!is_reset || is_mute) && !owes_snapshot;
    if log.ending.is_some() && has_all {
        return Answer::Complete;
    }
    let is_told_by_reset = is_reset && is_event && !owes_snapshot;
    let may_tell = settings.sends_position() && !is_resumed && !is_told_by_reset;
    let owes_position = may_tell && log.has_id_at(next);
    let owes_reset = is_reset;
    let awaits = None;
    let log = log_index;
    Answer::Stream(Position { log, next, awaits, owes_reset, owes_snapshot, owes_position })
}

/// The first entry of the log that the channel still holds.
pub(super) fn held_from(channel: &Channel, log: &LogRecord) -> usize {
    log.last_from(channel.stats().events)
}
