//! The lease of a node, and what Redis has of its streams.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use lasse_tokio::now;
use redis::Value;
use tokio::time::{Instant, sleep};

use super::node::{Node, REPLACE};
use super::scripts::{self, Admitted, admitted};
use super::slots::{SlotEntry, SlotId};
use crate::connector::Numbered;
use crate::error::Failure;
use crate::report;

impl Node {
    /// Counts a stream on all nodes, before it opens.
    pub(super) async fn admit(&self, id: SlotId) -> Result<Admitted, Failure> {
        let policy = if self.config.replaces_oldest() { "replace" } else { "refuse" };
        let entry = self.slots.entry(id).into_iter().collect::<Vec<_>>();
        for _ in 0..ATTEMPTS {
            let name = self.slots.node();
            if let Some(admitted) = self.count(policy, &entry).await? {
                return Ok(admitted);
            }
            self.replace_lease(&name).await?;
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
        let name = self.slots.node();
        if is_due && !self.renew_lease(false).await? {
            self.replace_lease(&name).await?;
        }
        match self.slots.take_closed() {
            Some(closed) => self.remove(&closed).await?,
            None => self.replace_lease(&self.slots.node()).await?,
        }
        self.write_all(if is_due { self.rounds() } else { usize::MAX }).await
    }

    /// Writes the streams that Redis lacks, and a part of the others.
    async fn write_all(&self, rounds: usize) -> Result<(), Failure> {
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
        // If this fails, or is given up, they are written again.
        let unwritten = self.slots.unwritten(&streams);
        match self.count(policy, &streams).await? {
            Some(Admitted::Counted(replaced) | Admitted::Reserved(replaced)) => {
                self.replace(newest, &replaced).await;
            }
            // A limit of zero: none of them was admitted.
            Some(Admitted::Refused) => {}
            // The lease is over already. The next renewal replaces it.
            None => return Err(Failure::NotReachable("the node cannot keep its lease".into())),
        }
        unwritten.written();
        Ok(())
    }

    /// Calls [`scripts::ADMIT`]. `None` if this node has no lease.
    async fn count(
        &self,
        policy: &str,
        streams: &[SlotEntry],
    ) -> Result<Option<Admitted>, Failure> {
        let mut call = scripts::ADMIT.key(self.nodes_key());
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

    /// Takes a new lease in place of that of `name`, unless that was done meanwhile, and writes all
    /// streams: until then, those of this node count for no limit.
    async fn replace_lease(&self, name: &str) -> Result<(), Failure> {
        let mut had_lease = self.had_lease.lock().await;
        if self.slots.node() != name {
            return Ok(());
        }
        self.slots.rename_node();
        if !self.renew_lease(true).await? {
            return Err(Failure::Refused("the script returned something else".into()));
        }
        if mem::replace(&mut *had_lease, true) {
            report::lease_lost();
        }
        self.write_all(usize::MAX).await
    }

    async fn renew_lease(&self, can_be_new: bool) -> Result<bool, Failure> {
        let mut call = scripts::LEASE.key(self.nodes_key());
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
}

/// How often a node renews its lease in its time.
const LEASE_PARTS: u32 = 5;

/// How often a new stream is counted again, because the node had lost its lease.
const ATTEMPTS: usize = 3;

/// How long Redis keeps the streams of a key that no node refreshes.
const KEY_LIFETIME: Duration = Duration::from_secs(3600);

/// How often each stream is written again.
const REFRESH: Duration = Duration::from_secs(600);
