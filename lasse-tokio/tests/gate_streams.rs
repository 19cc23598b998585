//! Single streams of a gate: listed, ended, replaced, and ended when credentials expire.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use lasse_core::{
    Accept, Body, Close, EndReason, Init, Output, Refusal, RequestHead, StreamConfig, Subscriber,
};
use lasse_tokio::{
    Channel, Dialect, Endpoint, ExpiresAt, Gate, GateConfig, KeyLimitPolicy, Permit, RejectReason,
    Session, SessionBody, Signal, StreamHandle, now, respond_with, subscribe, unauthorized,
};
use tokio::time::{advance, timeout};

/// The user of a request is its path.
fn user(request: &RequestHead<'_>) -> String {
    request.uri().path().to_owned()
}

fn tagged() -> Gate {
    let config = GateConfig::new().with_tags(|request| [user(request), "all".into()]);
    Gate::new(config.with_random(|| 0))
}

fn replacing(limit: usize) -> Gate {
    let config = GateConfig::new().with_limit_per_key(limit, |request| Some(user(request)));
    Gate::new(config.with_key_limit_policy(KeyLimitPolicy::ReplaceOldest))
}

fn admit(gate: &Gate, user: &str) -> Result<Permit, RejectReason> {
    let request = Request::get(user).body(()).unwrap();
    gate.admit(&RequestHead::from(&request)).map_err(|rejected| rejected.reason())
}

async fn signal(permit: &mut Permit) -> Option<Signal> {
    match poll_fn(|cx| Poll::Ready(permit.poll_signal(cx))).await {
        Poll::Ready(signal) => Some(signal),
        Poll::Pending => None,
    }
}

async fn reason(permit: &mut Permit) -> Option<EndReason> {
    match signal(permit).await? {
        Signal::End { reason, .. } => Some(reason),
        other => panic!("{other:?}"),
    }
}

fn open(gate: &Gate, news: &Channel, request: Request<()>) -> Session<Subscriber> {
    let config = StreamConfig::new().with_first_byte(false);
    let endpoint = Endpoint::new(config).with_gate(gate);
    match subscribe(&request, &endpoint, news).into_body() {
        Body::Stream(session) => *session,
        other => panic!("{other:?}"),
    }
}

/// What a stream writes, and how it ends, or `None` if it goes on.
async fn write(session: &mut Session<Subscriber>) -> (String, Option<Close>) {
    let mut written = Vec::new();
    loop {
        let output = timeout(Duration::ZERO, poll_fn(|cx| session.poll_output(cx))).await;
        match output {
            Ok(Output::Write(bytes)) => {
                written.extend_from_slice(&bytes);
                session.handle_written(bytes.len());
            }
            Ok(Output::Close(close)) => return (String::from_utf8(written).unwrap(), Some(close)),
            _ => return (String::from_utf8(written).unwrap(), None),
        }
    }
}

