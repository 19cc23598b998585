//! Whatever calls are made, a log does what a simple one does.

#![no_main]

use arbitrary::Arbitrary;
use lasse_core::{Ending, StartAt};
use lasse_testkit::checked_log::{CheckedLog, LastSeen, LogCall, READERS};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    events: u8,
    bytes: u16,
    ages: bool,
    calls: Vec<Call>,
}

#[derive(Arbitrary, Debug)]
enum Call {
    Append(u16),
    AppendOwn(u8),
    AppendAs(u8),
    Skip(u8),
    Hole,
    BeginEpoch,
    Read(u8, u16),
    Connect(u8, Last, From),
    Advance(u8),
    Clear,
    End(bool),
}

#[derive(Arbitrary, Debug)]
enum Last {
    Absent,
    Entry(u8),
    Number(i8, u8),
    Own(u8),
    Text(String),
}

#[derive(Arbitrary, Debug)]
enum From {
    Now,
    Oldest,
    Last(u8),
}

fuzz_target!(|input: Input| {
    let events = if input.events == 0 { u64::MAX } else { input.events.into() };
    let mut log = CheckedLog::new(events, input.bytes.into(), input.ages);
    for call in input.calls {
        log.call(match call {
            Call::Append(len) => LogCall::Append(len.into()),
            Call::AppendOwn(name) => LogCall::AppendOwn(name),
            Call::AppendAs(left_out) => LogCall::AppendAs(left_out.into()),
            Call::Skip(count) => LogCall::Skip(count.into()),
            Call::Hole => LogCall::Hole,
            Call::BeginEpoch => LogCall::BeginEpoch,
            Call::Read(reader, budget) => LogCall::Read(one_of(reader), budget.into()),
            Call::Connect(reader, last, from) => {
                LogCall::Connect(one_of(reader), last_seen(last), start(&from))
            }
            Call::Advance(seconds) => LogCall::Advance(seconds.into()),
            Call::Clear => LogCall::Clear,
            Call::End(true) => LogCall::End(Ending::Finished),
            Call::End(false) => LogCall::End(Ending::Aborted),
        });
    }
});

fn one_of(reader: u8) -> usize {
    usize::from(reader) % READERS
}

fn last_seen(last: Last) -> LastSeen {
    match last {
        Last::Absent => LastSeen::Absent,
        Last::Entry(back) => LastSeen::Entry(back.into()),
        Last::Number(offset, back) => LastSeen::Number(offset.into(), back.into()),
        Last::Own(name) => LastSeen::Own(name),
        Last::Text(text) => LastSeen::Text(text),
    }
}

fn start(from: &From) -> StartAt {
    match from {
        From::Now => StartAt::Now,
        From::Oldest => StartAt::Oldest,
        From::Last(n) => StartAt::Last((*n).into()),
    }
}
