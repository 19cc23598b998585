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
    // Without an id, there is no place after which a snapshot could say that the events follow.
    let may_get_snapshot = settings.has_snapshots && log.has_id_at(len);
    let start = if may_get_snapshot { len } else { start(log, held_from, settings.start) };
    if let Requested::Text(id) = requested {
        let may_wait = settings.is_shared && !may_get_snapshot && log.ending.is_none();
        if may_wait && log.is_ahead(id) {
            return Answer::Stream(Position::ahead(log_index, len, id));
        }
    }
    let resumed = match requested {
        Requested::Text(id) => log.resume(id, held_from),
        _ => None,
    };
    let (is_resumed, is_new) = (resumed.is_some(), *requested == Requested::Nothing);
    let is_reset = !is_resumed && !is_new;
    let next = resumed.unwrap_or_else(|| match requested {
        Requested::Nothing | Requested::Invalid => start,
        Requested::Text(id) if settings.backfill && !may_get_snapshot && log.has_expired(id) => {
            held_from
        }
        Requested::Text(id) => start.max(log.past_hole(id, held_from).unwrap_or(start)),
    });
    let is_event = settings.reset.is_some();
    let owes_snapshot = may_get_snapshot && !is_resumed;
    let is_mute = is_reset && !is_event && !settings.sends_position();
    let has_all = next == len && (!is_reset || is_mute) && !owes_snapshot;
    if log.ending.is_some() && has_all {
        return Answer::Complete;
    }
    let is_told_by_reset = is_reset && is_event && !owes_snapshot;
    let may_tell = settings.sends_position() && !is_resumed && !is_told_by_reset;
    Answer::Stream(Position {
        log: log_index,
        next,
        awaits: None,
        owes_reset: is_reset,
        owes_snapshot,
        owes_position: may_tell && log.has_id_at(next),
    })
}

/// Where a client without an id starts.
fn start(log: &LogRecord, held_from: usize, start: StartAt) -> usize {
    match start {
        StartAt::Now => log.entries.len(),
        StartAt::Oldest => held_from,
        StartAt::Last(n) => log.last_from(n).max(held_from),
        other => unreachable!("no settings start at {other:?}"),
    }
}

/// The first entry of the log that the channel still holds.
pub(super) fn held_from(channel: &Channel, log: &LogRecord) -> usize {
    log.last_from(channel.stats().events)
}