fn full(response: Response<SessionBody<Subscriber>>) -> String {
    match response.into_body() {
        Body::Full(bytes) => String::from_utf8(bytes.into()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_streams_with_a_tag_end_at_once_and_cleanly() {
    let (gate, news) = (tagged(), Channel::new(&Default::default()));
    let get = |path: &str| Request::get(path).body(()).unwrap();
    let [mut ada, mut bob] = ["/ada", "/bob"].map(|path| open(&gate, &news, get(path)));
    write(&mut ada).await;
    write(&mut bob).await;
    assert_eq!(gate.end_where(|stream| stream.has_tag("/eve")), 0);
    assert_eq!(gate.end_where(|stream| stream.has_tag("/ada")), 1);
    let (last, close) = write(&mut ada).await;
    let data = "{\"reason\":\"revoked\",\"retry\":60000}";
    assert_eq!(last, format!("event: revoked\ndata: {data}\nretry: 60000\n\n"));
    assert_eq!(close, Some(Close::Clean));
    assert_eq!(write(&mut bob).await, (String::new(), None));
    drop(ada);
    assert_eq!((gate.stats().ended(EndReason::Revoked), gate.stats().open), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_is_woken_to_end() {
    let gate = tagged();
    let mut permit = admit(&gate, "/ada").unwrap();
    let waiting = tokio::spawn(async move { poll_fn(|cx| permit.poll_signal(cx)).await });
    tokio::task::yield_now().await;
    assert_eq!(gate.end_where(|_| true), 1);
    assert!(matches!(waiting.await, Ok(Signal::End { reason: EndReason::Revoked, .. })));
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_ended_once_and_before_its_first_poll_too() {
    let gate = tagged();
    let mut permit = admit(&gate, "/ada").unwrap();
    assert_eq!((gate.end_where(|_| true), gate.end_where(|_| true)), (1, 0));
    assert_eq!(reason(&mut permit).await, Some(EndReason::Revoked));
    assert_eq!(signal(&mut permit).await, None);
    assert_eq!(gate.end_where(|_| true), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_sent_to_reconnect_ends_with_a_retry_and_no_event() {
    let (gate, news) = (tagged(), Channel::new(&Default::default()));
    let mut ada = open(&gate, &news, Request::get("/ada").body(()).unwrap());
    write(&mut ada).await;
    assert_eq!(gate.reconnect_where(|stream| stream.has_tag("/eve")), 0);
    assert_eq!(gate.reconnect_where(|stream| stream.has_tag("/ada")), 1);
    assert_eq!(write(&mut ada).await, ("retry: 5000\n".into(), Some(Close::Clean)));
}

#[tokio::test(start_paused = true)]
async fn a_handle_in_the_request_ends_its_stream_and_drops_its_guard_with_it() {
    let (gate, news) = (Gate::default(), Channel::new(&Default::default()));
    let guard = Arc::new(());
    let handle = StreamHandle::new(guard.clone());
    let (weak, minute) = (handle.downgrade(), Duration::from_secs(60));
    let mut request = Request::get("/ada").body(()).unwrap();
    request.extensions_mut().insert(handle);
    let mut session = open(&gate, &news, request);
    write(&mut session).await;
    assert!(weak.upgrade().unwrap().end(EndReason::Replaced, minute));
    assert!(!weak.upgrade().unwrap().end(EndReason::Revoked, minute), "it has ended");
    let (last, close) = write(&mut session).await;
    assert!(last.starts_with("event: replaced\n"), "{last}");
    assert_eq!((close, Arc::strong_count(&guard)), (Some(Close::Clean), 2));
    drop(session);
    assert_eq!((weak.upgrade().is_none(), Arc::strong_count(&guard)), (true, 1));

    // A stream that is ended before it opens ends at once, and a refused request drops the guard.
    let handle = StreamHandle::new(guard.clone());
    handle.end(EndReason::Revoked, minute);
    let mut request = Request::get("/ada").body(()).unwrap();
    request.extensions_mut().insert(handle);
    assert!(write(&mut open(&gate, &news, request)).await.0.contains("event: revoked\n"));
    let full = Gate::new(GateConfig::new().with_limit(0));
    let mut request = Request::get("/ada").body(()).unwrap();
    request.extensions_mut().insert(StreamHandle::new(guard.clone()));
    assert!(full.admit(&RequestHead::from(&request)).is_err());
    drop(request);
    assert_eq!(Arc::strong_count(&guard), 1);
}

#[test]
fn a_handle_is_called_when_its_stream_opens_and_not_if_the_request_is_refused() {
    let gates = [Gate::default(), Gate::default(), Gate::new(GateConfig::new().with_limit(0))];
    let endpoint = Endpoint::default().with_gate(&gates[0]);
    let news = Channel::new(&Default::default());
    for (server, is_refused, calls) in [(1, false, 1), (1, true, 0), (2, false, 0)] {
        let opened = Arc::new(AtomicUsize::new(0));
        let counter = opened.clone();
        let handle = StreamHandle::with_opened((), move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let request = Request::get("/ada").extension(gates[server].clone()).extension(handle);
        let response = respond_with(&request.body(()).unwrap(), &endpoint, |head| {
            assert_eq!(opened.load(Ordering::Relaxed), 0, "`init` decides first");
            match is_refused {
                true => Init::Refuse(Refusal::unauthorized(Duration::from_secs(60))),
                false => news.subscribe(head.last_event_id()).into_init(head, |events| events),
            }
        });
        drop(response);
        assert_eq!(opened.load(Ordering::Relaxed), calls, "{server}, {is_refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn open_streams_are_listed_by_age() {
    let gate = tagged();
    let ada = admit(&gate, "/ada").unwrap();
    advance(Duration::from_secs(5)).await;
    let _bob = admit(&gate, "/bob").unwrap();
    let users = || gate.streams().iter().map(|stream| stream.tags[0].clone()).collect::<Vec<_>>();
    assert_eq!(users(), ["/ada", "/bob"]);
    let age = |nth: usize| now().saturating_duration_since(gate.streams()[nth].opened_at);
    assert_eq!((age(0), age(1)), (Duration::from_secs(5), Duration::ZERO));
    drop(ada);
    assert_eq!(users(), ["/bob"]);
    let untagged = Gate::new(GateConfig::new().with_tags(|_| Vec::<String>::new()));
    let _stream = admit(&untagged, "/ada").unwrap();
    assert_eq!((untagged.streams().len(), untagged.end_where(|_| true)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_two_gates_is_ended_by_either() {
    for ends in [0, 1] {
        let gates = [tagged(), tagged()];
        let request = Request::get("/ada").extension(gates[1].clone()).body(()).unwrap();
        let mut permit = gates[0].admit(&RequestHead::from(&request)).unwrap();
        assert_eq!(gates[ends].end_where(|_| true), 1);
        assert_eq!(reason(&mut permit).await, Some(EndReason::Revoked));
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_stream_replaces_the_oldest_one_of_its_key() {
    let gate = replacing(2);
    let mut ada: Vec<Permit> = (0..4).map(|_| admit(&gate, "/ada").unwrap()).collect();
    let mut bob = admit(&gate, "/bob").unwrap();
    let replaced = Some(EndReason::Replaced);
    for (permit, expected) in ada.iter_mut().zip([replaced, replaced, None, None]) {
        assert_eq!(reason(permit).await, expected);
    }
    assert_eq!(reason(&mut bob).await, None);
    // Replaced streams are no longer counted: when they end, they make no room.
    ada.drain(..2);
    ada.push(admit(&gate, "/ada").unwrap());
    assert_eq!(reason(&mut ada[0]).await, replaced);
    ada.clear();
    let mut again = [(); 2].map(|()| admit(&gate, "/ada").unwrap());
    assert_eq!(reason(&mut again[0]).await, None);
    assert!(gate.streams().is_empty(), "only streams with tags are listed");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_becomes_no_stream_replaces_none() {
    let (gate, news) = (replacing(1), Channel::new(&Default::default()));
    let request = || Request::get("/ada").body(()).unwrap();
    let mut first = open(&gate, &news, request());
    write(&mut first).await;

    let endpoint = Endpoint::default().with_gate(&gate);
    let refused =
        respond_with(&request(), &endpoint, |_| Init::<Subscriber>::refuse(Duration::from_secs(1)));
    assert!(full(refused).starts_with("event: refused\n"));
    let by_another_gate =
        Endpoint::default().with_gate(&Gate::new(GateConfig::new().with_limit(0)));
    let of_server = Request::get("/ada").extension(gate.clone()).body(()).unwrap();
    full(subscribe(&of_server, &by_another_gate, &news));
    assert_eq!((write(&mut first).await, gate.stats().open), ((String::new(), None), 1));

    let mut second = open(&gate, &news, request());
    assert!(write(&mut first).await.0.starts_with("event: replaced\n"));
    drop(first);
    assert_eq!(write(&mut second).await.1, None);
    let mut third = open(&gate, &news, request());
    assert!(write(&mut second).await.0.starts_with("event: replaced\n"));
    assert_eq!(write(&mut third).await.1, None);
}

#[tokio::test(start_paused = true)]
async fn of_two_requests_at_once_the_later_one_keeps_its_stream() {
    let (gate, news) = (replacing(1), Channel::new(&Default::default()));
    let request = Request::get("/ada").body(()).unwrap();
    let endpoint = Endpoint::default().with_gate(&gate);
    let mut inner = None;
    let outer = respond_with(&request, &endpoint, |head| {
        inner = Some(open(&gate, &news, Request::get("/ada").body(()).unwrap()));
        Subscriber::init(news.clone(), head)
    });
    let Body::Stream(mut outer) = outer.into_body() else { panic!("no stream") };
    assert!(write(&mut outer).await.0.contains("event: replaced\n"));
    assert_eq!(write(inner.as_mut().unwrap()).await.1, None);
    drop((outer, inner));
    assert_eq!(gate.stats().open, 0);
    let mut last = open(&gate, &news, request);
    assert_eq!(write(&mut last).await.1, None);
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_key_that_replaces_can_be_zero_one_or_the_largest_number() {
    assert_eq!(admit(&replacing(0), "/ada").unwrap_err(), RejectReason::LimitPerKey);
    for (limit, expected) in [(1, Some(EndReason::Replaced)), (usize::MAX, None)] {
        let gate = replacing(limit);
        let mut first = admit(&gate, "/ada").unwrap();
        let _second = admit(&gate, "/ada").unwrap();
        assert_eq!(reason(&mut first).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_its_own_limit_turns_away_returns_after_a_minute() {
    let gate = Gate::new(GateConfig::new().with_limit_per_key(0, |_| Some(())));
    let get = |dialect| {
        let endpoint = Endpoint::default().with_gate(&gate).with_dialect(dialect);
        let request = Request::get("/").body(()).unwrap();
        subscribe(&request, &endpoint, &Channel::new(&Default::default()))
    };
    for _ in 0..20 {
        let event = full(get(Dialect::EventSource));
        let retry = event.split_once("\nretry: ").unwrap().1.trim().parse::<u64>().unwrap();
        assert!((60_000..=75_000).contains(&retry), "{event}");
        assert!(
            event.starts_with("event: refused\ndata: {\"reason\":\"limit_per_key\""),
            "{event}"
        );
    }
    assert_eq!(get(Dialect::Fetch).status(), 429);
    let config = GateConfig::new().with_limit_per_key(0, |_| Some(()));
    let gate = Gate::new(config.with_client_retry(Duration::ZERO..=Duration::ZERO));
    let request = Request::get("/").body(()).unwrap();
    let rejected = gate.admit(&RequestHead::from(&request)).unwrap_err();
    assert_eq!(rejected.retry(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_credentials_of_its_request_expire() {
    let (gate, news) = (Gate::default(), Channel::new(&Default::default()));
    let request = |seconds| {
        let expires_at = ExpiresAt::after(Duration::from_secs(seconds));
        Request::get("/").extension(expires_at).body(()).unwrap()
    };
    let mut session = open(&gate, &news, request(900));
    write(&mut session).await;
    advance(Duration::from_secs(899)).await;
    assert_eq!(write(&mut session).await.1, None);
    advance(Duration::from_secs(1)).await;
    let (last, close) = write(&mut session).await;
    assert!(last.starts_with("event: expired\n"), "{last}");
    assert_eq!(close, Some(Close::Clean));

    let endpoint = Endpoint::default().with_gate(&gate);
    let refused = full(subscribe(&request(0), &endpoint, &news));
    assert!(refused.starts_with("event: unauthorized\n"), "{refused}");
    assert_eq!((news.stats().fresh, gate.stats().open), (1, 1));
    let mut endless = open(&gate, &news, request(u64::MAX));
    write(&mut endless).await;
}

#[test]
fn a_client_that_must_sign_in_is_refused_as_its_dialect_has_it() {
    let gate = replacing(1);
    let _open = admit(&gate, "/").unwrap();
    let endpoint = Endpoint::default().with_gate(&gate);
    let request = Request::get("/").body(()).unwrap();
    let answer =
        |dialect| unauthorized::<Subscriber>(&request, &endpoint.clone().with_dialect(dialect));
    assert!(full(answer(Dialect::EventSource)).starts_with("event: unauthorized\n"));
    let response = answer(Dialect::Fetch);
    assert_eq!(
        (response.status().as_u16(), &response.headers()["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );
    assert_eq!(gate.stats().open, 1, "the gate is not asked");
}
