//! Readers of all events of a channel.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use lasse_core::{Channel, LastEventId, Subscriber};
use loom::thread::spawn;

use super::{dispatch, model_places, publish, read, reader, run};

fn subscribe(channel: &Channel, shard: usize) -> Subscriber {
    reader(channel.subscribe(&LastEventId::Absent), shard)
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        resume_unwind(Box::new("a waker panics"));
    }
}

#[test]
fn a_reader_receives_the_events_of_two_publishers() {
    model_places(|channel| {
        let mut subscriber = subscribe(&channel, 0);
        let publishers = [run(&channel, publish), run(&channel, publish)];
        read(&mut subscriber, "xx");
        publishers.into_iter().for_each(|publisher| publisher.join().unwrap());
    });
}

#[test]
fn two_readers_receive_an_event_each() {
    model_places(|channel| {
        let [mut first, mut second] = [0, 1].map(|shard| subscribe(&channel, shard));
        let reader = spawn(move || read(&mut second, "x"));
        let publisher = run(&channel, publish);
        read(&mut first, "x");
        publisher.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn publishers_do_the_work_of_a_dispatcher_that_leaves() {
    model_places(|channel| {
        let dispatcher = channel.dispatcher().unwrap();
        let mut subscriber = subscribe(&channel, 0);
        let publisher = run(&channel, |channel| {
            publish(channel);
            publish(channel);
        });
        let leaving = spawn(move || drop(dispatcher));
        read(&mut subscriber, "xx");
        publisher.join().unwrap();
        leaving.join().unwrap();
    });
}

#[test]
fn a_dispatcher_wakes_the_readers_and_ends_with_its_channel() {
    model_places(|channel| {
        let dispatcher = channel.dispatcher().unwrap();
        let mut subscriber = subscribe(&channel, 0);
        let dispatcher = spawn(move || dispatch(dispatcher));
        let publisher = run(&channel, publish);
        read(&mut subscriber, "x");
        publisher.join().unwrap();
        drop((channel, subscriber));
        dispatcher.join().unwrap();
    });
}

#[test]
fn a_waker_that_panics_keeps_no_reader_from_being_woken() {
    model_places(|channel| {
        let mut panicking = subscribe(&channel, 0);
        let waker = Waker::from(Arc::new(Panics));
        assert!(panicking.poll_read(&mut Context::from_waker(&waker)).is_pending());
        let mut subscriber = subscribe(&channel, 0);
        let publisher = run(&channel, |channel| {
            let published = catch_unwind(AssertUnwindSafe(|| publish(channel)));
            assert!(published.is_err(), "its waker is woken once");
        });
        read(&mut subscriber, "x");
        publisher.join().unwrap();
        read(&mut panicking, "x");
    });
}

#[test]
fn a_reader_that_leaves_takes_no_wake_from_another() {
    model_places(|channel| {
        let [leaving, mut subscriber] = [0, 0].map(|shard| subscribe(&channel, shard));
        let leaving = spawn(move || {
            let mut leaving = leaving;
            let _ = leaving.poll_read(&mut Context::from_waker(Waker::noop()));
        });
        let publisher = run(&channel, publish);
        read(&mut subscriber, "x");
        publisher.join().unwrap();
        leaving.join().unwrap();
        assert_eq!(channel.stats().subscribers, 1);
    });
}
