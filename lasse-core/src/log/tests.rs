//! Helpers of the tests of the log, which are in the files of this folder.

mod gaps;
mod ids;
mod keys;
mod reads;
mod resume;
mod retention;
mod topics;

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::*;
use crate::event::Event;
use crate::field::{InvalidLastEventId, LastEventId};
use crate::frame::Frame;

fn log(retention: Retention) -> Log {
    Log::new(Epoch::new("k").unwrap(), retention)
}

fn keeping(events: u64) -> Log {
    log(Retention::new().with_events(events))
}

fn append(log: &mut Log, range: core::ops::RangeInclusive<u64>) {
    for n in range {
        log.append(&Event::new(n.to_string())).unwrap();
    }
}

fn id(text: &str) -> EventId {
    EventId::new(text.to_string()).unwrap()
}

fn last(text: &str) -> LastEventId {
    LastEventId::Id(id(text))
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos(0) + Duration::from_secs(seconds)
}

/// The bytes of one read.
fn read(log: &mut Log, cursor: &mut Cursor, budget: usize) -> Bytes {
    match log.read(cursor, budget) {
        Read::Events(frame) => frame.into_bytes(),
        other => panic!("{other:?}"),
    }
}

/// All data from `cursor` on, one event at a time.
fn rest(log: &mut Log, mut cursor: Cursor) -> Vec<String> {
    let mut data = Vec::new();
    while let Read::Events(frame) = log.read(&mut cursor, 1) {
        let text = core::str::from_utf8(frame.as_bytes()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("data: "));
        data.push(line.unwrap().to_string());
    }
    data
}

/// The decision on a client with the last event id `last`, and the data that it receives.
fn resumed(log: &mut Log, last: &LastEventId, start: StartAt) -> (&'static str, Vec<String>) {
    let (decision, cursor) = match log.resume(last, start) {
        Resume::Fresh(cursor) => ("fresh", cursor),
        Resume::Resumed(cursor) => ("resumed", cursor),
        Resume::Complete => return ("complete", Vec::new()),
        Resume::Reset(gap, cursor) => (gap.as_str(), cursor),
    };
    (decision, rest(log, cursor))
}
