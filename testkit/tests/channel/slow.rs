//! Clients that do not read, and what they cost the others.

use std::ops::Range;
use std::thread;
use std::time::Duration;

use lasse_core::{Channel, ChannelConfig, EndReason, Event, LagPolicy, ResetReason, Retention};

use crate::client::Client;
use crate::reader::{End, Reader};
use crate::server::{STACKS, Server};

#[test]
fn a_client_that_reads_nothing_is_disconnected_and_the_others_receive_everything() {
    for stack in STACKS {
        let channel = channel(LagPolicy::Disconnect);
        let server = Server::with_write_timeout(stack, &channel, Duration::from_secs(1));
        let stuck = Reader::resume(&server, None);
        let mut readers = [(); 20].map(|()| (Reader::resume(&server, None), Client::default()));
        let mut count = 0;
        let ended = |reason| server.gate.stats().ended(reason);
        while ended(EndReason::Stalled) + ended(EndReason::Lagged) == 0 {
            publish(&channel, count..count + 2);
            count += 2;
            for (reader, client) in &mut readers {
                while client.number < count {
                    client.receive(reader.receive().unwrap());
                }
            }
            assert!(channel.stats().bytes < 3 * KEPT / 2, "{stack:?}: {:?}", channel.stats());
            assert!(count < 10_000, "{stack:?}: nobody is disconnected");
        }
        assert!(readers.iter().all(|(_, client)| client.heard == count));
        assert_eq!(server.gate.stats().open, readers.len(), "{stack:?}");
        assert_eq!(channel.stats().subscribers, readers.len(), "{stack:?}");
        if ended(EndReason::Stalled) > 0 {
            assert_eq!(stuck.read_to_end().1, End::Cut, "{stack:?}");
        }
    }
}

#[test]
fn a_client_that_reads_again_is_reset_if_it_lagged() {
    for stack in STACKS {
        for slow in [LagPolicy::Disconnect, LagPolicy::Skip] {
            let channel = channel(slow);
            let server = Server::of(stack, &channel);
            let mut reader = Reader::resume(&server, None);
            let mut client = Client::default();
            publish(&channel, 0..2000);
            channel.finish();
            if slow == LagPolicy::Disconnect {
                while let Ok(heard) = reader.receive() {
                    client.receive(heard);
                }
                assert!(client.number < 2000 && client.resets.is_empty(), "{stack:?}");
                reader = Reader::resume(&server, client.last.as_deref());
            }
            let (heard, end) = reader.read_to_end();
            heard.into_iter().for_each(|heard| client.receive(heard));
            assert_eq!((client.number, end), (2000, End::Clean), "{stack:?}: {slow:?}");
            let (reason, lagged) = match slow {
                LagPolicy::Skip => ("lagged", channel.stats().resets(ResetReason::Lagged)),
                _ => ("expired", 1),
            };
            assert_eq!(client.resets.get(reason), Some(&lagged), "{stack:?}: {:?}", client.resets);
        }
    }
}

#[test]
fn a_client_that_reads_late_receives_events_that_were_sent_one_by_one() {
    for stack in STACKS {
        let channel = Channel::new(&ChannelConfig::new());
        let server = Server::of(stack, &channel);
        let reader = Reader::resume(&server, None);
        let mut client = Client::default();
        for count in 0..500 {
            channel.publish(Event::new(format!("0 {count}"))).unwrap();
            thread::sleep(Duration::from_micros(300));
        }
        channel.finish();
        let (heard, end) = reader.read_to_end();
        heard.into_iter().for_each(|heard| client.receive(heard));
        assert_eq!((client.heard, end), (500, End::Clean), "{stack:?}");
    }
}

fn channel(slow: LagPolicy) -> Channel {
    let retention = Retention::new().with_bytes(KEPT);
    Channel::new(&ChannelConfig::new().with_retention(retention).with_lag_policy(slow))
}

/// Publishes events of 8 KiB.
fn publish(channel: &Channel, counts: Range<u64>) {
    let filler = "x".repeat(8 * 1024);
    for count in counts {
        channel.publish(Event::new(format!("0 {count} {filler}"))).unwrap();
    }
}

/// How many bytes a channel keeps.
const KEPT: usize = 256 * 1024;
