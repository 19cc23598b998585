//! The client over a scripted service without a network, on a paused clock.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use lasse_hyper::lasse_core::{Client, ClientClosed};
use lasse_hyper::{ClientEvent, DisconnectReason, EventSource, EventSourceError};
use tokio::time::{Instant, advance};
use tokio_stream::StreamExt;
use tower_service::Service;

/// A service with prepared answers. After the last it is not ready any more.
struct Scripted(VecDeque<Response<Chunks>>);

impl Service<Request<Full<Bytes>>> for Scripted {
    type Response = Response<Chunks>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Chunks>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.0.is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(self.0.pop_front().unwrap()))
    }
}

/// A body of these chunks.
struct Chunks {
    chunks: VecDeque<Bytes>,
    then: Then,
}

/// What follows the last chunk of a body.
#[derive(Clone, Copy)]
enum Then {
    End,
    Nothing,
    Failure,
}

impl Body for Chunks {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        let body = self.get_mut();
        match (body.chunks.pop_front(), body.then) {
            (Some(chunk), _) => Poll::Ready(Some(Ok(Frame::data(chunk)))),
            (None, Then::End) => Poll::Ready(None),
            (None, Then::Nothing) => Poll::Pending,
            (None, Then::Failure) => Poll::Ready(Some(Err("cut off".into()))),
        }
    }
}

fn answer(status: u16, kind: &str, chunks: &[&[u8]], then: Then) -> Response<Chunks> {
    let chunks = chunks.iter().map(|chunk| Bytes::copy_from_slice(chunk)).collect();
    let head = Response::builder().status(status).header("content-type", kind);
    head.body(Chunks { chunks, then }).unwrap()
}

fn stream(body: &'static str, then: Then) -> Response<Chunks> {
    answer(200, "text/event-stream", &[body.as_bytes()], then)
}

fn request() -> Request<Bytes> {
    Request::get("http://a/").body(Bytes::new()).unwrap()
}

fn source<const N: usize>(client: Client, answers: [Response<Chunks>; N]) -> EventSource<Scripted> {
    EventSource::new(client, Scripted(answers.into()))
}

/// A client with a read timeout of ten seconds.
fn client() -> Client {
    Client::new(request()).with_read_timeout(Duration::from_secs(10))
}

