//! Readers of topics in the shards of a busy channel.

use std::task::{Context, Poll};

use super::topics::{filter, join_to, publish_to};
use super::*;
use crate::topic::{Topic, TopicFilter};

/// A reader of topics in a shard, which is polled only after it was woken.
struct Tuned {
    reader: Subscriber,
    wakes: Arc<WakeCount>,
    waker: Waker,
    polled_at: Option<usize>,
}

impl Tuned {
    fn new(channel: &Channel, topics: &[&str], shard: usize) -> Self {
        let (wakes, waker) = WakeCount::new();
        let mut reader = join_to(channel, &filter(topics), &LastEventId::Absent);
        reader.first_frames();
        reader.set_shard(shard);
        let mut tuned = Self { reader, wakes, waker, polled_at: None };
        assert_eq!(tuned.poll(), "");
        tuned
    }

    /// What is read until the reader waits, if it was woken since the last call.
    fn poll(&mut self) -> String {
        let mut received = String::new();
        if self.polled_at.replace(self.wakes.get()) == Some(self.wakes.get()) {
            return received;
        }
        let mut cx = Context::from_waker(&self.waker);
        loop {
            match self.reader.poll_read(&mut cx) {
                Poll::Pending => return received,
                Poll::Ready(Read::Events(frame)) => received += &text([frame]),
                Poll::Ready(other) => return format!("{received}{other:?}"),
            }
        }
    }
}

fn event(number: u64) -> String {
    format!("data: {number}\nid: k-{number}\n\n")
}

