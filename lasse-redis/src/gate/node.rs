//! A node of a gate: it reads what others end, and keeps its lease.

use std::future::poll_fn;
use std::sync::Arc;

use lasse_core::log::Read;
use lasse_core::{
    ChannelConfig, Decoded, Decoder, EndReason, Event, EventName, LastEventId, Retention, StartAt,
    Subscriber, Subscription,
};
use lasse_tokio::Gate;
use tokio::sync::watch;

use super::RedisGateConfig;
use super::slots::{SlotId, Slots};
use crate::backplane::{Backplane, ChannelError};
use crate::channel::RedisChannel;
use crate::connector::Numbered;
use crate::error::{Failure, PublishError};
use crate::problems::ProblemPlace;
use crate::report;
use crate::stream::{InvalidStreamName, beside};

/// A node of a gate.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) gate: Gate,
    pub(super) config: RedisGateConfig,
    pub(super) slots: Slots,
    /// What nodes publish for each other.
    pub(super) control: RedisChannel,
    pub(super) name: String,
    nodes_key: String,
    is_ready: watch::Sender<bool>,
    pub(super) problem: ProblemPlace,
    /// Whether it has taken a lease before. The task that holds this writes streams, or
    /// takes a lease.
    pub(super) had_lease: tokio::sync::Mutex<bool>,
}

impl Node {
    pub(super) fn open(
        backplane: &Backplane,
        name: &str,
        gate: &Gate,
        config: RedisGateConfig,
    ) -> Result<Self, ChannelError> {
        let retention = Retention::new().with_events(MOST_UNREAD).with_bytes(4 << 20);
        let channel = ChannelConfig::new().with_retention(retention).with_position(None);
        Ok(Self {
            gate: gate.clone(),
            slots: Slots::new(&config),
            config,
            nodes_key: beside(name, "nodes")?,
            control: backplane.channel(name, &channel)?,
            name: name.to_owned(),
            is_ready: watch::Sender::new(false),
            problem: backplane.shared().problems.place(format!("gate {name}")),
            had_lease: tokio::sync::Mutex::new(false),
        })
    }

    pub(super) async fn ready(&self) {
        // The sender lives as long as this.
        let _ = self.is_ready.subscribe().wait_for(|is_ready| *is_ready).await;
    }

    /// Reads what nodes publish. It does not return before the control stream ends.
    pub(super) async fn follow(self: Arc<Self>) {
        self.control.loaded().await;
        while let Subscription::Stream(mut subscriber) =
            self.control.channel().subscribe_from(&LastEventId::Absent, StartAt::Now)
        {
            // From here on no message is missed. Messages that were missed before may concern
            // streams that are open already.
            self.gate.reconnect_where(|_| true);
            self.is_ready.send_replace(true);
            self.read(&mut subscriber).await;
        }
    }

    async fn read(&self, subscriber: &mut Subscriber) {
        let mut decoder = Decoder::new();
        for frame in subscriber.first_frames() {
            self.decode(&mut decoder, frame.as_bytes()).await;
        }
        while let Read::Events(frame) = poll_fn(|cx| subscriber.poll_read(cx)).await {
            self.decode(&mut decoder, frame.as_bytes()).await;
        }
    }

    async fn decode(&self, decoder: &mut Decoder, mut bytes: &[u8]) {
        while let Ok(Some(decoded)) = decoder.decode(&mut bytes) {
            if let Decoded::Message(message) = decoded {
                let (name, data) = (message.name().to_owned(), message.data().to_owned());
                self.handle(&name, &data).await;
            }
        }
    }

    async fn handle(&self, name: &str, data: &str) {
        match name {
            "end" => {
                let has_tag = |tags: &[String]| tags.iter().any(|tag| escaped(tag) == data);
                self.gate.end_where(|stream| has_tag(&stream.tags));
            }
            "replace" => {
                let own = data.split(' ').filter_map(|member| self.slots.own(member));
                own.for_each(|id| self.end_replaced(id));
            }
            "list" => self.answer_list(data).await,
            // Events were lost: this node does not know which streams were ended.
            "reset" => {
                report::resynced();
                self.gate.reconnect_where(|_| true);
            }
            // A later version may know more.
            _ => {}
        }
    }

    pub(super) fn end_replaced(&self, id: SlotId) {
        if let Some(handle) = self.slots.handle(id) {
            handle.end(EndReason::Replaced, self.config.client_retry());
        }
    }

    pub(super) async fn publish(&self, name: EventName, data: String) -> Result<(), PublishError> {
        self.control.publish(Event::new(data).with_name(name)).await.map(drop)
    }

    /// Calls Redis on the connection for publishing.
    pub(super) async fn call<T, F>(&self, command: F) -> Result<T, Failure>
    where
        F: AsyncFnOnce(&mut Numbered) -> redis::RedisResult<T>,
    {
        self.control.backplane().shared().connector.call(command).await
    }

    /// The key of a set beside the control stream.
    pub(super) fn key(&self, key: &str) -> Result<String, InvalidStreamName> {
        beside(&self.name, &format!("streams:{key}"))
    }

    pub(super) fn reply_key(&self, id: &str) -> Result<String, InvalidStreamName> {
        beside(&self.name, &format!("reply:{id}"))
    }

    pub(super) fn nodes_key(&self) -> &str {
        &self.nodes_key
    }
}

/// A tag on one line, as the control stream has it. No two tags have the same.
pub(super) fn escaped(tag: &str) -> String {
    tag.escape_default().to_string()
}

/// Events of the control stream.
pub(super) const END: EventName = EventName::from_static("end");
pub(super) const REPLACE: EventName = EventName::from_static("replace");
pub(super) const LIST: EventName = EventName::from_static("list");

/// How many events of the control stream can wait to be read.
const MOST_UNREAD: u64 = 10_000;
