//! A log gives the same results as a simple one.

use lasse_core::{Ending, StartAt};
use lasse_testkit::checked_log::{CheckedLog, LastSeen, LogCall, PATTERNS, READERS, Wants};
use proptest::prelude::*;

/// Calls of a log whose events have ids of their own, or numbers, or which is given both.
fn calls() -> impl Strategy<Value = Vec<LogCall>> {
    let weights = prop::sample::select(vec![(400, 0), (0, 200), (300, 60)]);
    weights.prop_flat_map(|(numbered, own)| prop::collection::vec(call(numbered, own), 0..400))
}

fn call(numbered: u32, own: u32) -> impl Strategy<Value = LogCall> {
    let endings = prop::sample::select(vec![Ending::Finished, Ending::Aborted]);
    prop_oneof![
        numbered.max(1) => (0..200_usize).prop_map(LogCall::Append),
        (numbered / 80).max(1) => (0..3000_usize).prop_map(LogCall::Append),
        own.max(1) => (0..16_u8).prop_map(LogCall::AppendOwn),
        (numbered / 20).max(1) => (0..5_u64).prop_map(LogCall::AppendAs),
        (numbered / 40).max(1) => (0..5_u64).prop_map(LogCall::Skip),
        5 => Just(LogCall::Hole),
        4 => prop_oneof![0..5_u64, Just(u64::MAX)].prop_map(LogCall::HoleUpTo),
        (numbered / 60).max(1) => Just(LogCall::BeginEpoch),
        300 => (0..READERS, 0..2000_usize).prop_map(|(n, budget)| LogCall::Read(n, budget)),
        150 => (0..READERS, last(), start())
            .prop_map(|(n, last, start)| LogCall::Connect(n, last, start)),
        20 => (0..20_u64).prop_map(LogCall::Advance),
        2 => Just(LogCall::Clear),
        1 => endings.prop_map(LogCall::End),
    ]
}

fn last() -> impl Strategy<Value = LastSeen> {
    let text = prop::sample::select(vec!["j-1", "k0-01", "", "x", "k0-"]);
    prop_oneof![
        1 => Just(LastSeen::Absent),
        6 => (0..60_usize).prop_map(LastSeen::Entry),
        4 => (-60..3_i64, 0..3_usize).prop_map(|(n, back)| LastSeen::Number(n, back)),
        2 => (0..16_u8).prop_map(LastSeen::Own),
        1 => text.prop_map(|text| LastSeen::Text(text.into())),
    ]
}

fn start() -> impl Strategy<Value = StartAt> {
    prop_oneof![
        Just(StartAt::Now),
        Just(StartAt::Oldest),
        (0..30_u64).prop_map(StartAt::Last),
        Just(StartAt::LatestPerKey),
    ]
}

/// Calls of a log with topics.
fn calls_with_topics() -> impl Strategy<Value = Vec<LogCall>> {
    let odd = prop::sample::select(vec![0, 0, 10]);
    odd.prop_flat_map(|odd| prop::collection::vec(call_with_topics(odd), 0..400))
}

/// Gaps in the numbers, and clearing, are as frequent as `odd`.
fn call_with_topics(odd: u32) -> BoxedStrategy<LogCall> {
    let regular = prop_oneof![
        30 => (0..200_usize).prop_map(LogCall::Append),
        200 => (0..7_usize, 0..200_usize).prop_map(|(topic, len)| LogCall::AppendTo(topic, len)),
        20 => (0..7_usize).prop_map(LogCall::AppendTombstone),
        200 => (0..READERS, 0..1000_usize).prop_map(|(n, budget)| LogCall::ReadView(n, budget)),
        80 => (0..READERS, prop::option::weighted(0.8, wants()), last(), start())
            .prop_map(|(n, wants, last, start)| LogCall::ConnectView(n, wants, last, start)),
        30 => (0..READERS, wants()).prop_map(|(n, wants)| LogCall::ChangeView(n, wants)),
        20 => (0..READERS).prop_map(LogCall::Conflate),
        10 => (0..20_u64).prop_map(LogCall::Advance),
        1 => Just(LogCall::End(Ending::Finished)),
    ];
    if odd == 0 {
        return regular.boxed();
    }
    prop_oneof![
        60 * odd => regular,
        odd => call(1, 0),
        odd => (0..7_usize, 0..3_u64).prop_map(|(topic, n)| LogCall::AppendToAs(topic, n)),
    ]
    .boxed()
}

fn wants() -> impl Strategy<Value = Wants> {
    let after = prop::option::weighted(0.3, 0..40_usize);
    prop::collection::vec((0..PATTERNS.len(), after), 0..4)
}

/// How many events and bytes to keep, and whether some are too old.
fn limits() -> impl Strategy<Value = (u64, usize, bool)> {
    let events = prop_oneof![1..40_u64, Just(u64::MAX)];
    let bytes = prop_oneof![Just(0_usize), 500..20_000_usize, Just(1 << 20)];
    (events, bytes, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_log_does_what_a_simple_one_does((events, bytes, ages) in limits(), calls in calls()) {
        let mut log = CheckedLog::new(events, bytes, ages, false);
        calls.into_iter().for_each(|call| log.call(call));
    }

    #[test]
    fn a_reader_of_topics_gets_what_a_scan_of_a_simple_log_finds(
        (events, bytes, ages) in limits(),
        has_keys in any::<bool>(),
        calls in calls_with_topics(),
    ) {
        let mut log = CheckedLog::new(events, bytes, ages, has_keys);
        calls.into_iter().for_each(|call| log.call(call));
    }
}
