//! Who is let in, who is sent home, and what is counted.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use http::Request;
use lasse_core::{Drain, EndReason, RequestHead};
use lasse_tokio::{DrainPlan, Gate, GateConfig, Permit, RejectReason, Rejected, now};
use tokio::time::{Instant, sleep, timeout};

fn admit(gate: &Gate) -> Result<Permit, Rejected> {
    admit_from(gate, "anyone")
}

/// Admits a stream for a user, who names himself in the path.
fn admit_from(gate: &Gate, user: &str) -> Result<Permit, Rejected> {
    let request = Request::get(format!("/{user}")).body(()).unwrap();
    gate.admit(&RequestHead::from(&request))
}

fn cause(admission: Result<Permit, Rejected>) -> Option<RejectReason> {
    admission.err().map(|refused| refused.cause())
}

async fn drain_of(permit: &mut Permit) -> Drain {
    poll_fn(|cx| permit.poll_drain(cx)).await
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn no_more_are_let_in_than_the_limit_says() {
    let gate = Gate::new(GateConfig::new().with_limit(2).with_retry(secs(7)..=secs(9)));
    let first = admit(&gate).unwrap();
    let _second = admit(&gate).unwrap();
    let refused = admit(&gate).unwrap_err();
    assert_eq!(refused.cause(), RejectReason::Limit);
    assert!((secs(7)..=secs(9)).contains(&refused.retry()));
    drop(first);
    assert!(admit(&gate).is_ok());
}

#[test]
fn delays_are_drawn_from_the_given_source_of_random_numbers() {
    for (random, expected) in [(0, secs(7)), (u64::MAX, secs(9))] {
        let config = GateConfig::new().with_limit(0).with_retry(secs(7)..=secs(9));
        let gate = Gate::new(config.with_random(move || random));
        assert_eq!(admit(&gate).unwrap_err().retry(), expected);
    }
}

#[test]
fn no_more_of_one_key_are_let_in_than_its_limit_says() {
    let user = |request: &RequestHead<'_>| match request.uri().path() {
        "/admin" => None,
        path => Some(path.to_owned()),
    };
    let gate = Gate::new(GateConfig::new().with_limit(5).with_limit_per_key(1, user));
    let ann = admit_from(&gate, "ann").unwrap();
    assert_eq!(cause(admit_from(&gate, "ann")), Some(RejectReason::LimitPerKey));
    let _others = ["bob", "admin", "admin"].map(|user| admit_from(&gate, user).unwrap());
    drop(ann);
    let _ann = admit_from(&gate, "ann").unwrap();
    assert_eq!(gate.stats().open, 4, "a refusal for the key leaves the place in all free");
}

#[test]
fn a_place_is_free_again_whichever_way_it_was_left() {
    let gate = Gate::new(GateConfig::new().with_limit(1).with_limit_per_key(1, |_| Some(())));
    admit(&gate).unwrap().withdraw();
    drop(admit(&gate).unwrap());
    admit(&gate).unwrap().record(EndReason::Stopped);
    let permit = admit(&gate).unwrap();
    let panic = std::thread::spawn(move || {
        let _permit = permit;
        panic!("as ordered");
    });
    assert!(panic.join().is_err());
    assert!(admit(&gate).is_ok());
}

#[test]
fn streams_are_counted_by_reason_and_refusals_by_cause() {
    let gate = Gate::new(GateConfig::new().with_limit(1));
    for reason in [EndReason::Stopped, EndReason::Stalled, EndReason::Stopped] {
        admit(&gate).unwrap().record(reason);
    }
    admit(&gate).unwrap().withdraw();
    drop(admit(&gate).unwrap());
    let _open = admit(&gate).unwrap();
    assert_eq!(cause(admit(&gate)), Some(RejectReason::Limit));
    let figures = gate.stats();
    assert_eq!((figures.open, figures.draining), (1, 0));
    for &reason in EndReason::all() {
        let expected = match reason {
            EndReason::Stopped => 2,
            EndReason::Stalled | EndReason::Dropped => 1,
            _ => 0,
        };
        assert_eq!(figures.ended(reason), expected, "{reason}");
    }
    assert_eq!(figures.refused(RejectReason::Limit), 1);
    assert_eq!(figures.refused(RejectReason::LimitPerKey), 0);
}

