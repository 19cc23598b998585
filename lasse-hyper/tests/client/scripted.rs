//! The client over a service that is no network, on a clock that stands still.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use lasse_hyper::lasse_core::Client;
use lasse_hyper::{ClientEvent, DisconnectReason, EventSource};
use tokio::time::{Instant, advance};
use tokio_stream::StreamExt;
use tower_service::Service;

/// A service that gives the answers it was given, and then is not ready any more.
struct Scripted(VecDeque<&'static str>);

impl Service<Request<Full<Bytes>>> for Scripted {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.0.is_empty() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn call(&mut self, _: Request<Full<Bytes>>) -> Self::Future {
        let body = self.0.pop_front().unwrap_or_default().to_owned();
        let head = Response::builder().header("content-type", "text/event-stream");
        ready(Ok(head.body(body).unwrap()))
    }
}

fn source<const N: usize>(answers: [&'static str; N]) -> EventSource<Scripted> {
    let request = Request::get("http://a/").body(Bytes::new()).unwrap();
    let client = Client::new(request).with_read_timeout(Duration::from_secs(10));
    EventSource::new(client, Scripted(answers.into()))
}

#[tokio::test(start_paused = true)]
async fn any_service_will_do() {
    let mut source = source(["data: 1\n\ndata: 2\n\n", "data: 3\n\n"]);
    let start = Instant::now();
    for expected in ["1", "2", "3"] {
        assert_eq!(source.next().await.unwrap().unwrap().data(), expected);
    }
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_came_in_time_is_heard_by_who_asks_late() {
    let mut source = source(["data: 1\n\n"]);
    assert!(matches!(source.next_event().await, Some(Ok(ClientEvent::Connecting(_)))));
    assert!(matches!(source.next_event().await, Some(Ok(ClientEvent::Open(_)))));
    advance(Duration::from_secs(60)).await;
    assert!(matches!(source.next_event().await, Some(Ok(ClientEvent::Message(_)))));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_ready_is_silent() {
    let mut source = source([]);
    let start = Instant::now();
    let heard = source.next_event().await;
    assert!(
        matches!(heard, Some(Ok(ClientEvent::Lost { why: DisconnectReason::Silent, .. }))),
        "{heard:?}"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}
