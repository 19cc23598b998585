//! The shards of a busy channel.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::task::{Context, Poll};

use super::*;
use crate::log::ResetReason;

/// A reader that waits in a shard, and how often it was woken.
struct Waiting {
    reader: Subscriber,
    wakes: Arc<WakeCount>,
    waker: Waker,
}

impl Waiting {
    fn new(channel: &Channel, shard: usize) -> Self {
        let (wakes, waker) = WakeCount::new();
        let mut reader = join_at_end(channel);
        reader.set_shard(shard);
        let mut waiting = Self { reader, wakes, waker };
        assert_eq!(waiting.poll(), "");
        waiting
    }

    /// Reads until the reader waits.
    fn poll(&mut self) -> String {
        let mut cx = Context::from_waker(&self.waker);
        let mut received = String::new();
        loop {
            match self.reader.poll_read(&mut cx) {
                Poll::Pending => return received,
                Poll::Ready(Read::Events(frame)) => received += &text([frame]),
                Poll::Ready(other) => return format!("{received}{other:?}"),
            }
        }
    }

    fn wakes(&self) -> usize {
        self.wakes.get()
    }
}

fn poll_due(dispatcher: &mut Dispatcher, waker: &Waker) -> Poll<bool> {
    dispatcher.poll_due(at(0), &mut Context::from_waker(waker))
}

#[test]
fn the_readers_of_each_shard_are_woken_by_its_dispatcher() {
    let news = channel(in_shards(keeping(10)));
    let mut waiting = [0, 0, 1].map(|shard| Waiting::new(&news, shard));
    let channel_dispatcher = news.dispatcher().unwrap();
    let mut dispatchers = channel_dispatcher.take_shards();
    assert_eq!((dispatchers.len(), channel_dispatcher.take_shards().len()), (2, 0));
    assert!(news.shard_dispatcher(1).is_none(), "it is taken");
    let called: Vec<_> = dispatchers.iter().map(|_| WakeCount::new()).collect();
    let calls = || called.iter().map(|(calls, _)| calls.get()).collect::<Vec<_>>();
    for (dispatcher, (_, waker)) in dispatchers.iter_mut().zip(&called) {
        assert!(poll_due(dispatcher, waker).is_pending());
        assert_eq!(dispatcher.deadline(), None);
    }
    publish(&news, 1..=1);
    publish(&news, 2..=2);
    assert_eq!(calls(), [1, 1], "one call for both events");
    assert_eq!(waiting.each_ref().map(Waiting::wakes), [0, 0, 0]);
    assert_eq!(poll_due(&mut dispatchers[0], &called[0].1), Poll::Ready(true));
    assert!(!dispatchers[0].wake_some());
    assert_eq!(waiting.each_ref().map(Waiting::wakes), [1, 1, 0]);
    let expected = "data: 1\nid: k-1\n\ndata: 2\nid: k-2\n\n";
    assert_eq!(waiting.each_mut().map(Waiting::poll), [expected; 3]);
    assert!(poll_due(&mut dispatchers[0], &called[0].1).is_pending());
    publish(&news, 3..=3);
    assert_eq!(calls(), [2, 1], "the other is still called");
    while dispatchers[0].wake_some() {}
    assert!(poll_due(&mut dispatchers[0], &called[0].1).is_pending());
    drop((waiting, news));
    assert_eq!(calls(), [3, 1], "it can end");
    assert_eq!(poll_due(&mut dispatchers[1], &called[1].1), Poll::Ready(false));
}

#[test]
fn without_a_dispatcher_publish_wakes_the_readers_of_all_shards() {
    let news = channel(in_shards(keeping(10)));
    let mut waiting: Vec<_> = (0..300).map(|n| Waiting::new(&news, n)).collect();
    for round in 1..=2 {
        publish(&news, round..=round);
        for waiting in &mut waiting {
            assert_eq!((waiting.wakes() as u64, waiting.poll().is_empty()), (round, false));
        }
    }
    assert_eq!(news.stats().subscribers, 300);
}

