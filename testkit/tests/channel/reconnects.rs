//! Short races. The example `reconnects` runs long ones.

use lasse_core::{ChannelConfig, LagPolicy, Retention};

use crate::race::Race;
use crate::server::{STACKS, Stack};

#[test]
fn at_the_pace_of_the_clients_each_receives_each_event_once() {
    let config = ChannelConfig::new().with_retention(Retention::new().with_bytes(16 << 20));
    for stack in STACKS {
        let outcome = Race::new(stack, &config, enough(stack)).with_pace(2).run();
        assert_eq!((outcome.expired, outcome.lagged), (0, 0), "{stack:?}");
        assert!(outcome.heard > 10 * outcome.published, "{stack:?}: {outcome:?}");
        assert!(outcome.resumed > outcome.connects / 2, "{stack:?}: {outcome:?}");
    }
}

#[test]
fn in_a_flood_each_client_receives_each_event_once_or_is_reset() {
    for stack in STACKS {
        for slow in [LagPolicy::Disconnect, LagPolicy::Skip] {
            let retention = Retention::new().with_events(500);
            let config = ChannelConfig::new().with_retention(retention).with_lag_policy(slow);
            let outcome = Race::new(stack, &config, enough(stack)).run();
            assert!(outcome.expired > 0, "{stack:?}: no id has expired: {outcome:?}");
        }
    }
}

/// An HTTP/2 connection takes a client longer to open.
fn enough(stack: Stack) -> u64 {
    if stack == Stack::HyperHttp2 { 200 } else { 500 }
}
