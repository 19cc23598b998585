//! Requests and their responses.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use lasse_core::*;

/// What `init` returns, and a journal.
struct Args(&'static str, Records);

type Records = Rc<RefCell<Vec<String>>>;

struct Recorder(Records);

impl Source for Recorder {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::Wait(None)
    }
    fn terminate(&mut self, reason: EndReason) {
        self.0.borrow_mut().push(reason.to_string());
    }
}

impl Accept for Recorder {
    type Args = Args;
    fn init(Args(answer, journal): Args, request: &RequestHead<'_>) -> Init<Self> {
        journal.borrow_mut().push(format!("init {:?}", request.last_event_id()));
        match answer {
            "stream" => Init::Stream(Self(journal), vec![Event::new("first").encode()]),
            "no content" => Init::Complete,
            "refuse" => Init::refuse(Duration::from_millis(1500)),
            text => Init::Respond(
                Response::builder()
                    .status(418)
                    .header("content-length", "99999")
                    .header("x-own", "kept")
                    .body(Bytes::from_static(text.as_bytes()))
                    .unwrap(),
            ),
        }
    }
}

fn accept(
    method: &str,
    answer: &'static str,
    config: &StreamConfig,
) -> (Records, Response<Body<Connection<Recorder>>>) {
    let request = Request::builder().method(method).uri("/events").body(()).unwrap();
    accept_request(&request, answer, config)
}

fn accept_request(
    request: &Request<()>,
    answer: &'static str,
    config: &StreamConfig,
) -> (Records, Response<Body<Connection<Recorder>>>) {
    let journal = Records::default();
    let args = || Args(answer, journal.clone());
    let response = Connection::accept(request, args, config, Instant::from_nanos(0));
    (journal, response)
}

fn full(response: Response<Body<Connection<Recorder>>>) -> Bytes {
    match response.into_body() {
        Body::Full(bytes) => bytes,
        other => panic!("not a full body: {other:?}"),
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

#[test]
fn a_get_is_answered_with_a_stream() {
    let (journal, response) = accept("GET", "stream", &StreamConfig::new());
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    assert_eq!(response.headers().len(), 3);
    let Body::Stream(mut connection) = response.into_body() else { panic!("no stream") };
    let output =
        connection.poll_output(Instant::from_nanos(0), &mut Context::from_waker(Waker::noop()));
    assert_eq!(output, Output::Write(":\ndata: first\n\n".into()));
    assert_eq!(*journal.borrow(), ["init Absent"]);
}

#[test]
fn a_head_gets_the_head_alone_and_its_source_terminates() {
    let (journal, response) = accept("HEAD", "stream", &StreamConfig::new());
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(matches!(response.body(), Body::HeadOnly));
    assert_eq!(*journal.borrow(), ["init Absent", "head_only"]);
}

#[test]
fn a_head_gets_the_length_of_a_whole_body_and_no_body() {
    for (answer, length) in [("own", Some("3")), ("refuse", Some("72")), ("no content", None)] {
        let (_, response) = accept("HEAD", answer, &StreamConfig::new());
        let header = response.headers().get("content-length");
        assert_eq!(header.map(|value| value.to_str().unwrap()), length, "{answer}");
        assert!(matches!(response.body(), Body::HeadOnly), "{answer}");
    }
}

#[test]
fn a_panic_of_terminate_does_not_cost_the_response_to_a_head() {
    struct Panics;
    impl Source for Panics {
        fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
            Next::Wait(None)
        }
        fn terminate(&mut self, _: EndReason) {
            panic!("as ordered");
        }
    }
    let request = Request::head("/events").body(()).unwrap();
    let init = |_: &RequestHead<'_>| Init::Stream(Panics, vec![]);
    let (config, now) = (StreamConfig::new(), Instant::from_nanos(0));
    let response = Connection::accept_with(&request, init, &config, now);
    assert!(matches!(response.body(), Body::HeadOnly));
}

#[test]
fn another_method_is_refused_before_the_arguments_are_made() {
    for method in ["POST", "DELETE", "OPTIONS", "get"] {
        let request = Request::builder().method(method).body(()).unwrap();
        let response = Connection::<Recorder>::accept(
            &request,
            || panic!("the args were made"),
            &StreamConfig::new(),
            Instant::from_nanos(0),
        );
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD");
        assert_eq!(full(response), "");
    }
}

#[test]
fn a_post_can_be_allowed() {
    let config = StreamConfig::new().with_post(true);
    assert_eq!(accept("POST", "stream", &config).1.status(), 200);
    assert_eq!(accept("PUT", "stream", &config).1.headers()["allow"], "GET, HEAD, POST");
}

#[test]
fn no_content_has_no_body_and_no_framing() {
    let (_, response) = accept("GET", "no content", &StreamConfig::new());
    assert_eq!((response.status().as_u16(), response.headers().len()), (204, 0));
    assert_eq!(full(response), "");
}

#[test]
fn an_event_source_is_refused_with_a_stream_of_one_event() {
    let (_, response) = accept("GET", "refuse", &StreamConfig::new());
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(full(response), refused("1500"));
}

#[test]
fn other_clients_are_refused_with_a_status() {
    let nano = Duration::from_nanos(1);
    for (retry_after, seconds) in [
        (Duration::ZERO, "0"),
        (nano, "1"),
        (Duration::from_secs(2), "2"),
        (Duration::from_secs(2) + nano, "3"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        for dialect in [Dialect::Fetch, Dialect::DataOnly, Dialect::Auto] {
            for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS] {
                let request = Request::get("/events").body(()).unwrap();
                let init = |_: &RequestHead<'_>| {
                    Init::<Recorder>::Refuse(Refusal::new(status, retry_after))
                };
                let config = StreamConfig::new().with_dialect(dialect);
                let now = Instant::from_nanos(0);
                let response = Connection::accept_with(&request, init, &config, now);
                assert_eq!(response.status(), status);
                assert_eq!(response.headers()["retry-after"], seconds, "{dialect:?}");
                assert_eq!(full(response), "");
            }
        }
    }
}

