//! Which readers are woken, and when.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::task::{Context, Poll};

use super::waiters::{Standing, Waiters};
use super::wakers::{WakePanic, Wakers};
use super::*;

/// The settings for readers at home, and for readers in shards.
fn both(config: &ChannelConfig) -> [ChannelConfig; 2] {
    [config.clone(), in_shards(config.clone())]
}

#[test]
fn a_reader_that_waits_is_woken_once_for_several_events() {
    for config in both(&keeping(10)) {
        let news = channel(config.clone());
        let (wakes, waker) = WakeCount::new();
        let mut cx = Context::from_waker(&waker);
        let mut readers: Vec<_> = (0..1000).map(|_| join(&news, &LastEventId::Absent)).collect();
        for reader in &mut readers {
            assert_eq!(reader.poll_wake(&mut cx), Poll::Ready(()), "there is an opening");
            reader.first_frames();
            assert_eq!(reader.poll_wake(&mut cx), Poll::Pending);
            assert_eq!(reader.poll_wake(&mut cx), Poll::Pending);
        }
        publish(&news, 1..=3);
        assert_eq!(wakes.get(), 1000);
        for reader in &mut readers {
            assert_eq!(reader.poll_wake(&mut cx), Poll::Ready(()));
            assert!(read(reader).ends_with("id: k-3\n\n"));
            assert_eq!(reader.poll_wake(&mut cx), Poll::Pending);
        }
        readers.truncate(10);
        news.finish();
        assert_eq!(wakes.get(), 1010);
        assert_eq!(news.stats().subscribers, 10);
        assert_eq!(readers[0].poll_wake(&mut cx), Poll::Ready(()));
    }
}

#[test]
fn a_waker_that_panics_does_not_keep_others_from_being_woken() {
    for config in both(&keeping(10)) {
        for has_dispatcher in [false, true] {
            let news = channel(config.clone());
            let panics = Waker::from(Arc::new(Run(Box::new(|| panic!("of the test")))));
            let (wakes, waker) = WakeCount::new();
            let mut readers: Vec<_> = (0..200).map(|_| join_at_end(&news)).collect();
            for (n, reader) in readers.iter_mut().enumerate() {
                let waker = if n % 70 == 3 { &panics } else { &waker };
                assert!(reader.poll_wake(&mut Context::from_waker(waker)).is_pending());
            }
            let mut dispatcher = news.dispatcher().filter(|_| has_dispatcher);
            let mut panics = 0;
            if catch_unwind(AssertUnwindSafe(|| publish(&news, 1..=1))).is_err() {
                panics += 1;
            }
            while let Some(dispatcher) = &mut dispatcher {
                match catch_unwind(AssertUnwindSafe(|| dispatcher.wake_some())) {
                    Ok(false) => break,
                    Ok(true) => {}
                    Err(_) => panics += 1,
                }
            }
            assert_eq!(wakes.get(), 197, "dispatcher: {has_dispatcher}");
            assert_eq!(panics, if has_dispatcher { 3 } else { 1 }, "the panic reaches the caller");
        }
    }
}

#[test]
fn a_publisher_wakes_the_readers_that_waited_when_it_published_and_no_others() {
    for config in both(&keeping(10)) {
        let news = channel(config.clone());
        let reader = Arc::new(Mutex::new(join_at_end(&news)));
        let (wakes, _) = WakeCount::new();
        let dispatchers = Mutex::new(Vec::new());
        // Waits again each time, and makes another publisher call it.
        let waker = Arc::new_cyclic(|itself: &Weak<Run>| {
            let (itself, news) = (itself.clone(), news.clone());
            let (wakes, reader) = (Arc::clone(&wakes), Arc::clone(&reader));
            Run(Box::new(move || {
                wakes.0.fetch_add(1, Ordering::Relaxed);
                if wakes.get() < 10 {
                    dispatchers.lock().unwrap().extend(news.dispatcher());
                    let mut reader = reader.lock().unwrap();
                    while let Read::Events(_) = reader.read() {}
                    let waker = Waker::from(itself.upgrade().unwrap());
                    assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
                    publish(&news, 1..=1);
                }
            }))
        });
        let waker = Waker::from(waker);
        assert!(reader.lock().unwrap().poll_wake(&mut Context::from_waker(&waker)).is_pending());
        publish(&news, 1..=1);
        assert_eq!(wakes.get(), 1);
    }
}

