//! Clients that reconnect again and again while events are published.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use lasse_core::{Channel, ChannelConfig, Event, ResetReason};

use crate::client::{Client, text};
use crate::reader::{End, Reader};
use crate::server::{Server, Stack, settle};

/// A channel, its publishers, and clients that reconnect.
pub(crate) struct Race {
    channel: Channel,
    server: Server,
    /// How many connections there were.
    connects: AtomicU64,
    /// The race ends after this many connections.
    enough: u64,
    /// How many events each publisher can publish for each connection.
    pace: u64,
}

/// The figures of a race. A loss or a repeat without a reset panics.
#[derive(Debug)]
pub(crate) struct ResumeOutcome {
    pub(crate) connects: u64,
    pub(crate) published: u64,
    /// How many events all clients received together.
    pub(crate) heard: u64,
    pub(crate) resumed: u64,
    pub(crate) expired: u64,
    pub(crate) lagged: u64,
}

impl fmt::Display for ResumeOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connects, published, heard, resumed, expired, lagged } = self;
        write!(
            f,
            "{connects} connects, {published} events, heard {heard} times; {resumed} resumed, \
             {expired} were too late, {lagged} too slow"
        )
    }
}

impl Race {
    /// A race of `enough` connections, with events as fast as the publishers can.
    pub(crate) fn new(stack: Stack, config: &ChannelConfig, enough: u64) -> Self {
        let channel = Channel::new(config);
        let server = Server::of(stack, &channel);
        Self { channel, server, connects: AtomicU64::new(0), enough, pace: u64::MAX }
    }

    /// Limits each publisher to this many events for each connection.
    pub(crate) fn with_pace(self, pace: u64) -> Self {
        Self { pace, ..self }
    }

    pub(crate) fn run(self) -> ResumeOutcome {
        let (published, heard) = thread::scope(|scope| {
            let race = &self;
            let publishers = [0, 1].map(|who| scope.spawn(move || race.publish(who)));
            let clients = [(); CLIENTS];
            let mut seed = 0;
            let clients = clients.map(|()| {
                seed += 1;
                scope.spawn(move || race.reconnect(seed))
            });
            let published = publishers.map(|publisher| publisher.join().unwrap()).iter().sum();
            self.channel.finish();
            let clients = clients.map(|client| client.join().unwrap());
            assert!(
                clients.iter().all(|client| client.number == published),
                "they have all events"
            );
            (published, clients.iter().map(|client| client.heard).sum())
        });
        settle("all readers have left", || self.channel.stats().subscribers == 0);
        let stats = self.channel.stats();
        for gap in [ResetReason::Foreign, ResetReason::Ahead, ResetReason::Unknown] {
            assert_eq!(stats.resets(gap), 0, "{gap}");
        }
        ResumeOutcome {
            connects: self.connects.into_inner(),
            published,
            heard,
            resumed: stats.resumed,
            expired: stats.resets(ResetReason::Expired),
            lagged: stats.resets(ResetReason::Lagged),
        }
    }

    /// Publishes as fast as the channel and the pace allow.
    fn publish(&self, who: u64) -> u64 {
        let mut count = 0;
        loop {
            let connects = self.connects.load(Relaxed);
            if connects >= self.enough {
                return count;
            }
            if count >= self.pace.saturating_mul(connects) {
                thread::yield_now();
                continue;
            }
            self.channel.publish(Event::new(text(who, count))).unwrap();
            count += 1;
        }
    }

    /// Connects, reads for a while, and disconnects, until the channel is complete.
    fn reconnect(&self, seed: u64) -> Client {
        let mut client = Client::default();
        let mut random = seed;
        loop {
            let mut draw = |most: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (random >> 33) % most
            };
            let ids: Vec<_> = client.last.iter().map(String::as_bytes).collect();
            let piece = [100, 1000, 16 * 1024][draw(3) as usize];
            let mut reader = Reader::ask(&self.server, "/", &ids, piece);
            self.connects.fetch_add(1, Relaxed);
            if reader.status == 204 {
                return client;
            }
            for _ in 0..draw(60) {
                match reader.receive() {
                    Ok(heard) => client.receive(heard),
                    Err(end) => {
                        assert_eq!(end, End::Clean);
                        break;
                    }
                }
            }
        }
    }
}

const CLIENTS: usize = 16;
