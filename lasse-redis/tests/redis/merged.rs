//! A channel of several nodes and one of this process, on one stream.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use lasse_core::channel::MergedSubscriber;
use lasse_core::{
    Channel, ChannelConfig, Decoded, Decoder, Event, EventId, Instant, LastEventId, MergeError,
    MergedId, MergedSubscription, Next, Source,
};
use lasse_redis::RedisChannel;
use libtest_mimic::Trial;
use tokio::time::{sleep, timeout};

use crate::nodes::{keeping_all, node, ready};
use crate::server::Server;
use crate::trial;

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("a_page_that_moves_resumes_in_its_own_channel_and_in_that_of_all_nodes", moves),
        trial("a_server_that_restarts_without_data_resets_its_part_of_a_stream_only", restart),
        trial("names_that_do_not_fit_beside_the_epoch_of_redis_are_refused", too_long),
    ]
}

/// A client of the channel `news` of a node, and of a channel of its own.
struct Page {
    own: Channel,
    stream: Option<MergedSubscriber>,
    decoder: Decoder,
    last: LastEventId,
    /// The data of all events.
    events: Vec<String>,
    /// The data of all resets.
    resets: Vec<String>,
}

impl Page {
    fn new() -> Self {
        Self {
            own: Channel::new(&keeping_all()),
            stream: None,
            decoder: Decoder::new(),
            last: LastEventId::Absent,
            events: Vec::new(),
            resets: Vec::new(),
        }
    }

    fn publish(&self, data: &str) {
        self.own.publish(Event::new(data)).unwrap();
    }

    /// Connects to a node, and tries again while the node cannot decide.
    async fn connect(&mut self, news: &RedisChannel) {
        self.stream = None;
        self.decoder.restart();
        loop {
            let last = MergedId::from(&self.last);
            let own = self.own.subscribe(&last.of_channel("me"));
            let news = news.subscribe(&last.of_channel("news")).await;
            match MergedSubscription::new([("me", own), ("news", news)], &last).unwrap() {
                MergedSubscription::Stream(stream) => {
                    self.stream = Some(stream);
                    return;
                }
                MergedSubscription::Undecided(_) => sleep(Duration::from_millis(20)).await,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Receives until the event with this data, and reconnects if the stream ends.
    async fn receive_until(&mut self, last: &str, news: &RedisChannel) {
        let receive = async {
            while self.events.iter().all(|data| data != last) {
                if !self.receive_some().await {
                    self.connect(news).await;
                }
            }
        };
        let is_in_time = timeout(Duration::from_secs(60), receive).await.is_ok();
        assert!(is_in_time, "no {last:?} in {:?}, after {:?}", self.events, self.resets);
    }

    /// Waits for the next events. Returns whether there can be more.
    async fn receive_some(&mut self) -> bool {
        let Some(stream) = &mut self.stream else { return false };
        let next = poll_fn(|cx| match stream.poll_next(Instant::from_nanos(0), cx) {
            Next::Wait(_) => Poll::Pending,
            next => Poll::Ready(next),
        });
        let Next::Send(frame) = next.await else { return false };
        let mut bytes = frame.as_bytes();
        while let Ok(Some(decoded)) = self.decoder.decode(&mut bytes) {
            let Decoded::Message(message) = decoded else { continue };
            self.last = LastEventId::Id(EventId::new(message.last_event_id().to_owned()).unwrap());
            match message.name() {
                "position" => {}
                "reset" => self.resets.push(message.data().to_owned()),
                _ => self.events.push(message.data().to_owned()),
            }
        }
        true
    }

    /// The events of its own channel, or of the other one.
    fn of(&self, channel: &str) -> Vec<&str> {
        let events = self.events.iter().map(String::as_str);
        events.filter(|data| data.starts_with(channel)).collect()
    }
}

/// Publishes until Redis has acknowledged it.
async fn publish(news: &RedisChannel, data: &str) {
    let published = async {
        while news.publish_once(data, Event::new(data)).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(Duration::from_secs(60), published).await.is_ok(), "{data}");
}

async fn moves() {
    let server = Server::start();
    let nodes = [node(&server), node(&server)];
    let mut page = Page::new();
    for turn in 0..10 {
        let (here, there) = (&nodes[turn % 2], &nodes[(turn + 1) % 2]);
        page.connect(here).await;
        page.publish(&format!("me {turn} live"));
        publish(there, &format!("news {turn} live")).await;
        page.receive_until(&format!("me {turn} live"), here).await;
        page.receive_until(&format!("news {turn} live"), here).await;
        page.stream = None;
        page.publish(&format!("me {turn} missed"));
        publish(there, &format!("news {turn} missed")).await;
    }
    page.connect(&nodes[0]).await;
    page.receive_until("me 9 missed", &nodes[0]).await;
    page.receive_until("news 9 missed", &nodes[0]).await;
    for channel in ["me", "news"] {
        let of_turn = |n| [format!("{channel} {n} live"), format!("{channel} {n} missed")];
        assert_eq!(page.of(channel), (0..10).flat_map(of_turn).collect::<Vec<_>>());
    }
    assert!(page.resets.is_empty(), "{:?}", page.resets);
}

async fn restart() {
    let mut server = Server::start();
    let news = node(&server);
    ready(&news).await;
    let mut pages = [Page::new(), Page::new()];
    publish(&news, "news before").await;
    for page in &mut pages {
        page.connect(&news).await;
        page.publish("me before");
        page.receive_until("news before", &news).await;
        page.receive_until("me before", &news).await;
    }
    let [open, away] = &mut pages;
    away.stream = None;
    server.kill();
    for page in [&*open, &*away] {
        page.publish("me meanwhile");
    }
    open.receive_until("me meanwhile", &news).await;
    assert!(open.resets.is_empty(), "{:?}", open.resets);

    server.run();
    publish(&news, "news after").await;
    for page in &mut pages {
        page.publish("me after");
        page.receive_until("news after", &news).await;
        page.receive_until("me after", &news).await;
        assert_eq!(page.of("me"), ["me before", "me meanwhile", "me after"]);
        let [reset] = page.resets.as_slice() else { panic!("{:?}", page.resets) };
        assert!(reset.starts_with("{\"channel\":\"news\","), "{reset}");
    }
}

async fn too_long() {
    let server = Server::start();
    let news = node(&server);
    ready(&news).await;
    let own = [(); 3].map(|()| Channel::new(&ChannelConfig::new()));
    let names = ["a", "b", "c", "d"].map(|letter| letter.repeat(32));
    let last = MergedId::from(&LastEventId::Absent);
    let subscribed = own.iter().map(|own| own.subscribe(&LastEventId::Absent));
    let all = subscribed.chain([news.subscribe(&LastEventId::Absent).await]);
    let refused = MergedSubscription::new(names.iter().zip(all), &last).unwrap_err();
    assert!(matches!(refused, MergeError::IdTooLong(129..)), "{refused:?}");
    let subscribers = own.iter().map(|own| own.stats().subscribers).sum::<usize>();
    assert_eq!((subscribers, news.local().stats().subscribers), (0, 0));

    let twice =
        [news.subscribe(&LastEventId::Absent).await, news.local().subscribe(&last_of(&news))];
    let refused = MergedSubscription::new(["x", "y"].into_iter().zip(twice), &last).unwrap_err();
    assert_eq!(refused, MergeError::ChannelTwice("y".into()));
}

/// The newest id of the channel, or none.
fn last_of(news: &RedisChannel) -> LastEventId {
    news.local().last_id().map_or(LastEventId::Absent, LastEventId::Id)
}
