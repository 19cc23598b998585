//! A node of a gate: it reads what others end, and keeps its lease.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lasse_core::log::Read;
use lasse_core::{
    ChannelConfig, Decoded, Decoder, EndReason, Event, EventName, LastEventId, Retention, StartAt,
    Subscriber, Subscription,
};
use lasse_tokio::{Gate, now};
use redis::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::RedisGateConfig;
use super::scripts::{self, Admitted, admitted};
use super::slots::{SlotEntry, SlotId, Slots};
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
    name: String,
    nodes_key: String,
    is_ready: watch::Sender<bool>,
    problem: ProblemPlace,
    /// Whether it has taken a lease before.
    had_lease: AtomicBool,
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
            had_lease: AtomicBool::new(false),
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

    fn end_replaced(&self, id: SlotId) {
        if let Some(handle) = self.slots.handle(id) {
            handle.end(EndReason::Replaced, self.config.client_retry());
        }
    }

    pub(super) async fn publish(&self, name: EventName, data: String) -> Result<(), PublishError> {
        self.control.publish(Event::new(data).with_name(name)).await.map(drop)
    }

    /// Counts a stream on all nodes, before it opens.
    pub(super) async fn admit(&self, id: SlotId) -> Result<Admitted, Failure> {
        let policy = if self.config.replaces_oldest() { "replace" } else { "refuse" };
        let entry = self.slots.entry(id).into_iter().collect::<Vec<_>>();
        for _ in 0..ATTEMPTS {
            if let Some(admitted) = self.count(policy, &entry).await? {
                return Ok(admitted);
            }
            self.take_lease().await?;
        }
        Err(Failure::NotReachable("the node cannot keep its lease".into()))
    }

    /// Ends the streams that `newest` replaces, wherever they are.
    async fn replace(&self, newest: SlotId, replaced: &[String]) {
        let is_own = |member: &&String| self.slots.own(member).is_some();
        let (own, others): (Vec<_>, Vec<_>) = replaced.iter().partition(is_own);
        own.iter().filter_map(|own| self.slots.own(own)).for_each(|id| self.end_replaced(id));
        if others.is_empty() {
            return;
        }
        let members = others.into_iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        if self.publish(REPLACE, members).await.is_err() {
            // With the next lease, this node finds the same streams.
            self.slots.write_again(newest);
        }
    }

    /// Keeps the lease, and what Redis has of the streams of this node. It does not return.
    pub(super) async fn keep_lease(self: Arc<Self>) {
        let mut next = Instant::now();
        loop {
            let is_due = Instant::now() >= next;
            if is_due {
                next = Instant::now() + self.config.lease / LEASE_PARTS;
                self.check_isolation();
            }
            let written = self.write(is_due).await;
            self.problem.set(written.as_ref().err());
            if let Err(failure) = written {
                #[cfg(feature = "tracing")]
                tracing::warn!(%failure, gate = self.name, "the gate has lost Redis");
                let _ = failure;
                sleep(self.config.lease / LEASE_PARTS).await;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = self.slots.changed() => {}
            }
        }
    }

    /// Writes what has changed, and renews the lease if that `is_due`.
    async fn write(&self, is_due: bool) -> Result<(), Failure> {
        if is_due && !self.renew_lease(false).await? {
            self.take_lease().await?;
        }
        match self.slots.take_closed() {
            Some(closed) => self.remove(&closed).await?,
            None => self.take_lease().await?,
        }
        let rounds = if is_due { self.rounds() } else { usize::MAX };
        loop {
            let streams = self.slots.take_unwritten(rounds);
            self.write_streams(streams).await?;
            if !self.slots.has_unwritten() {
                return Ok(());
            }
        }
    }

    /// In how many renewals of the lease each stream is written again.
    fn rounds(&self) -> usize {
        let rounds = REFRESH.as_millis() / (self.config.lease / LEASE_PARTS).as_millis().max(1);
        usize::try_from(rounds).unwrap_or(usize::MAX)
    }

    async fn write_streams(&self, streams: Vec<SlotEntry>) -> Result<(), Failure> {
        if streams.is_empty() {
            return Ok(());
        }
        let policy = if self.config.replaces_oldest() { "replace" } else { "keep" };
        let newest = streams.iter().map(|entry| entry.id).max().unwrap_or_default();
        match self.count(policy, &streams).await {
            Ok(Some(Admitted::Counted(replaced) | Admitted::Reserved(replaced))) => {
                self.replace(newest, &replaced).await;
                Ok(())
            }
            // A limit of zero: none of them was admitted.
            Ok(Some(Admitted::Refused)) => Ok(()),
            Ok(None) => self.take_lease().await,
            Err(failure) => {
                streams.iter().for_each(|entry| self.slots.write_again(entry.id));
                Err(failure)
            }
        }
    }

    /// Calls [`scripts::ADMIT`]. `None` if this node has no lease.
    async fn count(
        &self,
        policy: &str,
        streams: &[SlotEntry],
    ) -> Result<Option<Admitted>, Failure> {
        let mut call = scripts::ADMIT.key(&self.nodes_key);
        call.arg(self.slots.node()).arg(self.config.limit).arg(policy);
        call.arg(u64::try_from(KEY_LIFETIME.as_millis()).unwrap_or(u64::MAX));
        for SlotEntry { id, key, age, is_open } in streams {
            call.key(self.key(key)?).arg(id).arg(age).arg(i32::from(*is_open));
        }
        let reply = self.call(async |numbered| call.invoke_async(&mut numbered.connection).await);
        admitted(&reply.await?)
    }

    async fn remove(&self, closed: &[(Arc<str>, SlotId)]) -> Result<(), Failure> {
        let node = self.slots.node();
        for part in closed.chunks(500) {
            let mut pipeline = redis::pipe();
            for (key, id) in part {
                pipeline.cmd("ZREM").arg(self.key(key)?).arg(format!("{node}/{id}"));
            }
            let query =
                async |on: &mut Numbered| pipeline.query_async::<Value>(&mut on.connection).await;
            self.call(query).await?;
        }
        Ok(())
    }

    async fn take_lease(&self) -> Result<(), Failure> {
        self.slots.rename_node();
        match self.renew_lease(true).await? {
            true => {
                // Relaxed: it orders nothing else.
                if self.had_lease.swap(true, Ordering::Relaxed) {
                    report::lease_lost();
                }
                Ok(())
            }
            false => Err(Failure::Refused("the script returned something else".into())),
        }
    }

    async fn renew_lease(&self, can_be_new: bool) -> Result<bool, Failure> {
        let mut call = scripts::LEASE.key(&self.nodes_key);
        call.key(self.key("probe")?).arg(self.slots.node());
        call.arg(self.config.lease.as_millis().to_string()).arg(i32::from(can_be_new));
        let invoke = async |on: &mut Numbered| call.invoke_async::<Value>(&mut on.connection).await;
        Ok(self.call(invoke).await? == Value::Int(1))
    }

    /// The streams that have not been checked for too long are sent to reconnect.
    fn check_isolation(&self) {
        let Some(limit) = self.config.max_isolation else { return };
        let backplane = self.control.backplane();
        // A reader that is connected has a reply after the block time.
        let limit = limit.max(backplane.shared().config.block * 2);
        if backplane.health().lag.is_some_and(|lag| lag >= limit) {
            let now = now();
            if self.gate.reconnect_where(|stream| stream.opened_at + limit <= now) > 0 {
                report::resynced();
            }
        }
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

/// How often a node renews its lease in its time.
const LEASE_PARTS: u32 = 5;

/// How often a new stream is counted again, because the node had lost its lease.
const ATTEMPTS: usize = 3;

/// How long Redis keeps the streams of a key that no node refreshes.
const KEY_LIFETIME: Duration = Duration::from_secs(3600);

/// How often each stream is written again.
const REFRESH: Duration = Duration::from_secs(600);
