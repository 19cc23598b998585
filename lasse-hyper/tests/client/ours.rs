//! The client against our own servers, over each HTTP that they speak.

use std::future::ready;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use lasse_hyper::lasse_core::{
    Channel, ChannelConfig, Client, ClientClosed, Decoder, EndReason, Event, EventName,
    PositionNotice, Retention, StartAt,
};
use lasse_hyper::{
    ClientEvent, DisconnectReason, Endpoint, EventSource, EventSourceError, MessageEvent,
    ServeConfig, subscribe,
};
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;
use tokio_stream::StreamExt;

use crate::listener::{Http, client, end, event, events, http1, http2, listen, loss, next_event};
use crate::support::{PATIENCE, Server};

/// The ways to a server of ours.
#[derive(Clone, Copy, Debug)]
enum Way {
    Tokio,
    Hyper1,
    Hyper2,
}

const WAYS: [Way; 3] = [Way::Tokio, Way::Hyper1, Way::Hyper2];

impl Way {
    fn listen(self, client: Client) -> EventSource<Http> {
        match self {
            Self::Tokio | Self::Hyper1 => EventSource::new(client, http1()),
            Self::Hyper2 => EventSource::new(client, http2()),
        }
    }
}

/// A server of a channel, on a runtime of its own: to end that is to kill it.
struct Ours {
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Ours {
    fn start(way: Way, channel: &Channel) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), way, channel)
    }

    fn start_at(address: SocketAddr, way: Way, channel: &Channel) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut builder = runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        runtime.spawn(serve(listener, way, channel.clone()));
        Self { address, runtime: Some(runtime) }
    }

    fn uri(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            thread::spawn(|| runtime.shutdown_timeout(PATIENCE)).join().unwrap();
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn serve(listener: TcpListener, way: Way, channel: Channel) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let endpoint = Endpoint::default();
    match way {
        Way::Tokio => {
            let answer = move |request: http::Request<()>| {
                ready(lasse_tokio::subscribe(&request, &endpoint, &channel))
            };
            lasse_tokio::serve(listener, ServeConfig::new(), answer).await;
        }
        Way::Hyper1 | Way::Hyper2 => {
            let answer = move |request: http::Request<Incoming>| {
                ready(Ok::<_, std::convert::Infallible>(subscribe(&request, &endpoint, &channel)))
            };
            lasse_hyper::serve(listener, ServeConfig::new(), service_fn(answer)).await;
        }
    }
}

fn channel() -> Channel {
    let retention = Retention::new().with_bytes(16_000_000);
    let config = ChannelConfig::new().with_position(PositionNotice::Off);
    Channel::new(&config.with_start(StartAt::Oldest).with_retention(retention))
}

#[tokio::test]
async fn all_that_a_channel_publishes_is_heard() {
    const TEA: EventName = EventName::from_static("tea");
    for way in WAYS {
        let channel = channel();
        let id = channel.publish(Event::new("is\nready").with_name(TEA)).unwrap();
        let server = Ours::start(way, &channel);
        let mut source = way.listen(client(&server.uri()));
        let mut told = Vec::new();
        let message: MessageEvent = loop {
            match next_event(&mut source).await {
                ClientEvent::Message(message) => break message,
                ClientEvent::Connecting(uri) => told.push(format!("connecting to {uri}")),
                ClientEvent::Open(headers) => {
                    told.push(format!("open: {:?}", headers["content-type"]));
                }
                ClientEvent::Comment(text) => told.push(format!("comment: {text:?}")),
                ClientEvent::LastEventId(_) => {}
                other => panic!("{way:?}: {other:?}"),
            }
        };
        let expected = format!("connecting to {}", server.uri());
        assert_eq!(told, [&expected, "open: \"text/event-stream\"", "comment: \"\""], "{way:?}");
        assert_eq!((message.name(), message.data()), ("tea", "is\nready"), "{way:?}");
        assert_eq!(message.last_event_id(), id.as_str(), "{way:?}");
    }
}

#[tokio::test]
async fn nothing_is_lost_or_repeated_when_a_server_is_killed() {
    for way in WAYS {
        let channel = channel();
        let mut server = Ours::start(way, &channel);
        let mut source = way.listen(client(&server.uri()));
        let publish = |data| drop(channel.publish(Event::new(data)).unwrap());
        publish("1");
        publish("2");
        assert_eq!(events(&mut source).await, ["1", "2"], "{way:?}");
        server.kill();
        assert!(matches!(loss(&mut source).await, DisconnectReason::Failed(_)), "{way:?}");
        publish("3");
        publish("4");
        let server = Ours::start_at(server.address, way, &channel);
        assert_eq!(events(&mut source).await, ["3", "4"], "{way:?}");
        publish("5");
        assert_eq!(event(&mut source).await, "5", "{way:?}");
        drop(server);
    }
}

#[tokio::test]
async fn a_channel_that_is_finished_ends_the_stream() {
    for way in WAYS {
        let channel = channel();
        let server = Ours::start(way, &channel);
        let mut source = way.listen(client(&server.uri()));
        channel.publish(Event::new("1")).unwrap();
        assert_eq!(event(&mut source).await, "1", "{way:?}");
        channel.finish();
        assert!(matches!(loss(&mut source).await, DisconnectReason::Ended), "{way:?}");
        assert_eq!(end(&mut source).await, None, "{way:?}");
    }
}

#[tokio::test]
async fn a_large_event_is_heard_by_who_allows_it() {
    let large = "x".repeat(5_000_000);
    for way in WAYS {
        let channel = channel();
        channel.publish(Event::new(large.as_str())).unwrap();
        channel.publish(Event::new("small")).unwrap();
        let server = Ours::start(way, &channel);

        let generous = client(&server.uri()).with_decoder(Decoder::new().with_limit(8_000_000));
        let mut source = way.listen(generous);
        assert!(event(&mut source).await == large, "{way:?}");
        assert_eq!(event(&mut source).await, "small", "{way:?}");

        let mut source = way.listen(client(&server.uri()));
        let refused = timeout(PATIENCE, source.next()).await.unwrap();
        assert!(matches!(refused, Some(Err(EventSourceError::TooLarge(_)))), "{refused:?}");
        assert_eq!(event(&mut source).await, "small", "{way:?}");
    }
}

#[tokio::test]
async fn to_drop_the_source_is_to_hang_up() {
    for http in [http1(), http2()] {
        let mut server = Server::start(ServeConfig::new()).await;
        let mut source = EventSource::new(client(&format!("http://{}/", server.addr)), http);
        assert_eq!(event(&mut source).await, "hello");
        drop(source);
        assert_eq!(server.end().await, EndReason::PeerClosed);
    }
}

#[tokio::test]
async fn a_server_says_itself_when_to_come_back() {
    let server = Server::start(ServeConfig::new()).await;
    let mut source = listen(client(&format!("http://{}/later", server.addr)));
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
async fn who_gives_up_says_what_the_last_attempt_came_to() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut source = listen(client(&format!("http://{nowhere}/")).with_max_failures(3));
    let error = timeout(PATIENCE, source.next()).await.unwrap().unwrap().unwrap_err();
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
