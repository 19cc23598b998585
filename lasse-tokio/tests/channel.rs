//! Channels, and tokio's clock.

use std::time::Duration;

use http::Request;
use lasse_core::Subscription;
use lasse_core::log::Read;
use lasse_core::{
    Channel, ChannelConfig, Channels, Event, EventId, LastEventId, ResetReason, Retention,
};
use lasse_tokio::{Endpoint, dispatch, idle, subscribe, sweep};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_dispatcher_drops_events_that_are_too_old() {
    let channel = with_events_of_an_hour();
    tokio::spawn(dispatch(&channel));
    sleep(minutes(50)).await;
    channel.publish(Event::new("after a long silence")).unwrap();
    sleep(minutes(59)).await;
    assert_eq!(channel.stats().events, 1);
    sleep(minutes(6)).await;
    assert_eq!(channel.stats().events, 0);
}

#[tokio::test(start_paused = true)]
async fn unused_channels_are_removed_while_they_are_swept() {
    let chats = Channels::<u32>::new(&ChannelConfig::new().with_idle_timeout(minutes(1)));
    tokio::spawn(sweep(&chats));
    let kept = chats.open(0_u32);
    (1..5000_u32).for_each(|key| drop(chats.open(key)));
    sleep(minutes(1)).await;
    assert_eq!(chats.len(), 5000);
    sleep(Duration::from_secs(11)).await;
    assert_eq!(chats.len(), 1);
    drop(kept);
}

#[tokio::test(start_paused = true)]
async fn without_a_dispatcher_each_subscriber_advances_the_time() {
    let channel = with_events_of_an_hour();
    let [first, _second] = ["1", "2"].map(|text| channel.publish(Event::new(text)).unwrap());
    reconnect(&channel, &first);
    assert_eq!(channel.stats().resumed, 1);
    sleep(minutes(59)).await;
    reconnect(&channel, &first);
    assert_eq!(channel.stats().resumed, 2);
    sleep(minutes(6)).await;
    reconnect(&channel, &first);
    assert_eq!((channel.stats().events, channel.stats().resets(ResetReason::Expired)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn events_are_collected_for_the_linger_of_a_channel() {
    let linger = Duration::from_millis(20);
    let channel = Channel::new(&ChannelConfig::new().with_linger(linger));
    tokio::spawn(dispatch(&channel));
    let Subscription::Stream(mut reader) = channel.subscribe(&LastEventId::Absent) else {
        panic!("there is room");
    };
    reader.first_frames();
    let publisher = channel.clone();
    tokio::spawn(async move {
        for text in ["one", "two", "three"] {
            publisher.publish(Event::new(text)).unwrap();
            sleep(Duration::from_millis(5)).await;
        }
    });
    let begin = Instant::now();
    let read = std::future::poll_fn(|cx| reader.poll_read(cx)).await;
    assert_eq!(begin.elapsed(), linger);
    assert!(matches!(read, Read::Events(frame) if frame.as_bytes().ends_with(b"-3\n\n")));
}

#[tokio::test(start_paused = true)]
async fn a_channel_is_idle_when_its_last_reader_has_been_gone_for_the_given_time() {
    let channel = Channel::new(&ChannelConfig::new());
    let reader = channel.subscribe(&LastEventId::Absent);
    let begin = Instant::now();
    tokio::spawn(async move {
        sleep(minutes(7)).await;
        drop(reader);
    });
    idle(&channel, minutes(1)).await;
    assert_eq!(begin.elapsed(), minutes(8));
}

fn with_events_of_an_hour() -> Channel {
    let retention = Retention::new().with_age(minutes(60));
    Channel::new(&ChannelConfig::new().with_retention(retention))
}

/// Reconnects for a moment, after the event `last`.
fn reconnect(channel: &Channel, last: &EventId) {
    let request = Request::get("/").header("last-event-id", last.as_str()).body(()).unwrap();
    drop(subscribe(&request, &Endpoint::default(), channel));
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}
