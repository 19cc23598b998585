//! The client against our own servers, over each version of HTTP that they support.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{
    Channel, ChannelConfig, Client, ClientClosed, Decoder, EndReason, Event, EventName, Retention,
    StartAt,
};
use lasse_hyper::{
    ClientEvent, DisconnectReason, Endpoint, EventSource, EventSourceError, MessageEvent,
    ServeConfig, subscribe,
};
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::source::{
    Http, client, close_reason, disconnect_reason, event, events, http1, http2, next_event, source,
};
use crate::support::{Server, TIME_LIMIT};

/// A server of ours and a version of HTTP.
#[derive(Clone, Copy, Debug)]
enum Target {
    Tokio,
    Hyper1,
    Hyper2,
}

const TARGETS: [Target; 3] = [Target::Tokio, Target::Hyper1, Target::Hyper2];

impl Target {
    fn source(self, client: Client) -> EventSource<Http> {
        match self {
            Self::Tokio | Self::Hyper1 => EventSource::new(client, http1()),
            Self::Hyper2 => EventSource::new(client, http2()),
        }
    }
}

/// A server with a channel, on a runtime of its own, which can be killed with it.
struct ChannelServer {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl ChannelServer {
    fn start(target: Target, channel: &Channel) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), target, channel)
    }

    fn start_at(address: SocketAddr, target: Target, channel: &Channel) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut builder = runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(serve(listener, target, channel.clone()));
        Self { address, runtime: Some(runtime) }
    }

    fn uri(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            thread::spawn(|| runtime.shutdown_timeout(TIME_LIMIT)).join().unwrap();
        }
    }
}

impl Drop for ChannelServer {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn serve(listener: TcpListener, target: Target, channel: Channel) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let endpoint = Endpoint::default();
    match target {
        Target::Tokio => {
            let answer = move |request: http::Request<()>| {
                ready(lasse_tokio::subscribe(&request, &endpoint, &channel))
            };
            lasse_tokio::serve(listener, ServeConfig::new(), answer).await;
        }
        Target::Hyper1 | Target::Hyper2 => {
            let answer = move |request: http::Request<Incoming>| {
                ready(Ok::<_, std::convert::Infallible>(subscribe(&request, &endpoint, &channel)))
            };
            lasse_hyper::serve(listener, ServeConfig::new(), service_fn(answer)).await;
        }
    }
}

fn channel() -> Channel {
    let retention = Retention::new().with_bytes(16_000_000);
    let config = ChannelConfig::new().with_position(None);
    Channel::new(&config.with_start(StartAt::Oldest).with_retention(retention))
}

#[tokio::test]
async fn a_published_event_is_received_with_all_fields() {
    const TEA: EventName = EventName::from_static("tea");
    for target in TARGETS {
        let channel = channel();
        let id = channel.publish(Event::new("is\nready").with_name(TEA)).unwrap();
        let server = ChannelServer::start(target, &channel);
        let mut source = target.source(client(&server.uri()));
        let mut notices = Vec::new();
        let message: MessageEvent = loop {
            match next_event(&mut source).await {
                ClientEvent::Message(message) => break message,
                ClientEvent::Connecting(uri) => notices.push(format!("connecting to {uri}")),
                ClientEvent::Open(headers) => {
                    notices.push(format!("open: {:?}", headers["content-type"]));
                }
                ClientEvent::Comment(text) => notices.push(format!("comment: {text:?}")),
                ClientEvent::LastEventId(_) => {}
                other => panic!("{target:?}: {other:?}"),
            }
        };
        let expected = format!("connecting to {}", server.uri());
        assert_eq!(
            notices,
            [&expected, "open: \"text/event-stream\"", "comment: \"\""],
            "{target:?}"
        );
        assert_eq!((message.name(), message.data()), ("tea", "is\nready"), "{target:?}");
        assert_eq!(message.last_event_id(), id.as_str(), "{target:?}");
    }
}