#[test]
fn the_dispatcher_of_the_channel_wakes_the_shards_that_have_none() {
    let news = channel(in_shards(keeping(10)));
    let waiting: Vec<_> = (0..200).map(|n| Waiting::new(&news, n)).collect();
    let woken = || waiting.iter().map(Waiting::wakes).sum::<usize>();
    let mut dispatcher = news.dispatcher().unwrap();
    let (calls, waker) = WakeCount::new();
    assert!(poll_due(&mut dispatcher, &waker).is_pending());
    let of_shard = news.shard_dispatcher(1).unwrap();
    publish(&news, 1..=1);
    assert_eq!((calls.get(), woken()), (1, 0));
    assert_eq!(poll_due(&mut dispatcher, &waker), Poll::Ready(true));
    while dispatcher.wake_some() {}
    assert_eq!(woken(), 100, "those of the shard without a dispatcher");
    assert!(poll_due(&mut dispatcher, &waker).is_pending());
    drop(of_shard);
    assert_eq!(calls.get(), 2, "it takes over");
    assert_eq!(poll_due(&mut dispatcher, &waker), Poll::Ready(true));
    assert!(dispatcher.wake_some());
    drop(dispatcher);
    assert_eq!(woken(), 200, "whoever drops the last dispatcher wakes the rest");
}

#[test]
fn the_dispatcher_of_the_channel_has_more_to_wake_while_a_shard_has() {
    let news = channel(in_shards(keeping(10)));
    let waiting = [0, 1].map(|shard| Waiting::new(&news, shard));
    let mut dispatcher = news.dispatcher().unwrap();
    publish(&news, 1..=1);
    assert_eq!(poll_due(&mut dispatcher, Waker::noop()), Poll::Ready(true));
    assert!(dispatcher.wake_some(), "the other shard");
    assert!(!dispatcher.wake_some());
    assert_eq!(waiting.each_ref().map(Waiting::wakes), [1, 1]);
}

#[test]
fn readers_move_when_a_channel_becomes_busy_and_none_is_lost_or_woken_twice() {
    let news = channel(keeping(10).with_shards(2).with_shards_above(2));
    let mut waiting = Vec::from([0, 1].map(|shard| Waiting::new(&news, shard)));
    waiting.push(Waiting::new(&news, 0));
    assert!(news.0.shards().is_some());
    for round in 1..=3 {
        publish(&news, round..=round);
        for waiting in &mut waiting {
            assert_eq!(waiting.wakes() as u64, round);
            assert_eq!(waiting.poll(), format!("data: {round}\nid: k-{round}\n\n"));
        }
    }
    drop(waiting);
    assert_eq!((news.stats().subscribers, news.stats().bytes_in_flight > 0), (0, true));
}

#[test]
fn a_reader_that_reads_before_it_is_woken_is_woken_early_and_still_woken_for_the_next_event() {
    let news = channel(in_shards(keeping(10)));
    let mut waiting = Waiting::new(&news, 0);
    let mut dispatcher = news.shard_dispatcher(0).unwrap();
    publish(&news, 1..=1);
    assert_eq!(waiting.poll(), "data: 1\nid: k-1\n\n");
    assert!(!dispatcher.wake_some());
    assert_eq!((waiting.wakes(), waiting.poll()), (1, String::new()));
    publish(&news, 2..=2);
    assert!(!dispatcher.wake_some());
    assert_eq!(waiting.wakes(), 2);
}