#[test]
fn a_permit_is_small() {
    assert!(size_of::<Option<Permit>>() <= 64, "{} bytes", size_of::<Option<Permit>>());
}

#[tokio::test(start_paused = true)]
async fn new_streams_are_served_during_the_notice_and_refused_after_it() {
    let gate = Gate::default();
    assert!(!gate.is_draining());
    gate.drain(&DrainPlan::new().with_notice(secs(5)).with_retry(secs(2)..=secs(3)));
    assert!(gate.is_draining());
    sleep(Duration::from_millis(4990)).await;
    assert!(admit(&gate).is_ok());
    assert!(timeout(Duration::from_millis(5), gate.shut()).await.is_err());
    gate.shut().await;
    let refused = admit(&gate).unwrap_err();
    assert_eq!(refused.cause(), RejectReason::Draining);
    assert!((secs(2)..=secs(3)).contains(&refused.retry()));
    assert_eq!(gate.stats().refused(RejectReason::Draining), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_hears_once_when_it_has_to_end() {
    let gate = Gate::default();
    let mut permit = admit(&gate).unwrap();
    let start = now();
    let plan = DrainPlan::new().with_notice(secs(5)).with_window(secs(10)).with_grace(secs(20));
    let talk = async {
        sleep(secs(1)).await;
        gate.drain(&plan.clone().with_retry(secs(1)..=secs(2)));
    };
    let (drain, ()) = tokio::join!(drain_of(&mut permit), talk);
    assert_eq!(now(), start + secs(1), "there is time to prepare");
    assert!((start + secs(6)..=start + secs(16)).contains(&drain.end_at));
    assert!((secs(1)..=secs(2)).contains(&drain.retry));
    assert_eq!(drain.abort_at, start + secs(36));
    assert_eq!(gate.stats().draining, 1);

    let again = poll_fn(|cx| Poll::Ready(permit.poll_drain(cx)));
    assert!(again.await.is_pending());
    drop(permit);
    assert_eq!(gate.stats().draining, 0);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_comes_during_the_notice_hears_at_once() {
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
        gate.drain(&DrainPlan::new().with_window(secs(0)).with_grace(secs(0)));
        now
    };
    let (drain, hurried_at) = tokio::join!(drain_of(&mut permit), hurry);
    assert_eq!((drain.end_at, drain.abort_at), (hurried_at, hurried_at));
    assert_eq!(cause(admit(&gate)), Some(RejectReason::Draining));
    assert_eq!(gate.stats().draining, 1, "it is counted once");
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
async fn ten_thousand_streams_are_sent_home_one_by_one() {
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
async fn a_drain_is_over_when_the_last_stream_is_gone() {
    let gate = Gate::default();
    let permits = [admit(&gate).unwrap(), admit(&gate).unwrap()];
    let start = Instant::now();
    gate.drain(&DrainPlan::new().with_notice(secs(5)).with_window(secs(10)));
    let leave = async {
        for permit in permits {
            sleep(secs(4)).await;
            drop(permit);
        }
    };
    let (left, ()) = tokio::join!(gate.drained(), leave);
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
async fn a_drain_does_not_wait_for_ever() {
    let gate = Gate::default();
    let _stuck = admit(&gate).unwrap();
    let start = Instant::now();
    gate.drain(&DrainPlan::new().with_window(secs(3)).with_grace(secs(20)));
    assert_eq!(gate.drained().await, 1);
    assert_eq!(start.elapsed().as_secs(), 24);
}
