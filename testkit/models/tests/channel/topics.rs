//! Readers of topics: each gets the events of its topics and no others.

use std::task::{Context, Waker};

use lasse_core::{Channel, Event, LastEventId, Subscriber, Topic, TopicFilter};
use loom::thread::spawn;

use super::{dispatch, model_places, read, reader, run};

const TEA: Topic = Topic::from_static("tea");
const CAKE: Topic = Topic::from_static("cake");

fn subscribe(channel: &Channel, topic: Topic, shard: usize) -> Subscriber {
    let filter = TopicFilter::from(topic);
    reader(channel.subscribe_to(&filter, &LastEventId::Absent), shard)
}

fn publish_to(channel: &Channel, topic: &Topic, data: &'static str) {
    channel.publish_to(topic, Event::new(data)).unwrap();
}

#[test]
fn a_reader_receives_all_events_of_its_topic_and_no_others() {
    model_places(|channel| {
        let mut subscriber = subscribe(&channel, TEA, 0);
        let publisher = run(&channel, |channel| {
            publish_to(channel, &TEA, "1");
            publish_to(channel, &CAKE, "2");
            publish_to(channel, &TEA, "3");
        });
        read(&mut subscriber, "13");
        publisher.join().unwrap();
    });
}

#[test]
fn readers_of_one_topic_receive_an_event_each() {
    model_places(|channel| {
        let [mut first, mut second] = [0, 0].map(|shard| subscribe(&channel, TEA, shard));
        let reader = spawn(move || read(&mut second, "1"));
        let publisher = run(&channel, |channel| publish_to(channel, &TEA, "1"));
        read(&mut first, "1");
        publisher.join().unwrap();
        reader.join().unwrap();
    });
}

#[test]
fn a_reader_that_leaves_takes_no_wake_from_another() {
    model_places(|channel| {
        let [mut leaving, mut subscriber] = [0, 0].map(|shard| subscribe(&channel, TEA, shard));
        let leaving = spawn(move || {
            let _ = leaving.poll_read(&mut Context::from_waker(Waker::noop()));
        });
        let publisher = run(&channel, |channel| publish_to(channel, &TEA, "1"));
        read(&mut subscriber, "1");
        publisher.join().unwrap();
        leaving.join().unwrap();
    });
}

#[test]
fn a_dispatcher_wakes_the_readers_of_a_topic() {
    model_places(|channel| {
        let dispatcher = channel.dispatcher().unwrap();
        let mut subscriber = subscribe(&channel, TEA, 0);
        let dispatcher = spawn(move || dispatch(dispatcher));
        let publisher = run(&channel, |channel| publish_to(channel, &TEA, "1"));
        read(&mut subscriber, "1");
        publisher.join().unwrap();
        drop((channel, subscriber));
        dispatcher.join().unwrap();
    });
}

#[test]
fn publishers_do_the_work_of_a_dispatcher_that_leaves() {
    model_places(|channel| {
        let dispatcher = channel.dispatcher().unwrap();
        let mut subscriber = subscribe(&channel, TEA, 0);
        let publisher = run(&channel, |channel| publish_to(channel, &TEA, "1"));
        let leaving = spawn(move || drop(dispatcher));
        read(&mut subscriber, "1");
        publisher.join().unwrap();
        leaving.join().unwrap();
    });
}