#[test]
fn a_reader_is_not_woken_without_news() {
    for config in both(&keeping(10)) {
        let answer = channel(config.clone());
        let (wakes, waker) = WakeCount::new();
        let mut reader = join_at_end(&answer);
        assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
        answer.publish(Event::new("").with_id(id("k-7"))).unwrap_err();
        answer.clear();
        answer.advance(at(1));
        assert_eq!(wakes.get(), 0);
        answer.finish();
        answer.finish();
        assert_eq!(wakes.get(), 1);
    }
}

#[test]
fn a_dropped_reader_is_not_woken_and_its_waker_is_dropped() {
    for config in both(&keeping(10)) {
        let news = channel(config.clone());
        let (wakes, waker) = WakeCount::new();
        for _ in 0..1000 {
            let mut reader = join_at_end(&news);
            assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
        }
        publish(&news, 1..=1);
        assert_eq!((wakes.get(), Arc::strong_count(&wakes)), (0, 2));
    }
}

#[test]
fn a_dispatcher_wakes_instead_of_publish() {
    for config in both(&ChannelConfig::new().with_linger(Duration::from_millis(5))) {
        let news = channel(config.clone());
        let mut dispatcher = news.dispatcher().unwrap();
        assert!(news.dispatcher().is_none(), "there is one");
        assert_eq!(dispatcher.linger(), Duration::from_millis(5));
        let ((wakes, waker), (own_wakes, own_waker)) = (WakeCount::new(), WakeCount::new());
        let (mut cx, mut own_cx) = (Context::from_waker(&waker), Context::from_waker(&own_waker));
        assert!(dispatcher.poll_due(at(0), &mut own_cx).is_pending());
        publish(&news, 1..=1);
        assert_eq!(own_wakes.get(), 0, "no reader waits");

        let mut readers: Vec<_> = (0..100).map(|_| join_at_end(&news)).collect();
        for reader in &mut readers {
            assert!(reader.poll_wake(&mut cx).is_pending());
        }
        publish(&news, 2..=5);
        assert_eq!((wakes.get(), own_wakes.get()), (0, 1));
        assert_eq!(dispatcher.poll_due(at(0), &mut own_cx), Poll::Ready(true));
        assert!(dispatcher.wake_some());
        assert_eq!(wakes.get(), 64);
        assert!(!dispatcher.wake_some());
        assert_eq!(wakes.get(), 100);
        assert!(dispatcher.poll_due(at(0), &mut own_cx).is_pending());

        for reader in &mut readers {
            read(reader);
            assert!(reader.poll_wake(&mut cx).is_pending());
        }
        publish(&news, 6..=6);
        drop(dispatcher);
        assert_eq!(wakes.get(), 200, "a dispatcher that is dropped wakes the rest");
        let mut dispatcher = news.dispatcher().unwrap();
        assert!(dispatcher.poll_due(at(0), &mut own_cx).is_pending());
        drop((readers, news));
        assert_eq!(own_wakes.get(), 3);
        assert_eq!(dispatcher.poll_due(at(0), &mut own_cx), Poll::Ready(false));
    }
}

#[test]
fn a_dispatcher_sets_the_time() {
    let retention = Retention::new().with_age(Duration::from_secs(16));
    let news = channel(ChannelConfig::new().with_retention(retention));
    let mut dispatcher = news.dispatcher().unwrap();
    let (wakes, waker) = WakeCount::new();
    let mut cx = Context::from_waker(&waker);
    assert!(dispatcher.poll_due(at(0), &mut cx).is_pending());
    assert_eq!(dispatcher.deadline(), None);
    publish(&news, 1..=1);
    assert_eq!(wakes.get(), 1, "because there is a deadline now");
    assert!(dispatcher.poll_due(at(1), &mut cx).is_pending());
    assert_eq!(dispatcher.deadline(), Some(at(1 + 1 + 16)));
    assert!(dispatcher.poll_due(at(18), &mut cx).is_pending());
    assert_eq!((news.stats().events, dispatcher.deadline()), (0, None));
}