/// The error that closes the source, which is its next item but notices.
async fn closed(
    source: &mut EventSource<Scripted>,
) -> (ClientClosed, Option<DisconnectReason>, Bytes) {
    let error = source.next().await.unwrap().unwrap_err();
    assert!(source.next().await.is_none());
    match error {
        EventSourceError::Closed { reason, last, body } => (reason, last, body),
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn any_service_will_do() {
    let answers =
        [stream("data: 1\n\ndata: 2\n\n", Then::End), stream("data: 3\n\n", Then::Nothing)];
    let mut source = source(client(), answers);
    let start = Instant::now();
    for expected in ["1", "2", "3"] {
        assert_eq!(source.next().await.unwrap().unwrap().data(), expected);
    }
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_event_that_came_in_time_is_returned_to_a_late_poll() {
    let mut source = source(client(), [stream("data: 1\n\n", Then::Nothing)]);
    assert!(matches!(source.next_event().await, Some(Ok(ClientEvent::Connecting(_)))));
    assert!(matches!(source.next_event().await, Some(Ok(ClientEvent::Open(_)))));
    advance(Duration::from_secs(60)).await;
    assert!(matches!(source.next_event().await, Some(Ok(ClientEvent::Message(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_ends_with_the_read_timeout() {
    let mut source = source(client(), []);
    let start = Instant::now();
    let event = source.next_event().await;
    assert!(
        matches!(event, Some(Ok(ClientEvent::Lost { why: DisconnectReason::Silent, .. }))),
        "{event:?}"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn the_longest_timeouts_do_not_wake_the_client() {
    let client = Client::new(request()).with_read_timeout(Duration::MAX);
    let mut source = source(client, [stream("", Then::Nothing)]);
    let wait = tokio::time::timeout(Duration::from_secs(1_000_000), source.next());
    assert!(wait.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_error_of_a_refused_request_has_the_body_of_the_response() {
    for (status, kind) in [(401, "application/json"), (500, "text/plain"), (200, "text/html")] {
        let chunks: [&[u8]; 2] = [b"{\"error\":", b"\"no\"}"];
        let mut source = source(client(), [answer(status, kind, &chunks, Then::End)]);
        let (reason, last, body) = closed(&mut source).await;
        assert!(
            matches!(reason, ClientClosed::Status(_) | ClientClosed::ContentType(_)),
            "{reason}"
        );
        assert!(last.is_none());
        assert_eq!(body, "{\"error\":\"no\"}", "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_8_kib_of_a_refused_body_are_kept() {
    let chunks = [[b'x'; 3000].as_slice(); 100];
    let mut source = source(client(), [answer(404, "text/plain", &chunks, Then::Nothing)]);
    let start = Instant::now();
    let (_, _, body) = closed(&mut source).await;
    assert_eq!(body.len(), 8 * 1024);
    assert_eq!(start.elapsed(), Duration::ZERO, "the rest is not awaited");
}

#[tokio::test(start_paused = true)]
async fn a_refused_body_that_stalls_or_fails_is_kept_up_to_there() {
    for (then, seconds) in [(Then::Nothing, 2), (Then::Failure, 0)] {
        let mut source = source(client(), [answer(404, "text/plain", &[b"no"], then)]);
        let start = Instant::now();
        let (reason, _, body) = closed(&mut source).await;
        assert_eq!(reason, ClientClosed::Status(StatusCode::NOT_FOUND));
        assert_eq!((body, start.elapsed().as_secs()), ("no".into(), seconds));
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_has_the_last_body() {
    let busy = |text: &'static [u8]| answer(503, "text/plain", &[text], Then::End);
    let client = client().with_retried_statuses().with_max_failures(2);
    let mut source = source(client, [busy(b"first"), busy(b"second")]);
    let (reason, last, body) = closed(&mut source).await;
    assert_eq!(reason, ClientClosed::Failures(2));
    assert!(matches!(last, Some(DisconnectReason::Status(StatusCode::SERVICE_UNAVAILABLE))));
    assert_eq!(body, "second");
}

#[tokio::test(start_paused = true)]
async fn a_body_is_forgotten_when_a_later_stream_opens() {
    let answers = [
        answer(503, "text/plain", &[b"busy"], Then::End),
        stream("id: 1\ndata: 1\n\n", Then::Failure),
        answer(204, "text/plain", &[b"unread"], Then::End),
    ];
    let mut source = source(client().with_retried_statuses(), answers);
    assert_eq!(source.next().await.unwrap().unwrap().data(), "1");
    assert!(source.next().await.is_none(), "204 is no error");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_runs_once_ends_without_an_error_when_the_response_ends() {
    let mut source = source(
        Client::once(request()),
        [stream("data: 1\n\n", Then::End), stream("data: 2\n\n", Then::End)],
    );
    assert_eq!(source.next().await.unwrap().unwrap().data(), "1");
    assert!(source.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_runs_once_ends_with_an_error_when_the_connection_is_lost() {
    let mut source = source(Client::once(request()), [stream("data: 1\n\n", Then::Failure)]);
    assert_eq!(source.next().await.unwrap().unwrap().data(), "1");
    let error = source.next().await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the connection failed: cut off");
    assert!(source.next().await.is_none());

    let client = Client::once(request()).with_read_timeout(Duration::from_secs(5));
    let mut source = self::source(client, [stream("", Then::Nothing)]);
    let (reason, last, _) = closed(&mut source).await;
    assert_eq!(reason, ClientClosed::Disconnected);
    assert!(matches!(last, Some(DisconnectReason::Silent)));
}
