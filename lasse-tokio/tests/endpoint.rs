//! Streams of an endpoint with a gate, from the request to the end.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderName, HeaderValue, Request, Response};
use lasse_core::{
    Accept, Body, Close, Dialect, EndReason, Event, Frame, Handler, HandlerSource, Init, Instant,
    Next, Output, RequestHead, Source, StreamConfig, Subscriber,
};
use lasse_tokio::{
    DrainPlan, Endpoint, Gate, GateConfig, RejectReason, Session, SessionBody, respond,
    respond_with, stream,
};
use tokio::time::{sleep, timeout};

/// A handler that sends its messages, and sends without a pause if it is busy.
#[derive(Debug)]
struct Echo {
    is_busy: bool,
}

impl Handler for Echo {
    type Notify = &'static str;
    type Info = ();
    fn handle_notify(&mut self, text: &'static str) -> Next {
        match text {
            "stop" => Next::Stop,
            "panic" => resume_unwind(Box::new("as ordered")),
            text => Next::send(Event::new(text)),
        }
    }
    fn handle_tick(&mut self, _: Instant) -> Next {
        if self.is_busy { Next::send(Event::new("busy")) } else { Next::Wait(None) }
    }
}

impl Accept for Echo {
    type Args = &'static str;
    fn init(answer: &'static str, _: &RequestHead<'_>) -> Init<Self> {
        match answer {
            "no content" => Init::Complete,
            "refuse" => Init::refuse(secs(1)),
            "own" => Init::Respond(Response::new(Bytes::from_static(b"own"))),
            answer => Init::Stream(Self { is_busy: answer == "busy" }, vec![]),
        }
    }
}

fn request(method: &str) -> Request<()> {
    Request::builder().method(method).uri("/events").body(()).unwrap()
}

fn open(endpoint: &Endpoint, answer: &'static str) -> Box<Session<HandlerSource<Echo>>> {
    let Body::Stream(session) = respond(&request("GET"), endpoint, |_| answer).into_body() else {
        panic!("no stream")
    };
    session
}

fn text<S: Source>(answer: SessionBody<S>) -> Bytes {
    match answer {
        Body::Full(bytes) => bytes,
        Body::Stream(_) | Body::HeadOnly => panic!("not a text"),
    }
}

/// Reads a stream to its end.
async fn listen<S: Source>(mut session: Box<Session<S>>) -> (String, Close) {
    let mut text = String::new();
    loop {
        match poll_fn(|cx| session.poll_output(cx)).await {
            Output::Write(bytes) => {
                text.push_str(std::str::from_utf8(&bytes).unwrap());
                session.handle_written(bytes.len());
            }
            Output::Close(close) => return (text, close),
            Output::Wait => {}
        }
        tokio::task::yield_now().await;
    }
}

fn full() -> Gate {
    Gate::new(GateConfig::new().with_limit(0).with_retry(millis(1500)..=millis(1500)))
}

