//! Two servers with the same events, and clients that move between them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use lasse_core::{Channel, ChannelConfig, Epoch, Event, EventId};
use lasse_testkit::Received;

use crate::client::{Client, text};
use crate::feed::Feed;
use crate::reader::{Reader, Target};
use crate::server::{STACKS, Server, Stack};

/// Two servers, each with its own channel.
struct Pair {
    channels: [Channel; 2],
    servers: [Server; 2],
}

impl Pair {
    /// The first server is `stack`, the second uses the other adapter.
    fn new(stack: Stack) -> Self {
        let other = if stack == Stack::Tokio { Stack::Hyper } else { Stack::Tokio };
        let epoch = Epoch::new("store").unwrap();
        let channels = [(); 2].map(|()| Channel::with_epoch(&ChannelConfig::new(), epoch));
        let servers = [Server::of(stack, &channels[0]), Server::of(other, &channels[1])];
        Self { channels, servers }
    }

    fn publish(&self, number: u64) {
        let id = EventId::new(id(number)).unwrap();
        for channel in &self.channels {
            channel.publish_as(&id, Event::new(text(0, number))).unwrap();
        }
    }
}

#[test]
fn a_client_that_moves_between_processes_misses_and_repeats_nothing() {
    let mut feeds = ["tokio", "hyper"].map(Feed::start);
    let [tokio, hyper] = [&feeds[0], &feeds[1]].map(|feed| feed.address);
    let doors = [
        Target { stack: Stack::Tokio, address: tokio },
        Target { stack: Stack::Hyper, address: hyper },
        Target { stack: Stack::Tokio, address: tokio },
        Target { stack: Stack::HyperHttp2, address: hyper },
    ];
    let fed = AtomicU64::new(0);
    let roam = |seed: usize| {
        let mut client = Client::default();
        client.receive(Received::position("store-0"));
        for turn in seed.. {
            // Both processes must know the id that it comes with.
            while fed.load(Relaxed) < client.number {
                thread::yield_now();
            }
            let mut reader = Reader::resume(doors[turn % 4], client.last.as_deref());
            for _ in 0..=turn * 7 % 40 {
                if client.number == LAST {
                    return client;
                }
                client.receive(reader.receive().unwrap());
            }
        }
        client
    };
    thread::scope(|scope| {
        let roam = &roam;
        let clients = [0, 1, 2, 3].map(|seed| scope.spawn(move || roam(seed)));
        for number in 1..=LAST {
            feeds.iter_mut().for_each(|feed| feed.publish(&id(number), &text(0, number)));
            fed.store(number, Relaxed);
        }
        for client in clients {
            let client = client.join().unwrap();
            assert_eq!((client.heard, client.resets.len()), (LAST, 0));
        }
    });
}

#[test]
fn a_client_that_is_ahead_of_the_server_that_it_moves_to_is_reset() {
    for stack in STACKS {
        let (pair, moves) = (Pair::new(stack), AtomicU64::new(1));
        let roam = |seed: u64| {
            let mut client = Client::default();
            for turn in seed.. {
                let server = &pair.servers[turn as usize % 2];
                let mut reader = Reader::resume(server, client.last.as_deref());
                moves.fetch_add(1, Relaxed);
                if reader.status == 204 {
                    break;
                }
                (0..turn * 7 % 40)
                    .map_while(|_| reader.receive().ok())
                    .for_each(|heard| client.receive(heard));
            }
            client
        };
        thread::scope(|scope| {
            let roam = &roam;
            let clients = [0, 1, 2, 3].map(|seed| scope.spawn(move || roam(seed)));
            for number in 1..=LAST {
                while number > moves.load(Relaxed) * 20 {
                    thread::yield_now();
                }
                pair.publish(number);
            }
            pair.channels.iter().for_each(Channel::finish);
            for client in clients {
                let client = client.join().unwrap();
                assert_eq!(client.number, LAST, "{stack:?}: it has all events");
                assert!(client.resets.keys().all(|reason| reason == "ahead"));
            }
        });
    }
}

fn id(number: u64) -> String {
    format!("store-{number}")
}

const LAST: u64 = 2000;
