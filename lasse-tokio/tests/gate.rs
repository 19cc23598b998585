//! The gate: which streams it admits, when they end, and what it counts.

use std::future::{Future, poll_fn, ready};
use std::task::Poll;
use std::time::Duration;

use http::Request;
use lasse_core::{Drain, EndReason, RequestHead};
use lasse_tokio::{DrainPlan, Gate, GateConfig, Permit, RejectReason, Rejected, Signal, now};
use tokio::time::{Instant, sleep, timeout};

fn admit(gate: &Gate) -> Result<Permit, Rejected> {
    admit_user(gate, "anyone")
}

/// Admits a stream of the user whose name is the path.
fn admit_user(gate: &Gate, user: &str) -> Result<Permit, Rejected> {
    let request = Request::get(format!("/{user}")).body(()).unwrap();
    gate.admit(&RequestHead::from(&request))
}

/// Admits a stream at the gate of an endpoint, where the server has another one.
fn admit_to_both(endpoint: &Gate, server: &Gate) -> Result<Permit, Rejected> {
    let request = Request::get("/").extension(server.clone()).body(()).unwrap();
    endpoint.admit(&RequestHead::from(&request))
}

fn reason(admitted: Result<Permit, Rejected>) -> Option<RejectReason> {
    admitted.err().map(|rejected| rejected.reason())
}

async fn drain_of(permit: &mut Permit) -> Drain {
    match poll_fn(|cx| permit.poll_signal(cx)).await {
        Signal::Drain(drain) => drain,
        other => panic!("{other:?}"),
    }
}

/// The drain of a permit, if it has one at this moment.
async fn drain_now(permit: &mut Permit) -> Option<Drain> {
    match poll_fn(|cx| Poll::Ready(permit.poll_signal(cx))).await {
        Poll::Ready(Signal::Drain(drain)) => Some(drain),
        Poll::Ready(other) => panic!("{other:?}"),
        Poll::Pending => None,
    }
}

/// A plan without notice.
fn plan() -> DrainPlan {
    DrainPlan::new().with_notice(secs(0))
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn the_limit_is_not_exceeded() {
    let gate = Gate::new(GateConfig::new().with_limit(2).with_retry(secs(7)..=secs(9)));
    let first = admit(&gate).unwrap();
    let _second = admit(&gate).unwrap();
    let rejected = admit(&gate).unwrap_err();
    assert_eq!(rejected.reason(), RejectReason::Limit);
    assert!((secs(7)..=secs(9)).contains(&rejected.retry()));
    drop(first);
    assert!(admit(&gate).is_ok());
}

#[test]
fn the_delays_come_from_the_random_numbers_of_the_configuration() {
    for (random, expected) in [(0, secs(7)), (u64::MAX, secs(9)), (u64::MAX / 2, secs(8))] {
        let config = GateConfig::new().with_limit(0).with_retry(secs(7)..=secs(9));
        let retry = admit(&Gate::new(config.with_random(move || random))).unwrap_err().retry();
        assert!(expected.abs_diff(retry) < Duration::from_nanos(2), "{retry:?}");
    }
}

#[test]
fn the_limit_of_a_key_is_not_exceeded() {
    let user = |request: &RequestHead<'_>| match request.uri().path() {
        "/admin" => None,
        path => Some(path.to_owned()),
    };
    let gate = Gate::new(GateConfig::new().with_limit(5).with_limit_per_key(1, user));
    let ann = admit_user(&gate, "ann").unwrap();
    assert_eq!(reason(admit_user(&gate, "ann")), Some(RejectReason::LimitPerKey));
    let _others = ["bob", "admin", "admin"].map(|user| admit_user(&gate, user).unwrap());
    drop(ann);
    let _ann = admit_user(&gate, "ann").unwrap();
    assert_eq!(gate.stats().open, 4, "a stream rejected for its key is not counted");
}

#[test]
fn limits_can_be_zero_one_or_the_largest_number() {
    for (limit, admitted) in [(0, 0), (1, 1), (usize::MAX, 3)] {
        let in_all = GateConfig::new().with_limit(limit);
        let per_key = GateConfig::new().with_limit_per_key(limit, |_| Some(()));
        for config in [in_all, per_key] {
            let gate = Gate::new(config);
            let permits: Vec<_> = (0..3).filter_map(|_| admit(&gate).ok()).collect();
            assert_eq!((permits.len(), gate.stats().open), (admitted, admitted));
            gate.drain(&DrainPlan::new());
            assert_eq!(gate.stats().open, admitted);
            drop(permits);
            assert_eq!(gate.stats().open, 0);
        }
    }
}

