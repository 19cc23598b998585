//! The log says what a naive one says.

use lasse_core::{Ending, StartAt};
use lasse_testkit::checked_log::{CheckedLog, LastSeen, LogCall, READERS};
use proptest::prelude::*;

fn calls() -> impl Strategy<Value = Vec<LogCall>> {
    let text = prop::sample::select(vec!["j-1", "k-01", "", "x", "k-"]);
    let last = prop_oneof![
        1 => Just(LastSeen::Absent),
        6 => (0..60_usize).prop_map(LastSeen::Event),
        2 => (-60..3_i64).prop_map(LastSeen::Number),
        2 => (0..16_u8).prop_map(LastSeen::Own),
        1 => text.prop_map(|text| LastSeen::Text(text.into())),
    ];
    let starts =
        prop_oneof![Just(StartAt::Now), Just(StartAt::Oldest), (0..30_u64).prop_map(StartAt::Last)];
    let endings = prop::sample::select(vec![Ending::Finished, Ending::Aborted]);
    let call = prop_oneof![
        400 => (0..200_usize).prop_map(LogCall::Append),
        5 => (0..3000_usize).prop_map(LogCall::Append),
        60 => (0..16_u8).prop_map(LogCall::AppendOwn),
        20 => (0..5_u64).prop_map(LogCall::AppendAs),
        300 => (0..READERS, 0..2000_usize).prop_map(|(n, budget)| LogCall::Read(n, budget)),
        100 => (0..READERS, last, starts)
            .prop_map(|(n, last, start)| LogCall::Connect(n, last, start)),
        20 => (0..20_u64).prop_map(LogCall::Advance),
        2 => Just(LogCall::Clear),
        1 => endings.prop_map(LogCall::End),
    ];
    prop::collection::vec(call, 0..400)
}

/// How many events and bytes to keep, and whether some are too old.
fn limits() -> impl Strategy<Value = (u64, usize, bool)> {
    let events = prop_oneof![1..40_u64, Just(u64::MAX)];
    let bytes = prop_oneof![Just(0_usize), 500..20_000_usize, Just(1 << 20)];
    (events, bytes, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_log_says_what_a_naive_one_says((events, bytes, ages) in limits(), calls in calls()) {
        let mut log = CheckedLog::new(events, bytes, ages);
        calls.into_iter().for_each(|call| log.call(call));
    }
}