#[tokio::test]
async fn no_event_is_lost_or_repeated_when_a_server_is_killed() {
    for target in TARGETS {
        let channel = channel();
        let mut server = ChannelServer::start(target, &channel);
        let mut source = target.source(client(&server.uri()));
        let publish = |data| drop(channel.publish(Event::new(data)).unwrap());
        publish("1");
        publish("2");
        assert_eq!(events(&mut source).await, ["1", "2"], "{target:?}");
        server.kill();
        assert!(
            matches!(disconnect_reason(&mut source).await, DisconnectReason::Failed(_)),
            "{target:?}"
        );
        publish("3");
        publish("4");
        let server = ChannelServer::start_at(server.address, target, &channel);
        assert_eq!(events(&mut source).await, ["3", "4"], "{target:?}");
        publish("5");
        assert_eq!(event(&mut source).await, "5", "{target:?}");
        drop(server);
    }
}

#[tokio::test]
async fn a_channel_that_is_finished_ends_the_stream() {
    for target in TARGETS {
        let channel = channel();
        let server = ChannelServer::start(target, &channel);
        let mut source = target.source(client(&server.uri()));
        channel.publish(Event::new("1")).unwrap();
        assert_eq!(event(&mut source).await, "1", "{target:?}");
        channel.finish();
        assert!(
            matches!(disconnect_reason(&mut source).await, DisconnectReason::Ended),
            "{target:?}"
        );
        assert_eq!(close_reason(&mut source).await, None, "{target:?}");
    }
}

#[tokio::test]
async fn a_large_event_is_received_if_the_limit_allows_it() {
    let large = "x".repeat(5_000_000);
    for target in TARGETS {
        let channel = channel();
        channel.publish(Event::new(large.as_str())).unwrap();
        channel.publish(Event::new("small")).unwrap();
        let server = ChannelServer::start(target, &channel);

        let generous = client(&server.uri()).with_decoder(Decoder::new().with_limit(8_000_000));
        let mut source = target.source(generous);
        assert!(event(&mut source).await == large, "{target:?}");
        assert_eq!(event(&mut source).await, "small", "{target:?}");

        let mut source = target.source(client(&server.uri()));
        let refused = timeout(TIME_LIMIT, source.next()).await.unwrap();
        assert!(matches!(refused, Some(Err(EventSourceError::TooLarge(_)))), "{refused:?}");
        assert_eq!(event(&mut source).await, "small", "{target:?}");
    }
}

#[tokio::test]
async fn a_dropped_source_disconnects() {
    for http in [http1(), http2()] {
        let mut server = Server::start(ServeConfig::new()).await;
        let mut source = EventSource::new(client(&format!("http://{}/", server.addr)), http);
        assert_eq!(event(&mut source).await, "hello");
        drop(source);
        assert_eq!(server.end().await, EndReason::PeerClosed);
    }
}

#[tokio::test]
async fn a_server_sets_the_reconnection_time() {
    let server = Server::start(ServeConfig::new()).await;
    let mut source = source(client(&format!("http://{}/later", server.addr)));
    loop {
        match next_event(&mut source).await {
            ClientEvent::Retry(delay) => assert_eq!(delay, Duration::from_millis(1500)),
            ClientEvent::Lost { wait, .. } => {
                break assert!(wait > Duration::from_secs(1), "{wait:?}");
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn the_error_after_too_many_failures_has_the_last_one() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut source = source(client(&format!("http://{nowhere}/")).with_max_failures(3));
    let error = timeout(TIME_LIMIT, source.next()).await.unwrap().unwrap().unwrap_err();
    assert!(matches!(
        error,
        EventSourceError::Closed {
            reason: ClientClosed::Failures(3),
            last: Some(DisconnectReason::Failed(_)),
            ..
        }
    ));
    assert!(error.to_string().contains("refused"), "{error}");
    assert!(source.next().await.is_none());
}