#[test]
fn a_reader_that_waits_again_while_others_are_woken_is_not_due_with_them() {
    let news = channel(in_shards(keeping(10)));
    let mut waiting: Vec<_> = (0..65).map(|_| Waiting::new(&news, 0)).collect();
    let mut dispatcher = news.shard_dispatcher(0).unwrap();
    publish(&news, 1..=1);
    assert!(dispatcher.wake_some());
    assert_eq!(waiting[64].poll(), "data: 1\nid: k-1\n\n");
    assert!(!dispatcher.wake_some());
    assert_eq!(waiting[64].wakes(), 0, "it has read the event");
    publish(&news, 2..=2);
    assert!(!dispatcher.wake_some());
    assert_eq!(waiting[64].wakes(), 1);
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_woken() {
    for config in [keeping(10), in_shards(keeping(10))] {
        let news = channel(config);
        let mut waiting = Waiting::new(&news, 0);
        publish(&news, 1..=1);
        let (wakes, waker) = WakeCount::new();
        assert_eq!(waiting.poll(), "data: 1\nid: k-1\n\n");
        let first = std::mem::replace(&mut waiting.waker, waker);
        assert_eq!((waiting.poll(), Arc::strong_count(&waiting.wakes)), (String::new(), 2));
        publish(&news, 2..=2);
        assert_eq!((waiting.wakes(), wakes.get()), (1, 1));
        drop(first);
    }
}

#[test]
fn a_poll_without_news_takes_no_lock() {
    for config in [keeping(10), in_shards(keeping(10))] {
        let news = channel(config);
        let mut reader = join_at_end(&news);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(reader.poll_read(&mut cx).is_pending());
        let shards: Vec<_> = news.0.each_shard().map(|shard| shard.lock()).collect();
        let state = news.0.lock();
        assert!(reader.poll_read(&mut cx).is_pending());
        assert!(reader.poll_wake(&mut cx).is_pending());
        drop((state, shards));
    }
}

#[test]
fn readers_of_a_shard_share_a_slice_of_the_log() {
    let news = channel(in_shards(keeping(3)).with_read_budget(40));
    let mut waiting = [0, 0, 1].map(|shard| Waiting::new(&news, shard));
    publish(&news, 1..=3);
    for waiting in &mut waiting {
        for expected in ["data: 1\nid: k-1\n\ndata: 2\nid: k-2\n\n", "data: 3\nid: k-3\n\n"] {
            assert_eq!(read(&mut waiting.reader), expected);
        }
    }
    assert!(news.stats().bytes_in_flight < 100, "{:?}", news.stats());
    publish(&news, 4..=4);
    assert_eq!(read(&mut waiting[0].reader), "data: 4\nid: k-4\n\n");
    publish(&news, 5..=5);
    assert_eq!(read(&mut waiting[1].reader), "data: 4\nid: k-4\n\ndata: 5\nid: k-5\n\n");
    assert_eq!(read(&mut waiting[0].reader), "data: 5\nid: k-5\n\n");
    publish(&news, 6..=8);
    assert_eq!(read(&mut waiting[2].reader), "Lagged", "although shards keep slices");
    publish(&news, 9..=9);
    assert_eq!(read(&mut waiting[1].reader), "Lagged", "the slice that begins there has gone");
}

#[test]
fn a_channel_that_is_cleared_keeps_no_slices() {
    let news = channel(in_shards(keeping(10)));
    let mut waiting = [0, 1].map(|shard| Waiting::new(&news, shard));
    publish(&news, 1..=1);
    assert_ne!(waiting[0].poll(), "");
    assert_ne!(news.stats().bytes_in_flight, 0);
    news.clear();
    assert_eq!(news.stats().bytes_in_flight, 0);
    assert_eq!(waiting[1].poll(), "Lagged");
    assert_eq!(news.stats().resets(ResetReason::Lagged), 1);
}

#[test]
fn a_reader_in_a_shard_is_reset_at_a_hole_and_reads_on() {
    let news = channel(in_shards(keeping(10)));
    let mut waiting = [0, 0].map(|shard| Waiting::new(&news, shard));
    publish(&news, 1..=1);
    news.publish_hole().unwrap();
    publish(&news, 3..=3);
    let data = "{\"reason\":\"hole\",\"requested\":null,\"resumed_at\":\"k-2\"}";
    let reset = format!("event: reset\ndata: {data}\nid: k-2\n\n");
    for waiting in &mut waiting {
        let expected = format!("data: 1\nid: k-1\n\n{reset}data: 3\nid: k-3\n\n");
        assert_eq!((waiting.wakes(), waiting.poll()), (1, expected));
    }
}

#[test]
fn a_reader_that_leaves_while_it_is_due_is_not_woken() {
    let news = channel(in_shards(keeping(10)));
    let mut waiting: Vec<_> = (0..3).map(|_| Waiting::new(&news, 0)).collect();
    let mut dispatcher = news.shard_dispatcher(0).unwrap();
    publish(&news, 1..=1);
    let left = waiting.remove(1);
    let wakes = Arc::clone(&left.wakes);
    drop(left);
    assert!(!dispatcher.wake_some());
    assert_eq!((wakes.get(), Arc::strong_count(&wakes)), (0, 1));
    assert_eq!(waiting.iter().map(Waiting::wakes).collect::<Vec<_>>(), [1, 1]);
    drop(waiting);
    publish(&news, 2..=2);
    assert!(!dispatcher.wake_some());
    assert_eq!(news.stats().bytes_in_flight, 0, "no shard without readers keeps a slice");
}

#[test]
fn a_waker_that_panics_keeps_no_reader_of_any_shard_from_being_woken() {
    let news = channel(in_shards(keeping(10)));
    let panics = Waker::from(Arc::new(Run(Box::new(|| panic!("of the test")))));
    let mut readers = [0, 1].map(|shard| {
        let mut reader = join_at_end(&news);
        reader.set_shard(shard);
        assert!(reader.poll_wake(&mut Context::from_waker(&panics)).is_pending());
        reader
    });
    let waiting = [0, 1].map(|shard| Waiting::new(&news, shard));
    assert!(catch_unwind(AssertUnwindSafe(|| publish(&news, 1..=1))).is_err());
    assert_eq!(waiting.each_ref().map(Waiting::wakes), [1, 1]);
    assert!(readers.iter_mut().all(|reader| read(reader).starts_with("data: 1")));
}

#[test]
fn all_shards_have_the_end_of_a_channel() {
    let news = channel(in_shards(keeping(10)));
    let mut waiting = [0, 1].map(|shard| Waiting::new(&news, shard));
    news.finish_with(Event::new("bye")).unwrap();
    for waiting in &mut waiting {
        let expected = "data: bye\nid: k-1\n\nOver(Finished)";
        assert_eq!((waiting.wakes(), waiting.poll()), (1, expected.into()));
    }
}

#[test]
fn readers_wait_in_the_shard_of_their_thread_and_stay_there() {
    use std::cell::Cell;
    std::thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(3) };
    }
    let config = in_shards(keeping(10)).with_thread_number(|| NUMBER.with(Cell::get));
    let news = channel(config);
    let (wakes, waker) = WakeCount::new();
    let mut reader = join_at_end(&news);
    assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
    NUMBER.with(|number| number.set(2));
    publish(&news, 1..=1);
    read(&mut reader);
    assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
    let mut dispatchers = [0, 1].map(|shard| news.shard_dispatcher(shard).unwrap());
    publish(&news, 2..=2);
    for (dispatcher, expected) in dispatchers.iter_mut().zip([1, 2]) {
        dispatcher.wake_some();
        assert_eq!(wakes.get(), expected);
    }
}