#[test]
fn an_event_source_can_be_refused_for_any_time() {
    for (retry_after, millis) in [
        (Duration::ZERO, "0"),
        (Duration::from_millis(1), "1"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let request = Request::get("/events").body(()).unwrap();
        let init = |_: &RequestHead<'_>| Init::<Recorder>::refuse(retry_after);
        let now = Instant::from_nanos(0);
        let response = Connection::accept_with(&request, init, &StreamConfig::new(), now);
        assert_eq!(response.status(), 200);
        assert_eq!(full(response), refused(millis));
    }
}

/// The event that refuses an `EventSource`.
fn refused(millis: &str) -> String {
    let data = format!("{{\"reason\":\"unavailable\",\"retry\":{millis}}}");
    format!("event: refused\ndata: {data}\nretry: {millis}\n\n")
}

#[test]
fn a_response_of_the_application_keeps_everything_but_its_framing() {
    let (_, response) = accept("GET", "short and stout", &StreamConfig::new());
    assert_eq!(response.status(), 418);
    assert_eq!(response.headers()["x-own"], "kept");
    assert!(!response.headers().contains_key("content-length"));
    assert_eq!(full(response), "short and stout");
}

#[test]
fn configured_headers_are_on_every_response() {
    let name = HeaderName::from_static;
    let value = HeaderValue::from_static;
    let config = StreamConfig::new()
        .with_header(name("x-extra"), value("one"))
        .and_then(|config| config.with_header(name("x-extra"), value("two")))
        .and_then(|config| config.with_header(name("cache-control"), value("no-store")))
        .and_then(|config| config.with_header(name("x-own"), value("configured")))
        .unwrap();
    for (method, answer) in [
        ("GET", "stream"),
        ("HEAD", "stream"),
        ("GET", "no content"),
        ("GET", "refuse"),
        ("GET", "own"),
        ("PUT", "stream"),
    ] {
        let (_, response) = accept(method, answer, &config);
        let extra: Vec<_> = response.headers().get_all("x-extra").into_iter().collect();
        assert_eq!(extra, ["one", "two"], "{method} {answer}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(
            response.headers()["x-own"],
            if answer == "own" { "kept" } else { "configured" }
        );
    }
}

#[test]
fn framing_headers_cannot_be_configured() {
    for name in ["content-length", "transfer-encoding", "connection"] {
        let name = HeaderName::from_static(name);
        assert!(StreamConfig::new().with_header(name, HeaderValue::from_static("x")).is_err());
    }
}

#[test]
fn accept_is_lenient_unless_it_is_strict() {
    let request = Request::get("/").header("accept", "text/html").body(()).unwrap();
    assert_eq!(accept_request(&request, "stream", &StreamConfig::new()).1.status(), 200);
    let strict = StreamConfig::new().with_strict_accept(true);
    let (journal, response) = accept_request(&request, "stream", &strict);
    assert_eq!(response.status(), 406);
    assert!(journal.borrow().is_empty(), "init ran");
}

#[test]
fn the_header_wins_over_the_query() {
    let seen = |request: &Request<()>| {
        accept_request(request, "no content", &StreamConfig::new()).0.borrow().concat()
    };
    let request = Request::get("/?lastEventId=7").body(()).unwrap();
    assert_eq!(seen(&request), format!("init {:?}", LastEventId::Id(EventId::from(7))));
    let request =
        Request::get("/?lastEventId=7").header("last-event-id", "Zürich").body(()).unwrap();
    let zurich = EventId::new("Zürich").unwrap();
    assert_eq!(seen(&request), format!("init {:?}", LastEventId::Id(zurich)));
    let request = Request::get("/?lastEventId=7").header("last-event-id", "").body(()).unwrap();
    assert_eq!(seen(&request), "init Empty");
    let request = Request::get("/")
        .header("last-event-id", HeaderValue::from_bytes(b"\xff").unwrap())
        .body(())
        .unwrap();
    assert_eq!(seen(&request), "init Invalid(NotUtf8)");
}
