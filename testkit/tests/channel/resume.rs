//! The decision on a last event id, row by row.

use lasse_core::{Channel, ChannelConfig, Epoch, Event, Retention, StartAt};
use lasse_testkit::Received;

use crate::reader::{End, Reader};
use crate::server::{STACKS, Server};

/// A request, and what the client receives before the next event.
struct Row {
    name: &'static str,
    target: &'static str,
    ids: &'static [&'static [u8]],
    hears: fn() -> Vec<Received>,
}

impl Row {
    const fn new(
        name: &'static str,
        ids: &'static [&'static [u8]],
        hears: fn() -> Vec<Received>,
    ) -> Self {
        Self { name, target: "/", ids, hears }
    }

    const fn at(self, target: &'static str) -> Self {
        Self { target, ..self }
    }
}

/// For a channel that published five events and holds the last three.
const ROWS: &[Row] = &[
    Row::new("absent", &[], || position("k-5")),
    Row::new("empty", &[b""], || position("k-5")),
    Row::new("at the newest", &[b"k-5"], Vec::new),
    Row::new("one behind", &[b"k-4"], || events(5)),
    Row::new("at the first that is held", &[b"k-3"], || events(4)),
    Row::new("just before the first that is held", &[b"k-2"], || events(3)),
    Row::new("dropped from the log", &[b"k-1"], || reset("expired", "\"k-1\"")),
    Row::new("before all events", &[b"k-0"], || reset("expired", "\"k-0\"")),
    Row::new("of another epoch", &[b"j-4"], || reset("foreign", "\"j-4\"")),
    Row::new("ahead of the newest", &[b"k-6"], || reset("ahead", "\"k-6\"")),
    Row::new("far ahead", &[b"k-999999999999999999"], || {
        reset("ahead", "\"k-999999999999999999\"")
    }),
    Row::new("garbage", &[b"no such \"id\""], || reset("unknown", r#""no such \"id\"""#)),
    Row::new("a number that is none", &[b"k-05"], || reset("unknown", "\"k-05\"")),
    Row::new("300 bytes", &[&[b'x'; 300]], || reset("unknown", "null")),
    Row::new("invalid UTF-8", &[b"k-\xff"], || reset("unknown", "null")),
    Row::new("the same twice", &[b"k-4", b"k-4"], || events(5)),
    Row::new("two that differ", &[b"k-4", b"k-5"], || reset("unknown", "null")),
    Row::new("in the query", &[], || events(5)).at("/?last_event_id=k-4"),
    Row::new("in the query, as EventSource has it", &[], || events(5)).at("/?lastEventId=k-4"),
    Row::new("in the query, and wrong", &[], || reset("unknown", "null")).at("/?lastEventId=%ff"),
    Row::new("in both: the header wins", &[b"k-4"], || events(5)).at("/?last_event_id=k-2"),
    Row::new("in both, empty", &[b""], || position("k-5")).at("/?last_event_id=k-2"),
];

#[test]
fn a_client_resumes_where_it_left_off_or_is_reset() {
    for stack in STACKS {
        let config = ChannelConfig::new().with_retention(Retention::new().with_events(3));
        for row in ROWS {
            let channel = channel(&config);
            let server = Server::of(stack, &channel);
            let mut reader = Reader::ask(&server, row.target, row.ids, 1024);
            assert_eq!(reader.status, 200, "{stack:?}: {}", row.name);
            channel.publish(Event::new("now")).unwrap();
            assert_eq!(reader.read_until("now"), (row.hears)(), "{stack:?}: {}", row.name);
        }
    }
}

#[test]
fn a_client_that_is_reset_starts_where_new_clients_do() {
    for stack in STACKS {
        for (start, from) in [(StartAt::Oldest, 3), (StartAt::Last(2), 4), (StartAt::Now, 6)] {
            let retention = Retention::new().with_events(3);
            let channel =
                channel(&ChannelConfig::new().with_retention(retention).with_start(start));
            let server = Server::of(stack, &channel);
            let mut readers = [None, Some("j-4")].map(|last| Reader::resume(&server, last));
            channel.publish(Event::new("now")).unwrap();
            let [fresh, foreign] = readers.each_mut().map(|reader| reader.read_until("now"));
            assert_eq!(fresh[1..], events(from), "{stack:?}: {start:?}");
            assert_eq!(foreign[1..], events(from), "{stack:?}: {start:?}");
            let at = format!("k-{}", from - 1);
            assert_eq!(fresh[..1], position(&at), "{stack:?}: {start:?}");
            assert!(matches!(&foreign[0], Received::Message(_, _, id) if *id == at), "{foreign:?}");
        }
    }
}

#[test]
fn a_channel_that_has_ended_sends_the_rest_and_then_stops_clients() {
    for stack in STACKS {
        let channel = channel(&ChannelConfig::new());
        let server = Server::of(stack, &channel);
        let running = Reader::resume(&server, Some("k-4"));
        channel.finish();
        assert_eq!(running.read_to_end(), (events(5), End::Clean), "{stack:?}");
        let behind = Reader::resume(&server, Some("k-4"));
        assert_eq!(behind.read_to_end(), (events(5), End::Clean), "{stack:?}");
        for last in [Some("k-5"), Some(""), None] {
            let done = Reader::resume(&server, last);
            assert_eq!(done.status, 204, "{stack:?}: {last:?}");
            assert_eq!(done.read_to_end(), (vec![], End::Clean), "{stack:?}: {last:?}");
        }
        let foreign = Reader::resume(&server, Some("j-4"));
        assert_eq!(foreign.read_to_end(), (reset("foreign", "\"j-4\""), End::Clean), "{stack:?}");
    }
}

#[test]
fn ids_from_before_a_restart_are_foreign() {
    for stack in STACKS {
        let say = |n: u64| {
            let channel = Channel::new(&ChannelConfig::new());
            let publish = |_| channel.publish(Event::new("news")).unwrap();
            let newest = (1..n).map(publish).fold(publish(0), |_, id| id);
            (channel, newest)
        };
        let (before, newest) = say(5);
        let server = Server::of(stack, &before);
        let mut reader = Reader::resume(&server, Some(newest.as_str()));
        let asked = before.publish(Event::new("the last")).unwrap();
        assert_eq!(reader.read_until("the last"), []);
        let address = server.address;
        drop(server);
        assert_eq!(reader.receive(), Err(End::Cut), "{stack:?}");

        let (after, resumed) = say(50);
        let server = Server::at(stack, address, &after);
        let mut reader = Reader::resume(&server, Some(asked.as_str()));
        after.publish(Event::new("now")).unwrap();
        let data = format!(
            "{{\"reason\":\"foreign\",\"requested\":\"{asked}\",\"resumed_at\":\"{resumed}\"}}"
        );
        let told = Received::message("reset", &data, resumed.as_str());
        assert_eq!(reader.read_until("now"), [told], "{stack:?}");
    }
}

/// A channel that has published five events.
fn channel(config: &ChannelConfig) -> Channel {
    let channel = Channel::with_epoch(config, Epoch::new("k").unwrap());
    for n in 1..=5 {
        channel.publish(Event::new(n.to_string())).unwrap();
    }
    channel
}

fn position(id: &str) -> Vec<Received> {
    vec![Received::position(id)]
}

/// The events from `first` to the fifth.
fn events(first: u64) -> Vec<Received> {
    let event = |n: u64| Received::message("message", &n.to_string(), &format!("k-{n}"));
    (first..=5).map(event).collect()
}

/// The reset notice. `requested` is JSON.
fn reset(reason: &str, requested: &str) -> Vec<Received> {
    let data =
        format!("{{\"reason\":\"{reason}\",\"requested\":{requested},\"resumed_at\":\"k-5\"}}");
    vec![Received::message("reset", &data, "k-5")]
}
