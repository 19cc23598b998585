//! Topics and keys: what the clients of each receive.

use std::collections::BTreeMap;

use lasse_core::{
    Channel, ChannelConfig, Compaction, Event, LagPolicy, Retention, StartAt, Topic, TopicFilter,
    TopicPattern,
};
use lasse_testkit::Received;

use crate::reader::{End, Reader};
use crate::server::{STACKS, Server};

#[test]
fn a_client_receives_its_topics_and_resumes_in_them_by_one_id() {
    for stack in STACKS {
        let rooms = Channel::new(&ChannelConfig::new());
        let channel = rooms.clone();
        let server = Server::with_init(stack, move |request| {
            let names = request.uri().path().split('/').filter(|name| !name.is_empty());
            let wanted = names.map(|name| room(name.to_owned()));
            let filter = TopicFilter::new(wanted).unwrap();
            let subscription = channel.subscribe_to(&filter, request.last_event_id());
            subscription.into_init(request, |events| events)
        });
        let mut reader = Reader::ask(&server, "/tea/cake", &[], 1024);
        assert!(matches!(reader.receive(), Ok(Received::Message(name, ..)) if name == "position"));
        let publish = |name: &str, data: &str| {
            rooms.publish_to(&room(name.to_owned()), Event::new(data.to_owned())).unwrap()
        };
        publish("tea", "1");
        publish("cats", "2");
        let last = publish("cake", "3");
        assert_eq!(data(&mut reader, 2), ["1", "3"], "{stack:?}");
        drop(reader);
        publish("cats", "4");
        publish("tea", "5");
        // With another filter than before.
        let mut reader = Reader::ask(&server, "/tea/cats", &[last.as_str().as_bytes()], 1024);
        assert_eq!(data(&mut reader, 2), ["4", "5"], "{stack:?}");
    }
}

#[test]
fn a_slow_client_of_a_ticker_receives_the_newest_event_of_each_key() {
    const EVENTS: usize = 2000;
    const KEYS: usize = 100;
    for stack in STACKS {
        let config = ChannelConfig::new()
            .with_retention(Retention::new().with_bytes(256 * 1024))
            .with_compaction(Compaction::new(TopicPattern::from_static("room.*")))
            .with_start(StartAt::LatestPerKey)
            .with_lag_policy(LagPolicy::Latest { behind: 200 });
        let prices = Channel::new(&config);
        let server = Server::of(stack, &prices);
        let mut reader = Reader::resume(&server, None);
        assert!(matches!(reader.receive(), Ok(Received::Message(name, ..)) if name == "position"));
        let filler = "x".repeat(8 * 1024);
        for n in 0..EVENTS {
            let event = Event::new(format!("{n} {filler}"));
            prices.publish_to(&room((n % KEYS).to_string()), event).unwrap();
        }
        prices.finish();
        let (received, end) = reader.read_to_end();
        assert_eq!(end, End::Clean);
        let (mut newest, mut notices, mut events) = (BTreeMap::new(), 0, 0);
        for received in received {
            let Received::Message(name, data, _) = received else { panic!("{received:?}") };
            match name.as_str() {
                "conflated" => notices += 1,
                "message" => {
                    let n: usize = data.split_once(' ').unwrap().0.parse().unwrap();
                    assert!(newest.insert(n % KEYS, n).is_none_or(|older| older < n), "{stack:?}");
                    events += 1;
                }
                other => panic!("{stack:?}: {other}"),
            }
        }
        assert!(newest.into_values().eq(EVENTS - KEYS..EVENTS), "{stack:?}");
        assert!((1..=EVENTS - events).contains(&notices), "{stack:?}: {events} and {notices}");
    }
}

fn room(name: String) -> Topic {
    Topic::new(format!("room.{name}")).unwrap()
}

/// The data of the next events.
fn data(reader: &mut Reader, count: usize) -> Vec<String> {
    let next = |_| match reader.receive() {
        Ok(Received::Message(_, data, _)) => data,
        other => panic!("{other:?}"),
    };
    (0..count).map(next).collect()
}