#[test]
fn a_subscriber_takes_40_bytes_and_a_shard_256() {
    // With more, a stream of lasse-tokio takes another 200 bytes of glibc's heap.
    assert_eq!(size_of::<Subscriber>(), 40);
    assert_eq!(size_of::<shard::Shard>(), 256);
}

#[test]
fn a_reader_that_is_ahead_is_woken_by_a_new_epoch_wherever_it_waits() {
    for config in [keeping(10), in_shards(keeping(10))] {
        let news = channel(config.with_shared_epoch(true));
        publish(&news, 1..=3);
        let (wakes, waker) = WakeCount::new();
        let mut cx = Context::from_waker(&waker);
        let mut reader = join(&news, &last("k-5"));
        for round in 0..2 {
            assert!(reader.poll_read(&mut cx).is_pending());
            assert_eq!(wakes.get(), round);
            publish(&news, 4..=4);
        }
        assert!(reader.poll_read(&mut cx).is_pending(), "it has everything");
        let mut reader = join(&news, &last("k-9"));
        assert!(reader.poll_read(&mut cx).is_pending());
        news.begin_epoch(Epoch::new("m").unwrap()).unwrap();
        assert_eq!(wakes.get(), 4);
        let Poll::Ready(Read::Events(frame)) = reader.poll_read(&mut cx) else { panic!() };
        assert!(text([frame]).starts_with("event: reset\ndata: {\"reason\":\"ahead\""));
    }
}

#[test]
fn publishers_that_meet_in_a_shard_wake_all_readers_between_them() {
    let news = channel(in_shards(keeping(10)));
    let others: Arc<Mutex<Vec<Waiting>>> = Arc::default();
    // The first reader that is woken polls 60 that are woken with it, and publishes again.
    let (channel, polled) = (news.clone(), Arc::clone(&others));
    let calls = AtomicUsize::new(0);
    let waker = Waker::from(Arc::new(Run(Box::new(move || {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            let mut polled = polled.lock().unwrap();
            polled.iter_mut().take(60).for_each(|waiting| drop(waiting.poll()));
            publish(&channel, 2..=2);
        }
    }))));
    let mut first = join_at_end(&news);
    first.set_shard(0);
    assert!(first.poll_read(&mut Context::from_waker(&waker)).is_pending());
    others.lock().unwrap().extend((0..99).map(|_| Waiting::new(&news, 0)));
    publish(&news, 1..=1);
    for (nth, waiting) in others.lock().unwrap().iter().enumerate() {
        assert_eq!(waiting.wakes(), if nth < 60 { 2 } else { 1 }, "reader {nth}");
    }
}
