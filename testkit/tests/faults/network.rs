//! Clients that reach a server over a bad network, while the server is killed and started again.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use lasse_core::{Backoff, Client as Connector, EventId};
use lasse_hyper::{ClientEvent, EventSource, MessageEvent};
use lasse_testkit::Received;
use libtest_mimic::Trial;
use tokio::runtime::Runtime;
use tokio::time::{sleep, timeout};

use crate::client::{Client, text};
use crate::feed::Feed;
use crate::proxy::{FAULTS, Proxy};
use crate::server::settle;

pub(crate) fn trials() -> Vec<Trial> {
    [("tokio", "HTTP/1.1"), ("hyper", "HTTP/1.1"), ("hyper", "HTTP/2")]
        .map(|(adapter, protocol)| {
            let name = format!("each_event_arrives_once_over_a_bad_network, {adapter}, {protocol}");
            crate::trial(name, move || {
                let test = each_event_arrives_once(adapter, protocol == "HTTP/2");
                Runtime::new().unwrap().block_on(test);
            })
        })
        .into()
}

async fn each_event_arrives_once(adapter: &str, is_http2: bool) {
    let mut feed = Feed::start(adapter);
    let proxy = Proxy::start(feed.address).await;
    let clients = [(); CLIENTS].map(|()| tokio::spawn(read_all(proxy.address, is_http2)));
    for number in 1..=LAST {
        feed.publish(&id(number), &text(0, number));
        if number % LIFETIME == 0 {
            // It is killed, and its successor has the same ids.
            drop(feed);
            feed = Feed::start(adapter);
            (1..=number).for_each(|number| feed.publish(&id(number), &text(0, number)));
            proxy.set_target(feed.address);
        }
        sleep(Duration::from_millis(5)).await;
    }
    for client in clients {
        let client = timeout(TIME_LIMIT, client).await.expect("a client gets all in time").unwrap();
        assert_eq!((client.heard, client.resets.len()), (LAST, 0));
    }
    let counts = proxy.counts();
    assert!(counts.iter().all(|&count| count > 0), "each of the {FAULTS} faults: {counts:?}");
    drop(proxy);
    settle("no stream stays open", || feed.stats().0 == 0);
}

/// Reads until the last event, over as many connections as that takes.
async fn read_all(address: SocketAddr, is_http2: bool) -> Client {
    let mut client = Client::default();
    client.receive(Received::position(&id(0)));
    let request = http::Request::get(format!("http://{address}/")).body(Bytes::new()).unwrap();
    let delay = Duration::from_millis(20);
    let connector = Connector::new(request)
        .with_last_event_id(&EventId::new(id(0)).unwrap())
        .with_retry(delay)
        .with_backoff(Backoff::new().with_floor(delay).with_ceiling(4 * delay));
    let http = legacy::Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http();
    let mut events = EventSource::new(connector, http);
    while client.number < LAST {
        let event = events.next_event().await.expect("the stream has no end").unwrap();
        if let ClientEvent::Message(event) = event {
            client.receive(received(&event));
        }
    }
    client
}

fn received(event: &MessageEvent) -> Received {
    Received::message(event.name(), event.data(), event.last_event_id())
}

fn id(number: u64) -> String {
    format!("store-{number}")
}

const CLIENTS: usize = 12;
const LAST: u64 = 400;
/// After so many events, the server is killed.
const LIFETIME: u64 = 100;
/// How long to wait, on a busy machine.
const TIME_LIMIT: Duration = Duration::from_secs(120);
