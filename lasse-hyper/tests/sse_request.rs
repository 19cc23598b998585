//! `SseRequest` as an argument of axum handlers.

mod support;

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{ConnectInfo, Json, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use http::{HeaderName, HeaderValue, StatusCode};
use http_body_util::BodyExt;
use lasse_hyper::lasse_core::{
    Channel, ChannelConfig, Event, EventId, LastEventId, StartAt, StreamConfig,
};
use lasse_hyper::{DrainPlan, Endpoint, Gate, GateConfig, Listener, PeerAddr, SseRequest};
use serde_json::Value;
use support::{Tap, read_until};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

#[tokio::test]
async fn a_client_resumes_a_channel_with_other_extractors() {
    async fn room(
        Path(room): Path<String>,
        request: SseRequest,
        Query(query): Query<Vec<(String, String)>>,
        State(news): State<Channel>,
        Json(body): Json<Value>,
    ) -> Response {
        assert_eq!((room.as_str(), query[0].1.as_str(), &body["a"]), ("tea", "Ada", &1.into()));
        assert_eq!(request.head().uri().path(), "/rooms/tea");
        let endpoint = Endpoint::new(StreamConfig::new().with_post(true));
        request.with_endpoint(&endpoint).subscribe(&news).await
    }
    let news = Channel::new(&ChannelConfig::new().with_start(StartAt::Oldest));
    let first = news.publish(Event::new("one")).unwrap();
    news.publish(Event::new("two")).unwrap();
    news.finish();
    let router = Router::new().route("/rooms/{room}", post(room)).with_state(news);
    let request = Request::post("/rooms/tea?name=Ada")
        .header("content-type", "application/json")
        .header("last-event-id", first.as_str())
        .body(Body::from(r#"{"a":1}"#))
        .unwrap();
    let (status, text) = call(&router, request).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.contains("data: two\n") && !text.contains("data: one\n"), "{text}");
}

#[tokio::test]
async fn the_last_event_id_is_that_of_the_header_or_the_query() {
    async fn id(request: SseRequest) -> String {
        format!("{:?}", request.last_event_id())
    }
    let router = Router::new().route("/", get(id));
    let id = |id: &str| format!("{:?}", LastEventId::Id(EventId::new(id.to_owned()).unwrap()));
    let header = Request::get("/?lastEventId=b").header("last-event-id", "a");
    assert_eq!(call(&router, header.body(Body::empty()).unwrap()).await.1, id("a"));
    assert_eq!(call(&router, request("/?lastEventId=b")).await.1, id("b"));
    assert_eq!(call(&router, request("/")).await.1, format!("{:?}", LastEventId::Absent));
}

#[tokio::test]
async fn a_stream_of_events_is_a_response() {
    async fn count(request: SseRequest) -> impl IntoResponse {
        let numbers = (1..=2).map(|number: u32| Event::new(number.to_string()));
        request.stream(tokio_stream::iter(numbers))
    }
    let router = Router::new().route("/", get(count));
    let (status, text) = call(&router, request("/")).await;
    assert_eq!((status, text.as_str()), (StatusCode::OK, ":\ndata: 1\n\ndata: 2\n\n"));
}

#[tokio::test]
async fn a_handler_decides_and_receives_messages() {
    async fn tap(request: SseRequest) -> Response {
        let (ends, _) = tokio::sync::mpsc::unbounded_channel();
        request.respond::<Tap>(|notifier| {
            notifier.inform("stop").unwrap();
            ends
        })
    }
    let router = Router::new().route("/", get(tap)).route("/none", get(tap));
    assert_eq!(call(&router, request("/")).await.1, ":\ndata: hello\n\n");
    assert_eq!(call(&router, request("/none")).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_request_that_cannot_be_a_stream_is_answered_with_a_status() {
    let router = news(Channel::new(&ChannelConfig::new()));
    let delete = Request::delete("/").body(Body::empty()).unwrap();
    assert_eq!(call(&router, delete).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let head = Request::head("/").body(Body::empty()).unwrap();
    assert_eq!(call(&router, head).await, (StatusCode::OK, String::new()));
}

#[tokio::test]
async fn an_endpoint_in_the_extensions_has_the_settings_of_the_stream() {
    let gate = Gate::new(GateConfig::new().with_limit(1));
    let config = StreamConfig::new()
        .with_header(HeaderName::from_static("x-a"), HeaderValue::from_static("b"))
        .unwrap();
    let endpoint = Endpoint::new(config).with_gate(&gate);
    let router = news(Channel::new(&ChannelConfig::new())).layer(Extension(endpoint));
    let first = router.clone().call(request("/")).await.unwrap();
    assert_eq!(first.headers()["x-a"], "b");
    let (status, text) = call(&router, request("/")).await;
    assert_eq!(status, StatusCode::OK);
    assert!(text.starts_with("event: refused\n"), "{text}");
}

#[tokio::test]
async fn a_gate_in_the_extensions_admits_and_drains() {
    let gate = Gate::default();
    let router = news(Channel::new(&ChannelConfig::new())).layer(Extension(gate.clone()));
    let response = router.clone().call(request("/")).await.unwrap();
    assert_eq!(gate.stats().open, 1);
    gate.drain(&DrainPlan::new().with_notice(Duration::ZERO).with_window(Duration::ZERO));
    let text = text_of(response).await;
    assert!(text.contains("retry: "), "{text}");
    assert_eq!(gate.stats().open, 0);
}

#[tokio::test]
async fn under_axums_server_each_address_has_a_limit() {
    for is_ours in [true, false] {
        let limited = GateConfig::new().with_limit_per_key(1, |request| {
            PeerAddr::from_extensions(request.extensions()).map(|PeerAddr(peer)| peer.ip())
        });
        let (gate, news_channel) = (Gate::new(limited), Channel::new(&ChannelConfig::new()));
        let router = news(news_channel).layer(Extension(gate.clone()));
        let service = router.into_make_service_with_connect_info::<PeerAddr>();
        let address = if is_ours {
            let listener = Listener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(axum::serve(listener, service).into_future());
            address
        } else {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(axum::serve(listener, service).into_future());
            address
        };
        let (_first, text) = open(address, "\n\r\n").await;
        assert!(text.contains("\r\ntransfer-encoding: chunked\r\n"), "{text}");
        let (_second, text) = open(address, "\n\n").await;
        assert!(text.contains("\r\n\r\nevent: refused\n"), "{text}");
        assert_eq!(gate.stats().open, 1);
    }
}

/// The address of axum's own connect info is found, too.
#[tokio::test]
async fn a_handler_finds_the_address_of_its_client() {
    async fn peer(request: SseRequest) -> String {
        let peer = request.head().extensions().get().map(|PeerAddr(peer)| peer.port());
        format!("{peer:?}")
    }
    let router = Router::new().route("/", get(peer));
    assert_eq!(call(&router, request("/")).await.1, "None");
    let peer = SocketAddr::from(([127, 0, 0, 1], 7));
    let known = router.clone().layer(Extension(ConnectInfo(peer)));
    assert_eq!(call(&known, request("/")).await.1, "Some(7)");
    let known = router.clone().layer(Extension(ConnectInfo(PeerAddr(peer))));
    assert_eq!(call(&known, request("/")).await.1, "Some(7)");
}

/// A router that streams a channel at `/`.
fn news(channel: Channel) -> Router {
    async fn news(request: SseRequest, State(news): State<Channel>) -> Response {
        request.subscribe(&news).await
    }
    Router::new().route("/", any(news)).with_state(channel)
}

fn request(target: &str) -> Request {
    Request::get(target).body(Body::empty()).unwrap()
}

/// The status and the whole body of a response.
async fn call(router: &Router, request: Request) -> (StatusCode, String) {
    let response = router.clone().call(request).await.unwrap();
    (response.status(), text_of(response).await)
}

async fn text_of(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

/// Sends a request, and reads up to `end`.
async fn open(address: SocketAddr, end: &str) -> (TcpStream, String) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let text = read_until(&mut socket, end).await;
    (socket, text)
}
