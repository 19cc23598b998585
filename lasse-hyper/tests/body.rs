//! Bodies of responses, polled without a server.

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Body;
use lasse_hyper::lasse_core::{
    Channel, ChannelConfig, EndReason, Event, EventName, Frame, Next, StreamConfig,
};
use lasse_hyper::{
    Aborted, EndReasonCell, Endpoint, EventService, Gate, GateConfig, HandlerBody, KeyLimitPolicy,
    stream, subscribe,
};
use support::{Service, Tap};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;

fn service() -> (Service, mpsc::UnboundedReceiver<EndReason>) {
    let (ends, reasons) = mpsc::unbounded_channel();
    (Service { streams: Arc::default(), ends, endpoint: Endpoint::default() }, reasons)
}

fn ask(service: &Service, request: &Request<()>) -> Response<HandlerBody<Tap>> {
    service.answer(request).unwrap()
}

async fn data<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Option<Result<Bytes, B::Error>> {
    Some(body.frame().await?.map(|frame| frame.into_data().ok().unwrap()))
}

#[tokio::test]
async fn bytes_count_as_written_at_the_next_poll() {
    let (service, mut reasons) = service();
    let mut body = ask(&service, &Request::new(())).into_body();
    assert!(!body.is_end_stream());
    assert_eq!(body.size_hint().exact(), None);
    assert_eq!(data(&mut body).await.unwrap().unwrap(), ":\ndata: hello\n\n");
    service.streams.lock().unwrap()[0].inform("stop").unwrap();
    assert!(data(&mut body).await.is_none());
    assert!(body.is_end_stream());
    assert_eq!(reasons.try_recv(), Ok(EndReason::Stopped));
}

#[tokio::test]
async fn a_large_event_is_returned_in_frames_of_16_kib() {
    let (service, _) = service();
    let mut body = ask(&service, &Request::new(())).into_body();
    data(&mut body).await.unwrap().unwrap();
    let event = support::event(40_000);
    service.streams.lock().unwrap()[0].notify(event.clone()).unwrap();
    let mut pieces = Vec::new();
    while pieces.len() < event.len() {
        let piece = data(&mut body).await.unwrap().unwrap();
        assert!(piece.len() <= 16 * 1024);
        pieces.extend_from_slice(&piece);
    }
    assert_eq!(pieces, event.as_bytes());
}

#[tokio::test]
async fn a_dropped_body_ends_its_stream_with_the_reason_of_the_server() {
    let (service, mut reasons) = service();
    drop(ask(&service, &Request::new(())));
    assert_eq!(reasons.try_recv(), Ok(EndReason::Dropped));

    let reason = EndReasonCell::new();
    let mut request = Request::new(());
    request.extensions_mut().insert(reason.clone());
    drop(ask(&service, &request));
    assert_eq!(reasons.try_recv(), Ok(EndReason::PeerClosed));

    let response = ask(&service, &request);
    reason.decide(EndReason::Stalled);
    drop(response);
    assert_eq!(reasons.try_recv(), Ok(EndReason::Stalled));
}

#[tokio::test]
async fn a_whole_body_has_its_exact_length() {
    let (service, _) = service();
    for (method, path, length) in [
        (Method::GET, "/none", 0),
        (Method::GET, "/wrong", 8),
        (Method::GET, "/later", 72),
        (Method::DELETE, "/", 0),
    ] {
        let request = Request::builder().method(&method).uri(path).body(()).unwrap();
        let body = ask(&service, &request).into_body();
        assert_eq!(body.size_hint().exact(), Some(length), "{method} {path}");
        assert_eq!(body.is_end_stream(), length == 0, "{method} {path}");
        assert_eq!(body.collect().await.unwrap().to_bytes().len() as u64, length);
    }
}

#[tokio::test]
async fn the_response_to_a_head_has_ended_but_no_exact_length() {
    let (service, _) = service();
    let request = Request::builder().method(Method::HEAD).body(()).unwrap();
    let body = ask(&service, &request).into_body();
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), None);
}

#[tokio::test]
async fn a_response_ends_with_its_event_stream() {
    let endpoint = Endpoint::new(StreamConfig::new().with_first_byte(false));
    let events = tokio_stream::iter(["one", "two"]).map(Event::new);
    let body = stream(&Request::new(()), &endpoint, events).into_body();
    let text = body.collect().await.unwrap().to_bytes();
    assert_eq!(text, "data: one\n\ndata: two\n\n");
}

