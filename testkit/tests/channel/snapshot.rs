//! A state and the events that change it: each client ends with the last state.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use lasse_core::channel::PendingSubscriber;
use lasse_core::{
    Channel, ChannelConfig, Event, EventId, EventName, Init, RequestHead, Retention, Subscriber,
};
use lasse_testkit::Received;

use crate::reader::{End, Reader};
use crate::server::{STACKS, Server};

/// A number that is counted up, and an event for each step.
#[derive(Clone)]
struct Counter {
    channel: Channel,
    state: Arc<Mutex<(u64, EventId)>>,
}

impl Counter {
    fn new() -> Self {
        let retention = Retention::new().with_events(100);
        let config = ChannelConfig::new().with_retention(retention);
        let channel = Channel::new(&config);
        let first = channel.publish(Event::new("0")).unwrap();
        Self { channel, state: Arc::new(Mutex::new((0, first))) }
    }

    fn state(&self) -> MutexGuard<'_, (u64, EventId)> {
        self.state.lock().unwrap()
    }

    fn count_to(&self, last: u64) {
        for value in 1..=last {
            let mut state = self.state();
            let id = self.channel.publish(Event::new(value.to_string())).unwrap();
            *state = (value, id);
            drop(state);
            thread::yield_now();
        }
        self.channel.finish();
    }

    /// Starts a client that is new or reset with the state.
    fn answer(&self, request: &RequestHead<'_>) -> Init<Subscriber> {
        let subscription = self.channel.subscribe_with_snapshot(request.last_event_id());
        let subscription = subscription.or_snapshot(|pending| Ok(self.start(pending)));
        let subscription = subscription.unwrap_or_else(|never: Infallible| match never {});
        subscription.into_init(request, |reader| reader)
    }

    fn start(&self, mut pending: PendingSubscriber) -> Subscriber {
        loop {
            let (value, id) = self.state().clone();
            thread::yield_now();
            let snapshot = Event::new(value.to_string()).with_name(STATE).encode();
            match pending.with_snapshot([snapshot], &id) {
                Ok(subscriber) => return subscriber,
                Err(stale) => pending = stale.into_pending(),
            }
        }
    }
}

#[test]
fn each_client_that_follows_a_state_ends_with_the_last_one() {
    for stack in STACKS {
        let counter = Counter::new();
        let server = Server::with_init(stack, {
            let counter = counter.clone();
            move |request| counter.answer(request)
        });
        let snapshots = thread::scope(|scope| {
            let server = &server;
            scope.spawn(|| counter.count_to(LAST));
            let clients = [1, 2, 3, 4].map(|length| scope.spawn(move || follow(server, length)));
            clients.map(|client| client.join().unwrap()).iter().sum::<u64>()
        });
        assert!(snapshots >= 4, "{stack:?}");
    }
}

/// Follows the state in connections of up to `length` hundred events, and returns how many
/// snapshots that took.
fn follow(server: &Server, length: usize) -> u64 {
    let (mut value, mut snapshots, mut last) = (0, 0, None::<String>);
    loop {
        let mut reader = Reader::resume(server, last.as_deref());
        if reader.status == 204 {
            assert_eq!(value, LAST);
            return snapshots;
        }
        for _ in 0..length * 100 {
            match reader.receive() {
                Ok(Received::Message(name, data, id)) => match name.as_str() {
                    "state" => {
                        snapshots += 1;
                        value = data.parse().unwrap();
                    }
                    "reset" => assert!(data.contains("expired"), "{data}"),
                    "position" => last = Some(id),
                    _ => {
                        assert_eq!(data, (value + 1).to_string());
                        (value, last) = (value + 1, Some(id));
                    }
                },
                Ok(other) => panic!("{other:?}"),
                Err(end) => {
                    assert_eq!(
                        end,
                        End::Clean,
                        "{:?} at {value}, {snapshots} snapshots",
                        server.stack
                    );
                    break;
                }
            }
        }
    }
}

const LAST: u64 = 10_000;
const STATE: EventName = EventName::from_static("state");