fn is_called(dispatcher: &mut Dispatcher) -> bool {
    dispatcher.poll_due(at(0), &mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn only_the_dispatchers_of_shards_that_want_an_event_are_called() {
    let rooms = channel(in_shards(keeping(10)));
    let mut dispatchers = [0, 1].map(|shard| rooms.shard_dispatcher(shard).unwrap());
    let mut tea = Tuned::new(&rooms, &["tea", "notices"], 0);
    let mut cake = Tuned::new(&rooms, &["cake", "notices"], 1);
    let mut cakes = Tuned::new(&rooms, &["cake.*"], 1);
    let mut called = || dispatchers.each_mut().map(is_called);
    for (topic, expected) in [("tea", [true, false]), ("pie", [true, false])] {
        publish_to(&rooms, topic, topic);
        assert_eq!(called(), expected, "{topic}");
    }
    dispatchers[0].wake_some();
    assert_eq!(dispatchers.each_mut().map(is_called), [false; 2]);
    publish_to(&rooms, "cake.lemon", "x");
    assert_eq!(dispatchers.each_mut().map(is_called), [false, true]);
    dispatchers[1].wake_some();
    assert_eq!([&tea, &cake, &cakes].map(|tuned| tuned.wakes.get()), [1, 0, 1]);
    assert_eq!(tea.poll(), "data: tea\nid: k-1\n\n");
    assert_eq!(cakes.poll(), "data: x\nid: k-3\n\n");
    publish_to(&rooms, "notices", "all");
    for dispatcher in &mut dispatchers {
        assert!(!dispatcher.wake_some());
    }
    assert_eq!([&tea, &cake, &cakes].map(|tuned| tuned.wakes.get()), [2, 1, 1]);
    assert_eq!(
        (tea.poll(), cake.poll()),
        ("data: all\nid: k-4\n\n".into(), "data: all\nid: k-4\n\n".into())
    );
    drop((tea, cakes));
    publish_to(&rooms, "tea", "nobody");
    assert_eq!(dispatchers.each_mut().map(is_called), [false; 2]);
    rooms.finish();
    assert_eq!(dispatchers.each_mut().map(is_called), [false, true]);
    dispatchers[1].wake_some();
    assert!(cake.poll().ends_with("Over(Finished)"));
}

#[test]
fn a_reader_that_is_up_to_date_takes_no_lock_of_the_log() {
    let rooms = channel(in_shards(keeping(1_000)));
    let mut readers: Vec<_> =
        (0..100).map(|n| Tuned::new(&rooms, &[&format!("user.{n}"), "notices"], n % 2)).collect();
    let mut quiet = Tuned::new(&rooms, &["quiet"], 0);
    for n in 1..=50_u64 {
        publish_to(&rooms, &format!("user.{n}"), &n.to_string());
        let locked = rooms.0.lock();
        assert_eq!(readers[n as usize].poll(), event(n));
        drop(locked);
    }
    publish_to(&rooms, "notices", "51");
    let locked = rooms.0.lock();
    for reader in &mut readers {
        assert_eq!(reader.poll(), event(51), "though most were quiet for long");
        assert!(reader.reader.poll_read(&mut Context::from_waker(&reader.waker)).is_pending());
    }
    assert_eq!(quiet.wakes.get(), 0);
    drop(locked);
    publish_to(&rooms, "quiet", "52");
    assert_eq!(quiet.poll(), event(52));
}

#[test]
fn a_burst_is_read_as_the_log_would_give_it() {
    let rooms = channel(in_shards(keeping(100)));
    let mut dispatcher = rooms.shard_dispatcher(0).unwrap();
    let mut readers = [&["a"][..], &["b", "c"], &["a", "b", "c"], &["*"], &["d"]]
        .map(|topics| Tuned::new(&rooms, topics, 0));
    for (n, topic) in ["a", "a", "b", "c", "other", "a"].iter().enumerate() {
        publish_to(&rooms, topic, &(n + 1).to_string());
    }
    assert!(!dispatcher.wake_some());
    let expected = [&[1, 2, 6][..], &[3, 4], &[1, 2, 3, 4, 6], &[1, 2, 3, 4, 5, 6], &[]];
    for (reader, expected) in readers.iter_mut().zip(expected) {
        let expected: String = expected.iter().copied().map(event).collect();
        assert_eq!(reader.poll(), expected);
    }
    assert!(rooms.stats().bytes_in_flight > 0, "the shard keeps the events");
    rooms.clear();
    assert_eq!(rooms.stats().bytes_in_flight, 0);
}

#[test]
fn a_reader_lags_in_a_shard_as_it_does_at_home() {
    for config in [keeping(2), in_shards(keeping(2))] {
        let rooms = channel(config.with_lag_policy(LagPolicy::Skip));
        let mut reader = Tuned::new(&rooms, &["mine"], 0);
        publish_to(&rooms, "mine", "1");
        (2..=4).for_each(|n| publish_to(&rooms, "other", &n.to_string()));
        assert!(reader.poll().starts_with("event: reset\ndata: {\"reason\":\"lagged\""));
        publish_to(&rooms, "mine", "5");
        assert_eq!(reader.poll(), event(5));
        rooms.publish_hole().unwrap();
        publish_to(&rooms, "mine", "7");
        let received = reader.poll();
        assert!(received.starts_with("event: reset\ndata: {\"reason\":\"hole\""), "{received}");
        assert!(received.ends_with(&event(7)), "{received}");
    }
}

/// Readers, dispatchers and a publisher in a random order. At the end, only readers that were woken
/// are polled.
#[test]
fn every_reader_gets_all_events_of_its_topics_whatever_the_order() {
    for seed in 1..=400 {
        let mut world = World::new(seed);
        for _ in 0..80 {
            world.step();
        }
        world.settle();
        for watched in world.readers {
            assert_eq!(watched.received, watched.expected, "seed {seed}");
        }
    }
}

struct World {
    random: Random,
    rooms: Channel,
    shards: usize,
    dispatchers: Vec<Dispatcher>,
    readers: Vec<Watched>,
}

/// A reader, its filter, and the numbers of the events that it must receive and has received.
struct Watched {
    tuned: Tuned,
    filter: TopicFilter,
    expected: Vec<u64>,
    received: Vec<u64>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let shards = 2 + random.below(2);
        let config = keeping(10_000).with_shards(shards).with_shards_above(random.below(6));
        let rooms = channel(config.with_read_budget(20 + 40 * random.below(20)));
        let has_dispatchers = random.below(4) > 0;
        let dispatchers = (0..if has_dispatchers { shards } else { 0 })
            .map(|shard| rooms.shard_dispatcher(shard).unwrap())
            .collect();
        Self { random, rooms, shards, dispatchers, readers: Vec::new() }
    }

    fn step(&mut self) {
        match self.random.below(20) {
            0..=7 => self.publish(),
            8 => self.subscribe(),
            9 => self.set_filter(),
            10 => {
                let nth = self.random.below(self.readers.len().max(1));
                drop((nth < self.readers.len()).then(|| self.readers.swap_remove(nth)));
            }
            11..=14 if !self.dispatchers.is_empty() => {
                let nth = self.random.below(self.dispatchers.len());
                self.dispatchers[nth].wake_some();
            }
            early => {
                let nth = self.random.below(self.readers.len().max(1));
                self.readers.iter_mut().skip(nth).take(1).for_each(|watched| {
                    watched.tuned.polled_at = watched.tuned.polled_at.filter(|_| early != 15);
                    watched.poll();
                });
            }
        }
    }

    fn publish(&mut self) {
        let topics = (0..1 + self.random.below(4)).map(|_| self.topic()).collect::<Vec<_>>();
        let first = self.rooms.stats().published + 1;
        let events = topics.iter().zip(first..);
        for watched in &mut self.readers {
            let wanted = events.clone().filter(|(topic, _)| watched.filter.matches(topic));
            watched.expected.extend(wanted.map(|(_, number)| number));
        }
        let events = events.map(|(topic, number)| (topic, Event::new(number.to_string())));
        self.rooms.publish_all_to(events).unwrap();
    }

    fn subscribe(&mut self) {
        let (filter, shard) = (self.filter(), self.random.below(self.shards));
        let tuned =
            Tuned::new(&self.rooms, &filter.iter().map(String::as_str).collect::<Vec<_>>(), shard);
        self.readers.push(Watched {
            tuned,
            filter: filter_of(&filter),
            expected: Vec::new(),
            received: Vec::new(),
        });
    }

    /// Changes a filter when its reader has everything: what it has not read of a topic that it leaves
    /// is lost.
    fn set_filter(&mut self) {
        self.settle();
        let filter = filter_of(&self.filter());
        let (nth, by_handle) = (self.random.below(self.readers.len().max(1)), self.random.below(2));
        for watched in self.readers.iter_mut().skip(nth).take(1) {
            watched.filter = filter.clone();
            if by_handle == 0 {
                watched.tuned.reader.set_filter(&filter);
                watched.tuned.polled_at = None;
            } else {
                // The first poll after this registers its waker for the next filter.
                let handle = watched.tuned.reader.filter_handle();
                watched.tuned.polled_at = None;
                watched.poll();
                assert!(handle.set_filter(filter.clone()));
            }
        }
    }

    /// Runs the dispatchers and the readers that were woken.
    fn settle(&mut self) {
        for dispatcher in &mut self.dispatchers {
            while is_called(dispatcher) {
                dispatcher.wake_some();
            }
        }
        self.readers.iter_mut().for_each(Watched::poll);
    }

    fn topic(&mut self) -> Topic {
        Topic::new(format!("room.{}", self.random.below(6))).unwrap()
    }

    fn filter(&mut self) -> Vec<String> {
        match self.random.below(8) {
            0 => Vec::new(),
            1 => [String::from("room.*")].into(),
            2 => [String::from("room.*"), self.topic().to_string()].into(),
            count => (0..count).map(|_| self.topic().to_string()).collect(),
        }
    }
}

impl Watched {
    fn poll(&mut self) {
        let received = self.tuned.poll();
        let data = received.lines().filter_map(|line| line.strip_prefix("data: "));
        self.received.extend(data.filter_map(|data| data.parse::<u64>().ok()));
    }
}

fn filter_of(topics: &[String]) -> TopicFilter {
    filter(&topics.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A small generator of random numbers (xorshift), from a seed that is not zero.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % limit
    }
}
