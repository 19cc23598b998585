//! The gate and the timer queue in a runtime of four threads.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use lasse_core::{EndReason, RequestHead};
use lasse_tokio::server::TimerQueue;
use lasse_tokio::{DrainPlan, Gate, GateConfig, RejectReason, now};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_timer_is_never_early_and_never_lost() {
    let timers = TimerQueue::new();
    let mut tasks = JoinSet::new();
    for task in 0..100_u64 {
        let mut timer = timers.timer();
        tasks.spawn(async move {
            for round in 0..30 {
                let delay = Duration::from_micros((task * 37 + round * 101) % 3000);
                let deadline = now() + delay;
                poll_fn(|cx| timer.poll_until(deadline, cx)).await;
                assert!(now() >= deadline);
                if (task + round) % 7 == 0 {
                    timer.stop();
                }
                // One that is moved, and then left.
                let later = now() + Duration::from_secs(3600);
                poll_fn(|cx| Poll::Ready(timer.poll_until(later, cx).is_pending())).await;
            }
        });
    }
    let all = async {
        while let Some(task) = tasks.join_next().await {
            task.unwrap()
        }
    };
    tokio::time::timeout(Duration::from_secs(120), all).await.expect("no timer is lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn streams_that_come_and_go_during_a_drain_are_counted() {
    let gate = Gate::new(GateConfig::new().with_limit(40));
    let mut tasks = JoinSet::new();
    for task in 0..60_u64 {
        let gate = gate.clone();
        tasks.spawn(async move {
            let request = http::Request::new(());
            let mut admitted = 0_u64;
            loop {
                let permit = gate.admit(&RequestHead::from(&request));
                match permit {
                    Ok(mut permit) => {
                        admitted += 1;
                        let wait = Duration::from_micros(task * 13 % 500);
                        let signal = poll_fn(|cx| permit.poll_signal(cx));
                        let _ = tokio::time::timeout(wait, signal).await;
                        permit.record(EndReason::Stopped);
                    }
                    Err(rejected) if rejected.reason() == RejectReason::Draining => {
                        return admitted;
                    }
                    Err(_) => tokio::time::sleep(Duration::from_micros(50)).await,
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let plan = DrainPlan::new().with_notice(Duration::from_millis(5)).with_window(Duration::ZERO);
    gate.drain(&plan);
    let mut admitted = 0;
    while let Some(task) = tasks.join_next().await {
        admitted += task.unwrap();
    }
    gate.drained().await;
    let stats = gate.stats();
    assert_eq!((stats.open, stats.ended(EndReason::Stopped)), (0, admitted));
    assert!(admitted > 0);
}
