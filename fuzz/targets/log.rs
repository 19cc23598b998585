//! Any sequence of calls gives the same results as a simple log.

#![no_main]

use arbitrary::Arbitrary;
use lasse_core::{Ending, StartAt};
use lasse_testkit::checked_log::{CheckedLog, LastSeen, LogCall, READERS, Wants};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input {
    events: u8,
    bytes: u16,
    ages: bool,
    keys: bool,
    calls: Vec<Call>,
}

#[derive(Arbitrary, Debug)]
enum Call {
    Append(u16),
    AppendOwn(u8),
    AppendAs(u8),
    AppendTo(u8, u8),
    AppendToAs(u8, u8),
    AppendTombstone(u8),
    Skip(u8),
    Hole,
    HoleUpTo(Option<u8>),
    BeginEpoch,
    Read(u8, u16),
    Connect(u8, Last, From),
    ReadView(u8, u16),
    ConnectView(u8, Option<Vec<Want>>, Last, From),
    ChangeView(u8, Vec<Want>),
    Conflate(u8),
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
    LatestPerKey,
}

type Want = (u8, Option<u8>);

fuzz_target!(|input: Input| {
    let events = if input.events == 0 { u64::MAX } else { input.events.into() };
    let mut log = CheckedLog::new(events, input.bytes.into(), input.ages, input.keys);
    for call in input.calls {
        log.call(match call {
            Call::Append(len) => LogCall::Append(len.into()),
            Call::AppendOwn(name) => LogCall::AppendOwn(name),
            Call::AppendAs(left_out) => LogCall::AppendAs(left_out.into()),
            Call::AppendTo(topic, len) => LogCall::AppendTo(topic.into(), len.into()),
            Call::AppendToAs(topic, left_out) => LogCall::AppendToAs(topic.into(), left_out.into()),
            Call::AppendTombstone(topic) => LogCall::AppendTombstone(topic.into()),
            Call::ReadView(reader, budget) => LogCall::ReadView(one_of(reader), budget.into()),
            Call::ConnectView(reader, wanted, last, from) => {
                let wanted = wanted.as_deref().map(wants);
                LogCall::ConnectView(one_of(reader), wanted, last_seen(last), start(&from))
            }
            Call::ChangeView(reader, wanted) => LogCall::ChangeView(one_of(reader), wants(&wanted)),
            Call::Conflate(reader) => LogCall::Conflate(one_of(reader)),
            Call::Skip(count) => LogCall::Skip(count.into()),
            Call::Hole => LogCall::Hole,
            Call::HoleUpTo(count) => LogCall::HoleUpTo(count.map_or(u64::MAX, Into::into)),
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

fn wants(wanted: &[Want]) -> Wants {
    wanted.iter().map(|(pattern, after)| ((*pattern).into(), after.map(Into::into))).collect()
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
        From::LatestPerKey => StartAt::LatestPerKey,
    }
}
