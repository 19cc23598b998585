//! A log does what a simple one does.

use lasse_core::{Ending, StartAt};
use lasse_testkit::checked_log::{CheckedLog, LastSeen, LogCall, READERS};
use proptest::prelude::*;

/// Calls of a log whose events have ids of their own, or numbers, or which is given both.
fn calls() -> impl Strategy<Value = Vec<LogCall>> {
    let weights = prop::sample::select(vec![(400, 0), (0, 200), (300, 60)]);
    weights.prop_flat_map(|(numbered, own)| prop::collection::vec(call(numbered, own), 0..400))
}

fn call(numbered: u32, own: u32) -> impl Strategy<Value = LogCall> {
    let text = prop::sample::select(vec!["j-1", "k0-01", "", "x", "k0-"]);
    let last = prop_oneof![
        1 => Just(LastSeen::Absent),
        6 => (0..60_usize).prop_map(LastSeen::Entry),
        4 => (-60..3_i64, 0..3_usize).prop_map(|(n, back)| LastSeen::Number(n, back)),
        2 => (0..16_u8).prop_map(LastSeen::Own),
        1 => text.prop_map(|text| LastSeen::Text(text.into())),
    ];
    let starts =
        prop_oneof![Just(StartAt::Now), Just(StartAt::Oldest), (0..30_u64).prop_map(StartAt::Last)];
    let endings = prop::sample::select(vec![Ending::Finished, Ending::Aborted]);
    prop_oneof![
        numbered.max(1) => (0..200_usize).prop_map(LogCall::Append),
        (numbered / 80).max(1) => (0..3000_usize).prop_map(LogCall::Append),
        own.max(1) => (0..16_u8).prop_map(LogCall::AppendOwn),
        (numbered / 20).max(1) => (0..5_u64).prop_map(LogCall::AppendAs),
        (numbered / 40).max(1) => (0..5_u64).prop_map(LogCall::Skip),
        5 => Just(LogCall::Hole),
        (numbered / 60).max(1) => Just(LogCall::BeginEpoch),
        300 => (0..READERS, 0..2000_usize).prop_map(|(n, budget)| LogCall::Read(n, budget)),
        150 => (0..READERS, last, starts)
            .prop_map(|(n, last, start)| LogCall::Connect(n, last, start)),
        20 => (0..20_u64).prop_map(LogCall::Advance),
        2 => Just(LogCall::Clear),
        1 => endings.prop_map(LogCall::End),
    ]
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
        let mut log = CheckedLog::new(events, bytes, ages);
        calls.into_iter().for_each(|call| log.call(call));
    }
}
