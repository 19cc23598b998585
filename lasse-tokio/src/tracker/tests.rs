use std::mem::size_of;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

use tokio::time::{Instant, timeout};

use super::*;
use crate::gate::DrainPlan;

/// A waker that counts.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(connection: &mut TrackedConnection) -> Poll<Phase> {
    connection.poll_phase(&mut Context::from_waker(Waker::noop()))
}

async fn next_phase(connection: &mut TrackedConnection) -> Phase {
    poll_fn(|cx| connection.poll_phase(cx)).await
}

/// A gate that is shut. Its drain is over after `secs` seconds.
fn shut_gate(secs: u64) -> Gate {
    let (window, none) = (Duration::from_secs(secs - 1), Duration::ZERO);
    let gate = Gate::default();
    gate.drain(&DrainPlan::new().with_notice(none).with_window(window).with_grace(none));
    gate
}

#[test]
fn a_tracked_connection_is_small() {
    assert_eq!(size_of::<TrackedConnection>(), 16);
    assert_eq!(size_of::<Option<TrackedConnection>>(), 16);
}

#[test]
fn each_phase_is_returned_once() {
    let tracker = ConnectionTracker::new();
    let mut connection = tracker.track();
    assert_eq!(poll(&mut connection), Poll::Pending);
    tracker.enter(Phase::Closing);
    let mut late = tracker.track();
    for connection in [&mut connection, &mut late] {
        assert_eq!(connection.phase(), Phase::Closing);
        assert_eq!(poll(connection), Poll::Ready(Phase::Closing));
        assert_eq!(poll(connection), Poll::Pending);
    }
    tracker.enter(Phase::Closed);
    tracker.enter(Phase::Aborted(EndReason::Shutdown));
    assert_eq!(poll(&mut connection), Poll::Ready(Phase::Aborted(EndReason::Shutdown)));
    assert_eq!(poll(&mut connection), Poll::Pending);
}

#[test]
fn a_connection_is_woken_at_each_phase_and_not_after_it_has_ended() {
    let tracker = ConnectionTracker::new();
    let wakes = Arc::new(Wakes::default());
    let waker = wakes.clone().into();
    let mut connection = tracker.track();
    let _ = connection.poll_phase(&mut Context::from_waker(&waker));
    tracker.enter(Phase::Closing);
    tracker.enter(Phase::Closed);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    drop(connection);
    drop(tracker);
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    assert_eq!(Arc::strong_count(&wakes), 2, "the test's, and that of its waker");
}

#[tokio::test(start_paused = true)]
async fn connections_close_first_and_are_aborted_last() {
    let tracker = ConnectionTracker::new();
    let (mut idle, mut busy) = (tracker.track(), tracker.track());
    let start = Instant::now();
    let idle = tokio::spawn(async move {
        idle.closed().await;
        start.elapsed().as_millis()
    });
    let busy = tokio::spawn(async move {
        assert_eq!(next_phase(&mut busy).await, Phase::Closing);
        assert_eq!(next_phase(&mut busy).await, Phase::Closed);
        (next_phase(&mut busy).await, start.elapsed().as_secs())
    });
    tracker.shut_down(&shut_gate(9)).await;
    assert_eq!(start.elapsed().as_secs(), 9);
    assert!((500..510).contains(&idle.await.unwrap()));
    assert_eq!(busy.await.unwrap(), (Phase::Aborted(EndReason::Shutdown), 9));
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_with_the_last_connection() {
    let start = Instant::now();
    ConnectionTracker::new().shut_down(&shut_gate(9)).await;
    assert_eq!(start.elapsed().as_millis(), 0);

    let tracker = ConnectionTracker::new();
    let connections = [100, 3000].map(|millis| (millis, tracker.track()));
    for (millis, connection) in connections {
        tokio::spawn(async move {
            sleep(Duration::from_millis(millis)).await;
            drop(connection);
        });
    }
    assert_eq!(tracker.len(), 2);
    tracker.shut_down(&shut_gate(9)).await;
    assert_eq!(start.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_tracker_aborts_its_connections() {
    let aborted = Phase::Aborted(EndReason::Dropped);
    let tracker = ConnectionTracker::new();
    let mut connection = tracker.track();
    drop(tracker);
    assert_eq!(next_phase(&mut connection).await, aborted);
    connection.closed().await;

    let tracker = ConnectionTracker::new();
    let mut connection = tracker.track();
    let gate = shut_gate(9);
    assert!(timeout(Duration::from_secs(1), tracker.shut_down(&gate)).await.is_err());
    assert_eq!(connection.phase(), aborted, "its shutdown was cancelled");
    assert_eq!(next_phase(&mut connection).await, aborted);
}
