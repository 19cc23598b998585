//! Topics, keys, backfills and dialects in a merged stream.

use std::collections::VecDeque;

use lasse_core::channel::{Backfill, BackfillPage, NoticeName};
use lasse_core::{
    Body, Compaction, Connection, Dialect, LagPolicy, MergedId, Output, ResetReason, StartAt,
    StreamConfig, Subscription, Topic, TopicFilter, TopicPattern,
};

use super::*;

const TEA: Topic = Topic::from_static("room.tea");
const CAKE: Topic = Topic::from_static("room.cake");

fn merge(own: Subscription, all: Subscription, last: &MergedId) -> MergedSubscriber {
    stream(MergedSubscription::new([("me", own), ("all", all)], last).unwrap())
}

#[test]
fn a_filter_changes_in_one_part_and_the_position_is_of_all() {
    let (own, rooms) = two();
    let at = MergedId::from(&last("me.a-0~all.b-0"));
    let subscription = rooms.subscribe_to(&TopicFilter::from(TEA), &at.of_channel("all"));
    let Subscription::Stream(mut subscriber) = subscription else { panic!() };
    let handle = subscriber.filter_handle();
    let own = own.subscribe(&at.of_channel("me"));
    let mut stream = merge(own, Subscription::Stream(subscriber), &at);
    rooms.publish_to(&CAKE, Event::new("not for this client")).unwrap();
    rooms.publish_to(&TEA, Event::new("2")).unwrap();
    assert_eq!(read(&mut stream), event(2, "me.a-0~all.b-2"));
    assert!(handle.set_filter(TopicFilter::new([TEA, CAKE]).unwrap()));
    rooms.publish_to(&CAKE, Event::new("3")).unwrap();
    let expected = position("me.a-0~all.b-2") + &event(3, "me.a-0~all.b-3");
    assert_eq!(read(&mut stream), expected);
}

#[test]
fn a_notice_of_skipped_events_names_the_channel() {
    let config = keeping(2)
        .with_compaction(Compaction::new(TopicPattern::from_static("room.*")))
        .with_start(StartAt::LatestPerKey)
        .with_lag_policy(LagPolicy::Latest { behind: 3 });
    let (own, prices) = (channel("a", &ChannelConfig::new()), channel("b", &config));
    let channels = [("me", &own), ("all", &prices)];
    let mut stream = join(channels, &LastEventId::Absent);
    let positions = position("me.a-0~all") + &position("me.a-0~all.b-0");
    assert_eq!(first(&mut stream), positions);
    for n in 1..=8 {
        let topic = if n == 1 { &TEA } else { &CAKE };
        prices.publish_to(topic, Event::new(n.to_string())).unwrap();
    }
    let notice = "event: conflated\ndata: {\"channel\":\"all\",\"until\":\"b-8\"}\n\n";
    let events = event(1, "me.a-0~all.b-1") + &event(8, "me.a-0~all.b-8");
    assert_eq!(read(&mut stream), format!("{notice}{events}"));
    // The state of all keys, and then the position.
    let mut stream = join(channels, &LastEventId::Absent);
    let events = event(1, "me.a-0~all.b-1") + &event(8, "me.a-0~all.b-8");
    assert_eq!(read(&mut stream), position("me.a-0~all") + &events + &position("me.a-0~all.b-8"));
    prices.publish_tombstone(&TEA, Event::new("9")).unwrap();
    assert_eq!(read(&mut stream), event(9, "me.a-0~all.b-9"));
}

struct Pages(VecDeque<BackfillPage>);

impl Backfill for Pages {
    fn poll_page(&mut self, _: &mut Context<'_>) -> std::task::Poll<BackfillPage> {
        std::task::Poll::Ready(self.0.pop_front().unwrap_or(BackfillPage::Failed))
    }
}

fn page(numbers: std::ops::RangeInclusive<u64>) -> BackfillPage {
    let newest = id(&format!("b-{}", numbers.end()));
    let encode = |n: u64| Event::new(n.to_string()).try_with_id(format!("b-{n}")).unwrap().encode();
    BackfillPage::Events(Frame::concat(&numbers.map(encode).collect::<Vec<_>>()), newest)
}

#[test]
fn events_from_elsewhere_have_the_ids_of_the_stream() {
    let (own, all) = (channel("a", &ChannelConfig::new()), channel("b", &keeping(2)));
    publish(&all, 1..=7);
    let at = MergedId::from(&last("me.a-0~all.b-1"));
    let pages = [page(2..=3), page(4..=6)];
    let backfilled =
        all.subscribe_with_backfill(&at.of_channel("all"), Pages(VecDeque::from(pages)));
    let mut stream = merge(own.subscribe(&at.of_channel("me")), backfilled, &at);
    assert_eq!(first(&mut stream), "");
    let expected: String = (2..=7).map(|n| event(n, &format!("me.a-0~all.b-{n}"))).collect();
    assert_eq!(read(&mut stream), expected);

    let missing = [page(2..=3), BackfillPage::Missing(ResetReason::Expired)];
    let backfilled =
        all.subscribe_with_backfill(&at.of_channel("all"), Pages(VecDeque::from(missing)));
    let mut stream = merge(own.subscribe(&at.of_channel("me")), backfilled, &at);
    let events = event(2, "me.a-0~all.b-2") + &event(3, "me.a-0~all.b-3");
    let reset = reset("all", "expired", "b-1", "b-7", "me.a-0~all.b-7");
    assert_eq!(read(&mut stream), events + &reset);

    let failed = all.subscribe_with_backfill(&at.of_channel("all"), Pages(VecDeque::new()));
    let mut stream = merge(own.subscribe(&at.of_channel("me")), failed, &at);
    assert_eq!(read_to_end(&mut stream).1, Next::Lagged);
}

