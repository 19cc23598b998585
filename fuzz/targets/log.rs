//! Whatever is done with a log, it says what a naive one says.

#![no_main]

use arbitrary::Arbitrary;
use lasse_core::{Ending, StartAt};
use lasse_testkit::checked_log::{CheckedLog, LastSeen, LogCall, READERS};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Story {
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
    Read(u8, u16),
    Connect(u8, Last, From),
    Advance(u8),
    Clear,
    End(bool),
}

#[derive(Arbitrary, Debug)]
enum Last {
    Absent,
    Event(u8),
    Number(i8),
    Own(u8),
    Text(String),
}

#[derive(Arbitrary, Debug)]
enum From {
    Now,
    Oldest,
    Last(u8),
}

fuzz_target!(|story: Story| {
    let events = if story.events == 0 { u64::MAX } else { story.events.into() };
    let mut log = CheckedLog::new(events, story.bytes.into(), story.ages);
    for call in story.calls {
        log.call(match call {
            Call::Append(len) => LogCall::Append(len.into()),
            Call::AppendOwn(name) => LogCall::AppendOwn(name),
            Call::AppendAs(skip) => LogCall::AppendAs(skip.into()),
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
        Last::Event(back) => LastSeen::Event(back.into()),
        Last::Number(offset) => LastSeen::Number(offset.into()),
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
