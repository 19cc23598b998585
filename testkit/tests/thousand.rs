//! A thousand readers, one of which reads nothing: what it costs the server, and
//! the others. What the server takes is its process's resident set, since that
//! has all there is: a queue for each reader would show, wherever it was.
#![cfg(target_os = "linux")]

#[path = "channel/client.rs"]
mod client;
#[path = "channel/feed.rs"]
mod feed;
#[path = "channel/reader/mod.rs"]
#[expect(dead_code, reason = "a few of its ways are taken")]
mod reader;
#[path = "channel/server.rs"]
#[expect(dead_code, reason = "the servers are processes")]
mod server;

use std::thread;

use client::{Client, text};
use feed::Feed;
use reader::{Reader, Target};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::{Stack, settle};

#[test]
fn a_client_that_stops_reading_among_a_thousand_delays_no_other_and_is_dropped() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    thread::scope(|scope| {
        for (adapter, stack) in [("tokio", Stack::Tokio), ("hyper", Stack::Hyper)] {
            scope.spawn(move || {
                let [without, with] = [true, false].map(|reads| resident(adapter, stack, reads));
                let most = without + without / 20 + (1 << 20);
                assert!(with <= most, "{adapter}: {with} bytes, and {without} without");
            });
        }
    });
}

/// What a server takes with a thousand readers, of which the first may not read.
fn resident(adapter: &str, stack: Stack, first_reads: bool) -> usize {
    let mut feed = Feed::start(adapter);
    let target_server = Target { stack, address: feed.address };
    let mut number = 0;
    let mut publish = |feed: &mut Feed, len: usize| {
        number += 1;
        feed.publish(&format!("store-{number}"), &(text(0, number) + &"x".repeat(len)));
    };
    let mut first = Fan::new(target_server);
    for _ in 0..1000 {
        // All together this is more than two sockets hold.
        publish(&mut feed, 8 * 1024);
        if first_reads {
            first.receive();
        }
    }
    let mut others: Vec<_> = (1..1000).map(|_| Fan::new(target_server)).collect();
    for _ in 0..20 {
        publish(&mut feed, 0);
        others.iter_mut().for_each(Fan::receive);
    }
    let resident = feed.resident();
    if !first_reads {
        settle("it is dropped, and counted", || feed.stats() == (999, 1));
    }
    publish(&mut feed, 0);
    others.iter_mut().for_each(Fan::receive);
    assert!(others.iter().all(|fan| fan.client.heard == 21), "{adapter}");
    resident
}

struct Fan {
    reader: Reader,
    client: Client,
}

impl Fan {
    /// A new client, after its position.
    fn new(target_server: Target) -> Self {
        let mut fan =
            Self { reader: Reader::resume(target_server, None), client: Client::default() };
        fan.receive();
        fan
    }

    fn receive(&mut self) {
        self.client.receive(self.reader.receive().unwrap());
    }
}