#[test]
fn pages_of_backfills_with_odd_lines_forge_no_id() {
    let (own, all) = (channel("a", &ChannelConfig::new()), channel("b", &keeping(1)));
    publish(&all, 1..=4);
    let at = MergedId::from(&last("me.a-0~all.b-1"));
    let odd = "id:b-2\r\ndata: 2\r\n\r\nid\rdata: x\r\rdata: 3\nid: b-3\n\n";
    let odd = BackfillPage::Events(Frame::from_bytes_unchecked(odd), id("b-3"));
    let pages = Pages(VecDeque::from([odd]));
    let all = all.subscribe_with_backfill(&at.of_channel("all"), pages);
    let mut stream = merge(own.subscribe(&at.of_channel("me")), all, &at);
    let expected = "id: me.a-0~all.b-2\ndata: 2\n\nid: me.a-0\ndata: x\n\n";
    let rest = event(3, "me.a-0~all.b-3") + &event(4, "me.a-0~all.b-4");
    assert_eq!(read(&mut stream), format!("{expected}{rest}"));
}

/// The response to a client of `DataOnly`, and what its stream begins with.
fn data_only(own: &Channel, all: &Channel, id: Option<&str>) -> (u16, String) {
    let request = http::Request::get("/").header("last-event-id", id.unwrap_or_default());
    let request = request.body(()).unwrap();
    let config = StreamConfig::new().with_dialect(Dialect::DataOnly).with_first_byte(false);
    let init = |head: &lasse_core::RequestHead<'_>| {
        let channels = [("me", own), ("all", all)];
        let merged = MergedSubscription::of_channels(channels, head.last_event_id()).unwrap();
        merged.into_init(head, |events| events)
    };
    let response = Connection::accept_with(&request, init, &config, START);
    let status = response.status().as_u16();
    let sent = match response.into_body() {
        Body::Full(bytes) => String::from_utf8(bytes.into()).unwrap(),
        Body::HeadOnly => panic!("it was a GET"),
        Body::Stream(mut stream) => {
            match stream.poll_output(START, &mut Context::from_waker(Waker::noop())) {
                Output::Write(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                _ => String::new(),
            }
        }
    };
    (status, sent)
}

#[test]
fn a_data_only_client_has_its_place_in_all_channels_without_a_position_event() {
    let own = channel("a", &ChannelConfig::new().with_start(StartAt::Oldest));
    let all = channel("b", &ChannelConfig::new());
    publish(&own, 1..=1);
    publish(&all, 1..=4);
    assert_eq!(data_only(&own, &all, None), (200, event(1, "me.a-1~all.b-4")));
    let resumed = data_only(&own, &all, Some("me.a-1~all.b-3"));
    assert_eq!(resumed, (200, event(4, "me.a-1~all.b-4")));
}

#[test]
fn a_data_only_client_that_cannot_resume_in_a_channel_gets_a_410() {
    let (own, all) = two();
    let body = r#"{"channel":"all","reason":"foreign","requested":"z-1","resumed_at":"b-0"}"#;
    assert_eq!(data_only(&own, &all, Some("me.a-0~all.z-1")), (410, body.into()));
    assert_eq!((own.stats().subscribers, all.stats().subscribers), (0, 0));
}

#[test]
fn without_position_events_the_ids_have_the_places_all_the_same() {
    let config = ChannelConfig::new().with_position(None).with_reset(None);
    let (own, all) = (channel("a", &config), channel("b", &config));
    let mut stream = join([("me", &own), ("all", &all)], &last("me.z-1"));
    assert_eq!(first(&mut stream), "");
    publish(&own, 1..=1);
    assert_eq!(read(&mut stream), event(1, "me.a-1~all.b-0"));
}

#[test]
fn the_name_of_the_position_event_is_that_of_the_first_channel_that_has_one() {
    let quiet = ChannelConfig::new().with_position(None);
    let named = ChannelConfig::new().with_position(NoticeName::from_static("at"));
    let (own, all) = (channel("a", &quiet), channel("b", &named));
    let mut stream = join([("me", &own), ("all", &all)], &LastEventId::Absent);
    let expected = position("me.a-0~all.b-0").replace("position", "at");
    assert_eq!(first(&mut stream), expected);
}