/// A plan without notice.
fn plan() -> DrainPlan {
    DrainPlan::new().with_notice(Duration::ZERO)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn an_event_source_is_refused_with_a_stream() {
    let endpoint = Endpoint::default().with_gate(&full());
    let response = respond::<Echo>(&request("GET"), &endpoint, |_| panic!("the args were made"));
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let refused =
        "event: refused\ndata: {\"reason\":\"unavailable\",\"retry\":1500}\nretry: 1500\n\n";
    assert_eq!(text(response.into_body()), refused);
}

#[test]
fn other_clients_are_refused_with_a_status() {
    let name = HeaderName::from_static("access-control-allow-origin");
    let config = StreamConfig::new().with_header(name, HeaderValue::from_static("*")).unwrap();
    let per_key = Gate::new(GateConfig::new().with_limit_per_key(0, |_| Some(())));
    for (gate, status) in [(full(), 503), (per_key, 429)] {
        let endpoint = Endpoint::new(config.clone()).with_gate(&gate).with_dialect(Dialect::Fetch);
        let response =
            respond::<Echo>(&request("GET"), &endpoint, |_| panic!("the args were made"));
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        let seconds: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        let expected = if status == 503 { 2..=2 } else { 60..=75 };
        assert!(expected.contains(&seconds), "{seconds}");
        assert_eq!(text(response.into_body()), "");
    }
}

#[test]
fn a_head_and_a_refused_method_need_no_permit() {
    let gate = full();
    let endpoint = Endpoint::default().with_gate(&gate);
    let response = respond::<Echo>(&request("HEAD"), &endpoint, |_| "stream");
    assert!(matches!(response.body(), Body::HeadOnly));
    assert_eq!(respond::<Echo>(&request("PUT"), &endpoint, |_| "stream").status(), 405);
    assert_eq!(gate.stats(), full().stats());
}

#[test]
fn a_response_without_a_stream_takes_no_permit() {
    let gate = Gate::new(GateConfig::new().with_limit(1));
    let unused = gate.stats();
    let endpoint = Endpoint::default().with_gate(&gate);
    for answer in ["no content", "refuse", "own"] {
        text(respond::<Echo>(&request("GET"), &endpoint, |_| answer).into_body());
    }
    assert_eq!(gate.stats(), unused);
}

#[test]
fn a_source_without_a_mailbox_needs_a_permit_too() {
    let endpoint = Endpoint::default().with_gate(&full());
    let response =
        respond_with(&request("GET"), &endpoint, |_| -> Init<Subscriber> { panic!("init ran") });
    assert!(matches!(response.into_body(), Body::Full(_)));
}

#[test]
fn an_endpoint_sets_the_capacity_of_mailboxes() {
    let endpoint = Endpoint::default().with_mailbox_capacity(2);
    let sent = AtomicUsize::new(0);
    let response = respond::<Echo>(&request("GET"), &endpoint, |notifier| {
        sent.store((0..9).filter(|_| notifier.notify("hello").is_ok()).count(), Ordering::Relaxed);
        "stream"
    });
    assert_eq!((response.status().as_u16(), sent.into_inner()), (200, 2));
}

#[tokio::test(start_paused = true)]
async fn the_gate_counts_why_a_stream_ended() {
    let gate = Gate::default();
    let config = StreamConfig::new().with_max_age(secs(60));
    let endpoint = Endpoint::new(config).with_gate(&gate);

    let mut peer_closed = open(&endpoint, "stream");
    peer_closed.as_mut().handle_peer_closed();
    drop(peer_closed);
    assert_eq!(gate.stats().ended(EndReason::PeerClosed), 1);

    drop(open(&endpoint, "stream"));
    assert_eq!(gate.stats().ended(EndReason::Dropped), 1);

    let expired = open(&endpoint, "stream");
    assert_eq!(gate.stats().open, 1);
    listen(expired).await;
    assert_eq!(gate.stats().ended(EndReason::Expired), 1);
    assert_eq!(gate.stats().open, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_a_handler_is_counted() {
    let gate = Gate::default();
    let endpoint = Endpoint::default().with_gate(&gate);
    let response = respond::<Echo>(&request("GET"), &endpoint, |notifier| {
        notifier.notify("panic").unwrap();
        "stream"
    });
    let Body::Stream(session) = response.into_body() else { panic!("no stream") };
    assert!(tokio::spawn(listen(session)).await.unwrap_err().is_panic());
    assert_eq!(gate.stats().ended(EndReason::Panicked), 1);
}

/// A `Stream` that panics.
struct Panics;

impl Stream for Panics {
    type Item = Frame;
    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Frame>> {
        resume_unwind(Box::new("as ordered"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_an_event_stream_is_counted() {
    let gate = Gate::default();
    let endpoint = Endpoint::default().with_gate(&gate);
    let response = stream(&request("GET"), &endpoint, Panics);
    let Body::Stream(session) = response.into_body() else { panic!("no stream") };
    assert!(tokio::spawn(listen(session)).await.unwrap_err().is_panic());
    assert_eq!(gate.stats().ended(EndReason::Panicked), 1);
}

#[tokio::test(start_paused = true)]
async fn at_a_drain_streams_end_cleanly_each_at_its_own_time() {
    let gate = Gate::default();
    let endpoint = Endpoint::new(StreamConfig::new().with_keep_alive(None)).with_gate(&gate);
    let start = tokio::time::Instant::now();
    let clients: Vec<_> = (0..1000)
        .map(|_| {
            let session = open(&endpoint, "stream");
            tokio::spawn(async move { (listen(session).await, start.elapsed()) })
        })
        .collect();
    sleep(secs(1)).await;
    let retry = secs(1)..=secs(2);
    gate.drain(&DrainPlan::new().with_notice(secs(5)).with_window(secs(10)).with_retry(retry));
    assert_eq!(gate.drained().await, 0);
    let mut seconds = [0; 10];
    for client in clients {
        let ((text, close), after) = client.await.unwrap();
        assert_eq!(close, Close::Clean);
        let retry = text.strip_prefix(":\nretry: ").and_then(|text| text.strip_suffix('\n'));
        assert!((1000..=2000).contains(&retry.unwrap().parse().unwrap()));
        let second = (after - secs(6)).as_secs().min(9);
        seconds[usize::try_from(second).unwrap()] += 1;
    }
    assert!(seconds.iter().all(|count| (50..150).contains(count)), "{seconds:?}");
    assert_eq!(gate.stats().ended(EndReason::Shutdown), 1000);
}

#[tokio::test(start_paused = true)]
async fn at_a_drain_finite_streams_continue_until_the_grace_is_over() {
    let gate = Gate::default();
    let endpoint = Endpoint::new(StreamConfig::new().with_finite(true)).with_gate(&gate);
    let unending = tokio::spawn(listen(open(&endpoint, "stream")));
    let mut notifier = None;
    let response = respond::<Echo>(&request("GET"), &endpoint, |own| {
        notifier = Some(own);
        "stream"
    });
    let Body::Stream(session) = response.into_body() else { panic!("no stream") };
    let finishing = tokio::spawn(listen(session));
    sleep(secs(1)).await;
    gate.drain(&plan().with_window(secs(3)).with_grace(secs(20)));
    sleep(secs(10)).await;
    let notifier = notifier.unwrap();
    notifier.notify("the end").unwrap();
    notifier.stop();
    let (text, close) = finishing.await.unwrap();
    assert!(text.ends_with("data: the end\n\n"), "{text:?}");
    assert_eq!(close, Close::Clean);
    assert_eq!(unending.await.unwrap().1, Close::Abort);
    assert_eq!(gate.drained().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_client_has_stalled_is_aborted_when_its_turn_comes() {
    let gate = Gate::default();
    let endpoint = Endpoint::new(StreamConfig::new().with_write_timeout(None)).with_gate(&gate);
    let mut session = open(&endpoint, "stream");
    let stuck = poll_fn(|cx| session.poll_output(cx)).await;
    assert!(matches!(stuck, Output::Write(_)));
    gate.drain(&DrainPlan::new().with_notice(secs(5)).with_window(secs(3)).with_grace(secs(20)));
    let start = tokio::time::Instant::now();
    while poll_fn(|cx| session.poll_output(cx)).await != Output::Close(Close::Abort) {
        poll_fn(|cx| session.poll_timeout(cx)).await;
    }
    assert!((5..=8).contains(&start.elapsed().as_secs()));
}

#[tokio::test]
async fn at_a_drain_a_stream_that_never_waits_ends_too() {
    let gate = Gate::default();
    let endpoint = Endpoint::default().with_gate(&gate);
    let client = tokio::spawn(listen(open(&endpoint, "busy")));
    gate.drain(&plan().with_window(millis(20)));
    let (text, close) = timeout(secs(10), client).await.unwrap().unwrap();
    assert_eq!(close, Close::Clean);
    assert!(text.contains("data: busy\n\n"));
    assert!(text.trim_end().rsplit('\n').next().unwrap().starts_with("retry: "));
}

#[test]
fn init_runs_only_for_admitted_requests() {
    let gate = Gate::new(GateConfig::new().with_limit(3));
    let endpoint = Endpoint::default().with_gate(&gate);
    let made = Arc::new(AtomicUsize::new(0));
    let sessions: Vec<_> = (0..10)
        .map(|_| {
            respond::<Echo>(&request("GET"), &endpoint, |_| {
                made.fetch_add(1, Ordering::Relaxed);
                "stream"
            })
        })
        .collect();
    assert_eq!(made.load(Ordering::Relaxed), 3);
    assert_eq!(gate.stats().rejected(RejectReason::Limit), 7);
    drop(sessions);
    assert_eq!(gate.stats().open, 0);
}