#[test]
fn a_stream_is_removed_whichever_way_its_permit_ends() {
    let gate = Gate::new(GateConfig::new().with_limit(1).with_limit_per_key(1, |_| Some(())));
    admit(&gate).unwrap().withdraw();
    drop(admit(&gate).unwrap());
    admit(&gate).unwrap().record(EndReason::Stopped);
    let permit = admit(&gate).unwrap();
    let panic = std::thread::spawn(move || {
        let _permit = permit;
        std::panic::resume_unwind(Box::new("as ordered"));
    });
    assert!(panic.join().is_err());
    assert!(admit(&gate).is_ok());
}

#[test]
fn a_stream_whose_key_function_panics_is_not_counted() {
    let gate = Gate::new(GateConfig::new().with_limit_per_key(1, |request| {
        assert_ne!(request.uri().path(), "/panic", "a panic that the test causes");
        Some(())
    }));
    let panicking = gate.clone();
    std::thread::spawn(move || admit_user(&panicking, "panic").map(drop)).join().unwrap_err();
    assert_eq!((gate.stats().open, gate.stats().ended(EndReason::Dropped)), (0, 0));
    assert!(admit(&gate).is_ok());
}

#[test]
fn ends_and_rejections_are_counted_by_reason() {
    let gate = Gate::new(GateConfig::new().with_limit(1));
    for reason in [EndReason::Stopped, EndReason::Stalled, EndReason::Stopped] {
        admit(&gate).unwrap().record(reason);
    }
    admit(&gate).unwrap().withdraw();
    drop(admit(&gate).unwrap());
    let _open = admit(&gate).unwrap();
    assert_eq!(reason(admit(&gate)), Some(RejectReason::Limit));
    let stats = gate.stats();
    assert_eq!((stats.open, stats.draining), (1, 0));
    for reason in EndReason::all() {
        let expected = match reason {
            EndReason::Stopped => 2,
            EndReason::Stalled | EndReason::Dropped => 1,
            _ => 0,
        };
        assert_eq!(stats.ended(*reason), expected, "{reason}");
    }
    for reason in RejectReason::all() {
        assert_eq!(stats.rejected(*reason), u64::from(*reason == RejectReason::Limit), "{reason}");
    }
}

#[test]
fn a_permit_is_small() {
    assert_eq!(size_of::<Option<Permit>>(), 48);
}

