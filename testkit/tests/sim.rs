//! Thousands of stories between a channel and a client.

use std::collections::BTreeMap;

use lasse_testkit::sim;

#[test]
fn whatever_goes_wrong_events_come_in_order_without_repeat_and_without_silent_gap() {
    let mut seen = BTreeMap::<String, u64>::new();
    for seed in 0..STORIES {
        let story = sim::run(seed).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        let resets = story.resets.iter().map(|(reason, n)| (format!("reset {reason}"), n));
        let reasons = story.reasons.iter().map(|(reason, n)| ((*reason).to_owned(), n));
        for (what, n) in resets.chain(reasons) {
            *seen.entry(what).or_default() += n;
        }
        *seen.entry("said".into()).or_default() += story.said;
        *seen.entry("heard".into()).or_default() += story.heard;
        *seen.entry("connected".into()).or_default() += story.connects;
    }
    for what in EVENTFUL {
        assert!(
            seen.get(what).is_some_and(|n| *n > STORIES / 100),
            "{what} hardly occurs: {seen:?}"
        );
    }
}

const STORIES: u64 = 1000;

/// What must come to pass in some stories, or they prove little.
const EVENTFUL: [&str; 11] = [
    "connected",
    "heard",
    "reset expired",
    "reset foreign",
    "reset lagged",
    "shutdown",
    "expired",
    "lagged",
    "peer_closed",
    "stalled",
    "stopped",
];
