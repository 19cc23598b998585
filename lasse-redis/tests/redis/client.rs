//! A client of a channel, which records what it receives.

use std::future::poll_fn;
use std::time::Duration;

use lasse_core::log::Read;
use lasse_core::{
    Decoded, Decoder, EventId, LastEventId, Subscriber, Subscription, TopicFilter, TopicPattern,
};
use lasse_redis::RedisChannel;
use tokio::time::{sleep, timeout};

/// What a client receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Event {
        id: String,
        data: String,
    },
    Reset {
        reason: String,
    },
    /// The channel has ended.
    End,
}

/// A client of a channel, across its connections.
pub(crate) struct Client {
    subscriber: Option<Subscriber>,
    decoder: Decoder,
    pub(crate) last: LastEventId,
    /// Its topics, if it does not get all events.
    pub(crate) filter: Option<TopicFilter>,
    pub(crate) record: Vec<Received>,
}

impl Client {
    pub(crate) fn new() -> Self {
        Self {
            subscriber: None,
            decoder: Decoder::new(),
            last: LastEventId::Absent,
            filter: None,
            record: Vec::new(),
        }
    }

    /// A client that has the event `id`.
    pub(crate) fn after(id: &str) -> Self {
        let last = LastEventId::Id(EventId::new(id.to_owned()).unwrap());
        Self { last, ..Self::new() }
    }

    /// A client of this channel.
    pub(crate) async fn of(channel: &RedisChannel) -> Self {
        let mut client = Self::new();
        client.connect(channel).await;
        client
    }

    /// A client of some topics of this channel.
    pub(crate) async fn of_topics(channel: &RedisChannel, topics: impl Into<TopicPattern>) -> Self {
        let mut client = Self { filter: Some(topics.into().into()), ..Self::new() };
        client.connect(channel).await;
        client
    }

    /// Connects to this node, and tries again while the node cannot decide.
    pub(crate) async fn connect(&mut self, channel: &RedisChannel) {
        self.subscriber = None;
        self.decoder.restart();
        loop {
            let subscription = match &self.filter {
                Some(filter) => channel.subscribe_to(filter, &self.last).await,
                None => channel.subscribe(&self.last).await,
            };
            match subscription {
                Subscription::Stream(subscriber) => {
                    self.subscriber = Some(subscriber);
                    return;
                }
                Subscription::Undecided(_) => sleep(Duration::from_millis(20)).await,
                Subscription::Complete => {
                    self.record.push(Received::End);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Receives for this long.
    pub(crate) async fn receive_for(&mut self, time: Duration) {
        let _ = timeout(time, async { while self.receive_some().await {} }).await;
    }

    /// Receives until the record has this many events.
    pub(crate) async fn receive_events(&mut self, count: usize) {
        let received = async { while self.events().len() < count && self.receive_some().await {} };
        if timeout(TIME_LIMIT, received).await.is_err() {
            panic!("{} events of {count}: {:?}", self.events().len(), self.record.last());
        }
    }

    /// Receives until the record satisfies `is_done`.
    pub(crate) async fn receive_until(&mut self, is_done: impl Fn(&[Received]) -> bool) {
        let received = async { while !is_done(&self.record) && self.receive_some().await {} };
        if timeout(TIME_LIMIT, received).await.is_err() {
            panic!("after {:?}", self.record.iter().rev().take(5).collect::<Vec<_>>());
        }
    }

    /// Waits for the next events. Returns whether there can be more.
    async fn receive_some(&mut self) -> bool {
        let Some(subscriber) = &mut self.subscriber else { return false };
        match poll_fn(|cx| subscriber.poll_read(cx)).await {
            Read::Events(frame) => {
                self.decode(frame.as_bytes());
                true
            }
            Read::Over(_) => {
                self.record.push(Received::End);
                self.subscriber = None;
                false
            }
            other => panic!("{other:?}"),
        }
    }

    fn decode(&mut self, mut bytes: &[u8]) {
        while let Ok(Some(decoded)) = self.decoder.decode(&mut bytes) {
            let Decoded::Message(message) = decoded else { continue };
            let (name, data) = (message.name().to_owned(), message.data().to_owned());
            let id = message.last_event_id().to_owned();
            self.last = LastEventId::Id(EventId::new(id.clone()).unwrap());
            match name.as_str() {
                "position" => {}
                "reset" => {
                    let reason = data.split('"').nth(3).unwrap_or_default().to_owned();
                    self.record.push(Received::Reset { reason });
                }
                _ => self.record.push(Received::Event { id, data }),
            }
        }
    }

    /// The data of all events.
    pub(crate) fn events(&self) -> Vec<&str> {
        let mut events = Vec::new();
        for received in &self.record {
            if let Received::Event { data, .. } = received {
                events.push(data.as_str());
            }
        }
        events
    }

    /// The id of the event with this data.
    pub(crate) fn id_of(&self, wanted: &str) -> String {
        let found = self.record.iter().find_map(|received| match received {
            Received::Event { id, data } if data == wanted => Some(id.clone()),
            _ => None,
        });
        found.unwrap_or_else(|| panic!("there is no event {wanted:?}"))
    }

    /// The reasons of all resets.
    pub(crate) fn resets(&self) -> Vec<&str> {
        let mut reasons = Vec::new();
        for received in &self.record {
            if let Received::Reset { reason } = received {
                reasons.push(reason.as_str());
            }
        }
        reasons
    }
}

/// How long a client waits before its test fails.
const TIME_LIMIT: Duration = Duration::from_secs(60);