#[tokio::test(start_paused = true)]
async fn during_the_notice_the_gate_is_not_ready_but_admits_streams() {
    let gate = Gate::default();
    assert!(gate.is_ready() && !gate.is_draining());
    gate.drain(&DrainPlan::new().with_notice(secs(5)).with_retry(secs(2)..=secs(3)));
    assert!(!gate.is_ready() && gate.is_draining());
    sleep(Duration::from_millis(4990)).await;
    assert!(admit(&gate).is_ok());
    assert!(timeout(Duration::from_millis(5), gate.shut()).await.is_err());
    gate.shut().await;
    let rejected = admit(&gate).unwrap_err();
    assert_eq!(rejected.reason(), RejectReason::Draining);
    assert!((secs(2)..=secs(3)).contains(&rejected.retry()));
    assert_eq!(gate.stats().rejected(RejectReason::Draining), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_given_its_part_in_the_drain_once() {
    let gate = Gate::default();
    let mut permit = admit(&gate).unwrap();
    let start = now();
    let plan = DrainPlan::new().with_notice(secs(5)).with_window(secs(10)).with_grace(secs(20));
    let shutdown = async {
        sleep(secs(1)).await;
        gate.drain(&plan.clone().with_retry(secs(1)..=secs(2)));
    };
    let (drain, ()) = tokio::join!(drain_of(&mut permit), shutdown);
    assert_eq!(now(), start + secs(1), "it has the notice to prepare");
    assert!((start + secs(6)..=start + secs(16)).contains(&drain.end_at));
    assert!((secs(1)..=secs(2)).contains(&drain.retry));
    assert_eq!(drain.abort_at, start + secs(36));
    assert_eq!(gate.stats().draining, 1);
    assert_eq!(drain_now(&mut permit).await, None);
    drop(permit);
    assert_eq!(gate.stats().draining, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_opens_during_the_notice_is_given_its_part_at_once() {
    let gate = Gate::default();
    gate.drain(&DrainPlan::new().with_notice(secs(5)).with_window(secs(10)));
    let start = now();
    sleep(secs(4)).await;
    let mut permit = admit(&gate).unwrap();
    let drain = drain_of(&mut permit).await;
    assert!((start + secs(5)..=start + secs(15)).contains(&drain.end_at));
}

#[tokio::test(start_paused = true)]
async fn a_second_plan_replaces_the_first() {
    let gate = Gate::default();
    let mut permit = admit(&gate).unwrap();
    gate.drain(&DrainPlan::new().with_notice(secs(3600)));
    drain_of(&mut permit).await;
    let hurry = async {
        sleep(secs(1)).await;
        let now = now();
        gate.drain(&plan().with_window(secs(0)).with_grace(secs(0)));
        now
    };
    let (drain, hurried_at) = tokio::join!(drain_of(&mut permit), hurry);
    assert_eq!((drain.end_at, drain.abort_at), (hurried_at, hurried_at));
    assert_eq!(reason(admit(&gate)), Some(RejectReason::Draining));
    assert_eq!(gate.stats().draining, 1, "the stream is counted once");
}

#[tokio::test(start_paused = true)]
async fn the_times_of_a_plan_can_be_zero_short_or_endless() {
    let times = [Duration::ZERO, Duration::from_nanos(1), Duration::MAX];
    for (notice, window, grace) in times.iter().flat_map(|notice| {
        times.iter().flat_map(move |window| times.map(|grace| (*notice, *window, grace)))
    }) {
        let gate = Gate::default();
        let mut permit = admit(&gate).unwrap();
        let plan = DrainPlan::new().with_notice(notice).with_window(window).with_grace(grace);
        gate.drain(&plan.with_retry(grace..=window));
        let drain = drain_of(&mut permit).await;
        assert!(now() <= drain.end_at && drain.end_at <= drain.abort_at);
        let is_endless = [notice, window, grace].contains(&Duration::MAX);
        assert_eq!(timeout(secs(2), gate.over()).await.is_err(), is_endless);
        assert_eq!(timeout(secs(2), gate.drained()).await.ok(), (!is_endless).then_some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_moved_to_another_task_is_woken_there() {
    let gate = Gate::default();
    let mut permit = admit(&gate).unwrap();
    assert!(timeout(secs(1), drain_of(&mut permit)).await.is_err());
    let elsewhere = tokio::spawn(async move { drain_of(&mut permit).await });
    sleep(secs(1)).await;
    gate.drain(&DrainPlan::new());
    timeout(secs(1), elsewhere).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_streams_end_one_by_one() {
    let gate = Gate::default();
    let streams: Vec<_> = (0..10_000)
        .map(|_| {
            let mut permit = admit(&gate).unwrap();
            tokio::spawn(async move { (drain_of(&mut permit).await, permit) })
        })
        .collect();
    sleep(secs(1)).await;
    let start = now();
    gate.drain(&DrainPlan::new().with_notice(secs(5)).with_window(secs(10)));
    let mut seconds = [0; 10];
    let mut retries = Vec::new();
    for stream in streams {
        let (drain, _) = stream.await.unwrap();
        let after = drain.end_at.saturating_duration_since(start + secs(5));
        assert!(drain.end_at >= start + secs(5) && after <= secs(10));
        seconds[usize::try_from(after.as_secs()).unwrap().min(9)] += 1;
        retries.push(drain.retry);
    }
    assert!(seconds.iter().all(|count| (800..1200).contains(count)), "{seconds:?}");
    retries.sort();
    retries.dedup();
    assert!(retries.len() > 9_900, "each has a delay of its own");
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_the_last_stream() {
    let gate = Gate::default();
    let permits = [admit(&gate).unwrap(), admit(&gate).unwrap()];
    let start = Instant::now();
    gate.drain(&DrainPlan::new().with_notice(secs(5)).with_window(secs(10)));
    let end = async {
        for permit in permits {
            sleep(secs(4)).await;
            drop(permit);
        }
    };
    let (left, ()) = tokio::join!(gate.drained(), end);
    assert_eq!((left, start.elapsed().as_secs()), (0, 8));
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_streams_lasts_as_long_as_its_notice() {
    let gate = Gate::default();
    let start = Instant::now();
    let late = async {
        sleep(secs(1)).await;
        gate.drain(&DrainPlan::new().with_notice(secs(5)));
    };
    let (left, ()) = tokio::join!(gate.drained(), late);
    assert_eq!((left, start.elapsed().as_secs()), (0, 6));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_opens_during_the_notice_is_waited_for() {
    let gate = Gate::default();
    let start = Instant::now();
    gate.drain(&DrainPlan::new().with_notice(secs(5)));
    let stream = async {
        sleep(secs(4)).await;
        let _permit = admit(&gate).unwrap();
        sleep(secs(4)).await;
    };
    let (left, ()) = tokio::join!(gate.drained(), stream);
    assert_eq!((left, start.elapsed().as_secs()), (0, 8));
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_its_plan_though_a_stream_is_left() {
    let gate = Gate::default();
    let _stuck = admit(&gate).unwrap();
    let start = Instant::now();
    gate.drain(&plan().with_window(secs(3)).with_grace(secs(20)));
    assert_eq!(gate.drained().await, 1);
    assert_eq!(start.elapsed().as_secs(), 24);
}

#[tokio::test(start_paused = true)]
async fn by_default_a_server_stops_within_14_seconds() {
    let gate = Gate::default();
    let _stuck = admit(&gate).unwrap();
    let start = Instant::now();
    gate.shut_on(ready(())).await;
    assert_eq!(start.elapsed().as_secs(), 5);
    assert_eq!(gate.drained().await, 1);
    assert_eq!(start.elapsed().as_secs(), 14);
}

#[tokio::test(start_paused = true)]
async fn a_signal_starts_the_drain_of_the_configuration_unless_one_has_started() {
    let config = || GateConfig::new().with_drain_plan(DrainPlan::new().with_notice(secs(2)));
    let gate = Gate::new(config());
    let start = Instant::now();
    gate.shut_on(sleep(secs(1))).await;
    assert_eq!(start.elapsed().as_secs(), 3);

    let gate = Gate::new(config());
    gate.drain(&DrainPlan::new().with_notice(secs(9)));
    gate.shut_on(ready(())).await;
    assert_eq!(start.elapsed().as_secs(), 12);
    gate.shut_on(std::future::pending()).await;
    assert_eq!(start.elapsed().as_secs(), 12, "a gate that is shut needs no signal");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_gate_can_move_to_a_task() {
    fn spawn<T: Send + 'static>(waiting: impl Future<Output = T> + Send + 'static) {
        drop(tokio::spawn(waiting));
    }
    let gate = Gate::default();
    spawn(gate.shut_on(ready(())));
    spawn(gate.shut());
    spawn(gate.drained());
    spawn(gate.over());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_an_endpoints_gate_is_counted_by_the_servers_gate_too() {
    let (endpoint, server) = (Gate::default(), Gate::default());
    let mut permit = admit_to_both(&endpoint, &server).unwrap();
    assert_eq!((endpoint.stats().open, server.stats().open), (1, 1));
    permit.record(EndReason::Stopped);
    drop(permit);
    for gate in [&endpoint, &server] {
        assert_eq!((gate.stats().open, gate.stats().ended(EndReason::Stopped)), (0, 1));
    }
    admit_to_both(&endpoint, &server).unwrap().withdraw();
    drop(admit_to_both(&endpoint, &server));
    for gate in [&endpoint, &server] {
        assert_eq!((gate.stats().open, gate.stats().ended(EndReason::Dropped)), (0, 1));
    }
    let _permit = admit_to_both(&server, &server).unwrap();
    assert_eq!(server.stats().open, 1, "one gate in both places counts once");
}

#[test]
fn a_stream_must_be_admitted_by_the_endpoints_gate_and_the_servers() {
    let (open, full) = (Gate::default(), Gate::new(GateConfig::new().with_limit(0)));
    for (endpoint, server) in [(&open, &full), (&full, &open)] {
        assert_eq!(reason(admit_to_both(endpoint, server)), Some(RejectReason::Limit));
    }
    assert_eq!(full.stats().rejected(RejectReason::Limit), 2);
    assert_eq!(open.stats(), Gate::default().stats(), "the other gate counts nothing");
}

#[tokio::test(start_paused = true)]
async fn a_stream_drains_with_the_endpoints_gate_or_the_servers() {
    let (endpoint, server) = (Gate::default(), Gate::default());
    let mut permit = admit_to_both(&endpoint, &server).unwrap();
    assert_eq!(drain_now(&mut permit).await, None);
    let (short, long) = (plan().with_window(secs(0)), plan().with_notice(secs(60)));
    let waiting = tokio::spawn(async move { (drain_of(&mut permit).await, permit) });
    sleep(secs(1)).await;
    endpoint.drain(&long);
    let (drain, mut permit) = waiting.await.unwrap();
    assert!(drain.end_at >= now() + secs(60));
    server.drain(&short);
    assert_eq!(drain_of(&mut permit).await.end_at, now());
    endpoint.drain(&long);
    assert_eq!(drain_now(&mut permit).await, None, "the server's plan counts");
    assert_eq!((endpoint.stats().draining, server.stats().draining), (1, 1));
    let waiting = server.drained();
    drop(permit);
    assert_eq!(waiting.await, 0);
}