#[test]
fn a_publisher_that_wakes_a_crowd_does_not_wait_for_readers_that_others_have_to_wake() {
    for config in both(&keeping(1_000)) {
        let news = channel(config);
        let join_first_shard = || {
            let mut reader = join_at_end(&news);
            reader.set_shard(0);
            reader
        };
        let (again, crowd) = (Arc::new(Mutex::new(join_first_shard())), WakeCount::new());
        let dispatchers = Arc::new(Mutex::new(Vec::new()));
        let (calls, _) = WakeCount::new();
        // Has a dispatcher wake from now on, and waits again for what it publishes.
        let waker = Arc::new_cyclic(|itself: &Weak<Run>| {
            let (itself, news) = (itself.clone(), news.clone());
            let (again, dispatchers, calls) =
                (Arc::clone(&again), Arc::clone(&dispatchers), Arc::clone(&calls));
            Run(Box::new(move || {
                calls.0.fetch_add(1, Ordering::Relaxed);
                dispatchers.lock().unwrap().extend(news.dispatcher());
                let mut reader = again.lock().unwrap();
                while let Read::Events(_) = reader.read() {}
                let waker = Waker::from(itself.upgrade().unwrap());
                assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
                publish(&news, 2..=2);
            }))
        });
        let waker = Waker::from(waker);
        assert!(again.lock().unwrap().poll_wake(&mut Context::from_waker(&waker)).is_pending());
        let mut readers: Vec<_> = (0..100).map(|_| join_first_shard()).collect();
        for reader in &mut readers {
            assert!(reader.poll_wake(&mut Context::from_waker(&crowd.1)).is_pending());
        }
        publish(&news, 1..=1);
        assert_eq!((calls.get(), crowd.0.get()), (1, 100));
    }
}

#[test]
fn a_task_that_waits_apart_is_due_from_its_call_until_the_next_turn() {
    let mut waiters = Waiters::default();
    let [one, other] = [(); 2].map(|()| waiters.join());
    let wait = |waiters: &mut Waiters, ticket| {
        assert!(waiters.wait_apart(ticket, Waker::noop().clone()).is_none());
    };
    let wake = |waiters: &mut Waiters, turn| {
        let mut wakers = Wakers::default();
        waiters.take_due(10, turn, &mut wakers);
        wakers.wake(&mut WakePanic::default())
    };
    assert_eq!(waiters.standing(one, 1), Standing::Elsewhere, "it has not waited");
    [one, other].into_iter().for_each(|ticket| wait(&mut waiters, ticket));
    assert_eq!(waiters.standing(one, 1), Standing::Waits);
    waiters.call_one(one);
    let standings = |waiters: &Waiters, turn| [one, other].map(|one| waiters.standing(one, turn));
    assert_eq!(standings(&waiters, 1), [Standing::IsDue, Standing::Waits]);
    waiters.call_one(other);
    assert_eq!(standings(&waiters, 1), [Standing::IsDue, Standing::IsDue]);
    let turn = (3 << 32) + 7;
    assert_eq!(wake(&mut waiters, turn), 2);
    assert_eq!(standings(&waiters, turn), [Standing::IsDue; 2]);
    for later in [turn + 1, (4 << 32) + 7, 7] {
        assert_eq!(standings(&waiters, later), [Standing::Elsewhere; 2]);
    }
    wait(&mut waiters, one);
    assert_eq!(standings(&waiters, turn), [Standing::Waits, Standing::IsDue]);
}

#[test]
fn slots_are_counted_and_their_memory_is_freed_with_the_last() {
    let mut waiters = Waiters::default();
    let tickets: Vec<_> = (0..3).map(|_| waiters.join()).collect();
    for (n, ticket) in tickets.into_iter().enumerate() {
        assert_eq!(waiters.taken(), 3 - n as u32);
        assert!(waiters.leave(ticket).is_none());
    }
    assert_eq!(waiters.taken(), 0);
    assert_eq!(format!("{waiters:?}"), format!("{:?}", Waiters::default()));
}