#[tokio::test]
async fn an_error_of_an_event_stream_aborts_unless_it_is_mapped_to_an_event() {
    const ERROR: EventName = EventName::from_static("error");
    let endpoint = Endpoint::default();
    let source = || tokio_stream::iter([Ok(Event::new("one")), Err(io::Error::other("broken"))]);

    let mut body = stream(&Request::new(()), &endpoint, source()).into_body();
    assert_eq!(data(&mut body).await.unwrap().unwrap(), ":\ndata: one\n\n");
    let error: Aborted = data(&mut body).await.unwrap().unwrap_err();
    assert_eq!(error.reason(), EndReason::Aborted);
    assert!(data(&mut body).await.is_none());

    let mapped = source().map(|item| match item {
        Ok(event) => Next::from(event),
        Err(error) => Next::last(Event::new(error.to_string()).with_name(ERROR)),
    });
    let body = stream(&Request::new(()), &endpoint, mapped).into_body();
    let text = body.collect().await.unwrap().to_bytes();
    assert_eq!(text, ":\ndata: one\n\nevent: error\ndata: broken\n\n");
}

#[tokio::test]
async fn a_panic_of_an_event_stream_aborts_its_own_response() {
    let source = tokio_stream::iter([0])
        .map(|_| -> Frame { std::panic::resume_unwind(Box::new("as ordered")) });
    let mut body = stream(&Request::new(()), &Endpoint::default(), source).into_body();
    let error = loop {
        if let Err(error) = data(&mut body).await.unwrap() {
            break error;
        }
    };
    assert_eq!(error.reason(), EndReason::Panicked);
}

#[tokio::test]
async fn a_client_that_has_all_of_a_finished_channel_gets_a_204() {
    let channel = Channel::new(&ChannelConfig::new());
    let mut body = subscribe(&Request::new(()), &Endpoint::default(), &channel).into_body();
    data(&mut body).await.unwrap().unwrap();
    let last = channel.finish_with(Event::new("the end")).unwrap();
    let rest = body.collect().await.unwrap().to_bytes();
    assert_eq!(rest, format!("data: the end\nid: {last}\n\n"));

    let request = Request::builder().header("last-event-id", last.as_str()).body(()).unwrap();
    assert_eq!(subscribe(&request, &Endpoint::default(), &channel).status(), 204);
}

#[tokio::test]
async fn a_full_channel_refuses_clients() {
    let channel = Channel::new(&ChannelConfig::new().with_max_subscribers(1));
    let _first = subscribe(&Request::new(()), &Endpoint::default(), &channel);
    let second = subscribe(&Request::new(()), &Endpoint::default(), &channel);
    assert_eq!(second.status(), 200);
    let text = second.into_body().collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"event: refused\n"), "{text:?}");
}

#[tokio::test]
async fn one_service_works_with_hyper_and_tower() {
    let notifiers = Arc::new(Mutex::new(Vec::new()));
    let (ends, _reasons) = mpsc::unbounded_channel();
    let kept = notifiers.clone();
    let mut service = EventService::<Tap, _>::new(Endpoint::default(), move |notifier| {
        kept.lock().unwrap().push(notifier);
        ends.clone()
    });
    let by_hyper = hyper::service::Service::call(&service, Request::new(())).await.unwrap();
    let by_tower = tower_service::Service::call(&mut service, Request::new(())).await.unwrap();
    for response in [by_hyper, by_tower] {
        let mut body = response.into_body();
        assert_eq!(data(&mut body).await.unwrap().unwrap(), ":\ndata: hello\n\n");
    }
    assert_eq!(notifiers.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_request_that_is_refused_replaces_no_stream() {
    let channel = Channel::new(&ChannelConfig::new().with_max_subscribers(1));
    let config = GateConfig::new().with_limit_per_key(1, |_| Some(()));
    let gate = Gate::new(config.with_key_limit_policy(KeyLimitPolicy::ReplaceOldest));
    let endpoint = Endpoint::default().with_gate(&gate);
    let first = subscribe(&Request::new(()), &endpoint, &channel).into_body();
    let refused = subscribe(&Request::new(()), &endpoint, &channel).into_body();
    let text = refused.collect().await.unwrap().to_bytes();
    assert!(text.starts_with(b"event: refused\n"), "{text:?}");
    channel.publish(Event::new("on")).unwrap();
    channel.finish();
    let text = first.collect().await.unwrap().to_bytes();
    assert!(text.windows(9).any(|line| line == b"data: on\n"), "{text:?}");
}
