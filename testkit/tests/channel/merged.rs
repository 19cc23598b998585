//! Several channels on one stream.

use std::thread;

use lasse_core::{Channel, ChannelConfig, Epoch, Event, Retention};
use lasse_testkit::Received;

use crate::reader::{End, Reader};
use crate::server::{STACKS, Server, settle};

/// A request, and what the client receives before the next event.
type Row = (&'static str, &'static [&'static [u8]], fn() -> Vec<Received>);

/// For two channels that published five events each, and hold the last three.
const ROWS: &[Row] = &[
    ("/", &[], || vec![Received::position("me.a-5~all.b-5")]),
    ("/", &[b""], || vec![Received::position("me.a-5~all.b-5")]),
    ("/", &[b"me.a-5~all.b-5"], Vec::new),
    ("/", &[b"all.b-4~me.a-5"], || vec![event("b 5", "me.a-5~all.b-5")]),
    ("/", &[b"me.a-4~all.b-4"], || {
        vec![event("a 5", "me.a-5~all.b-4"), event("b 5", "me.a-5~all.b-5")]
    }),
    ("/", &[b"me.a-1~all.b-5"], || vec![reset("me", "expired", "\"a-1\"", "a-5", BOTH)]),
    ("/", &[b"me.z-1~all.b-5"], || vec![reset("me", "foreign", "\"z-1\"", "a-5", BOTH)]),
    ("/", &[b"all.b-5"], || vec![reset("me", "unknown", "null", "a-5", BOTH)]),
    ("/", &[b"a-5"], unknown),
    ("/", &[&[b'x'; 300]], unknown),
    ("/", &[b"me.a-5~all.b-\xff"], unknown),
    ("/", &[b"me.a-5~all.b-5", b"me.a-5~all.b-4"], unknown),
    ("/", &[b"me.a-5~all.b-5", b"me.a-5~all.b-5"], Vec::new),
    ("/?last_event_id=me.a-5~all.b-5", &[], Vec::new),
    ("/?lastEventId=me.a-1", &[b"me.a-5~all.b-5"], Vec::new),
];

#[test]
fn a_client_resumes_in_each_channel_or_is_reset_there() {
    for stack in STACKS {
        for (target, ids, expected) in ROWS {
            let Channels { own, all } = &Channels::new(3);
            let server = Server::of_merged(stack, &[("me", own), ("all", all)]);
            let mut reader = Reader::ask(&server, target, ids, 1024);
            assert_eq!(reader.status, 200, "{stack:?}: {target} {ids:?}");
            publish(all, 6);
            assert_eq!(reader.read_until("b 6"), expected(), "{stack:?}: {target} {ids:?}");
        }
    }
}

#[test]
fn events_arrive_once_from_both_channels_while_clients_reconnect() {
    const LAST: u64 = 2000;
    for stack in STACKS {
        let Channels { own, all } = &Channels::new(100_000);
        let server = Server::of_merged(stack, &[("me", own), ("all", all)]);
        thread::scope(|scope| {
            for channel in [own, all] {
                scope.spawn(|| (6..=LAST).for_each(|n| publish(channel, n)));
            }
            let mut last = BOTH.to_owned();
            let mut numbers = [5, 5];
            for turn in 0.. {
                let mut reader = Reader::resume(&server, Some(&last));
                for _ in 0..=turn * 7 % 400 {
                    if numbers == [LAST; 2] {
                        return;
                    }
                    let Ok(Received::Message(name, data, id)) = reader.receive() else { panic!() };
                    assert_eq!(name, "message");
                    let (channel, number) = data.split_once(' ').unwrap();
                    let place = &mut numbers[usize::from(channel == "b")];
                    assert_eq!(number.parse(), Ok(*place + 1), "{channel}");
                    *place += 1;
                    last = id;
                }
            }
        });
        settle("all clients have left", || own.stats().subscribers == 0);
        settle("all clients have left", || all.stats().subscribers == 0);
    }
}

#[test]
fn a_stream_ends_with_the_last_of_its_channels() {
    for stack in STACKS {
        let Channels { own, all } = &Channels::new(9);
        let server = Server::of_merged(stack, &[("me", own), ("all", all)]);
        let mut reader = Reader::resume(&server, Some("me.a-5~all.b-5"));
        own.finish();
        publish(all, 6);
        assert_eq!(reader.receive(), Ok(event("b 6", "me.a-5~all.b-6")), "{stack:?}");
        all.finish();
        assert_eq!(reader.read_to_end(), (vec![], End::Clean), "{stack:?}");
        assert_eq!(Reader::resume(&server, Some("me.a-5~all.b-6")).status, 204, "{stack:?}");
    }
}

/// Two channels that published five events each.
struct Channels {
    own: Channel,
    all: Channel,
}

impl Channels {
    fn new(retention: u64) -> Self {
        let config = ChannelConfig::new().with_retention(Retention::new().with_events(retention));
        let [own, all] = ["a", "b"].map(|epoch| {
            let channel = Channel::with_epoch(&config, Epoch::new(epoch).unwrap());
            (1..=5).for_each(|n| publish(&channel, n));
            channel
        });
        Self { own, all }
    }
}

fn publish(channel: &Channel, number: u64) {
    channel.publish(Event::new(format!("{} {number}", channel.epoch()))).unwrap();
}

fn event(data: &str, id: &str) -> Received {
    Received::message("message", data, id)
}

fn reset(channel: &str, reason: &str, requested: &str, at: &str, id: &str) -> Received {
    let data = format!(
        "{{\"channel\":\"{channel}\",\"reason\":\"{reason}\",\"requested\":{requested},\
         \"resumed_at\":\"{at}\"}}"
    );
    Received::message("reset", &data, id)
}

fn unknown() -> Vec<Received> {
    vec![
        reset("me", "unknown", "null", "a-5", "me.a-5"),
        reset("all", "unknown", "null", "b-5", BOTH),
    ]
}

const BOTH: &str = "me.a-5~all.b-5";
