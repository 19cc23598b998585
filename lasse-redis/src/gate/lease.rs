//! The lease of a node, and what Redis has of its streams.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use lasse_tokio::now;
use redis::Value;
use tokio::time::{Instant, sleep};

use super::node::{Node, REPLACE};
use super::scripts::{self, Reply};
use super::slots::{SlotEntry, SlotId};
use crate::connector::Numbered;
use crate::error::Failure;
use crate::report;

impl Node {
    /// Counts a stream on all nodes, before it opens. `false` if it is one too many. If it can replace
    /// another, it does so when it opens.
    pub(super) async fn admit(&self, id: SlotId) -> Result<bool, Failure> {
        let policy = if self.config.replaces_oldest() { "replace" } else { "refuse" };
        let entry = self.slots.entry(id).into_iter().collect::<Vec<_>>();
        for _ in 0..ATTEMPTS {
            let node = self.slots.node();
            match self.count(&node, policy, &entry).await? {
                Reply::Counted(_) => return Ok(true),
                Reply::Refused => return Ok(false),
                Reply::Lost => self.replace_lease(&node).await?,
            }
        }
        Err(no_lease())
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
        let mut had_lease = self.had_lease.lock().await;
        if is_due && !self.renew_lease(&self.slots.node(), false).await? {
            self.take_lease(&mut had_lease).await?;
        }
        match self.slots.take_closed() {
            Some(closed) => self.remove(closed).await?,
            None => self.take_lease(&mut had_lease).await?,
        }
        let rounds = if is_due { self.rounds() } else { usize::MAX };
        if !self.write_all(&self.slots.node(), rounds).await? {
            self.take_lease(&mut had_lease).await?;
        }
        Ok(())
    }

    /// Writes the streams that Redis lacks, and a part of the others. `false` if the node has no lease.
    async fn write_all(&self, node: &str, rounds: usize) -> Result<bool, Failure> {
        loop {
            let streams = self.slots.take_unwritten(rounds);
            if !self.write_streams(node, streams).await? {
                return Ok(false);
            }
            if !self.slots.has_unwritten() {
                return Ok(true);
            }
        }
    }

    /// In how many renewals of the lease each stream is written again.
    fn rounds(&self) -> usize {
        let rounds = REFRESH.as_millis() / (self.config.lease / LEASE_PARTS).as_millis().max(1);
        usize::try_from(rounds).unwrap_or(usize::MAX)
    }

    async fn write_streams(&self, node: &str, streams: Vec<SlotEntry>) -> Result<bool, Failure> {
        if streams.is_empty() {
            return Ok(true);
        }
        let policy = if self.config.replaces_oldest() { "replace" } else { "keep" };
        let newest = streams.iter().map(|entry| entry.id).max().unwrap_or_default();
        // If this fails, or is given up, they are written again.
        let unwritten = self.slots.unwritten(&streams);
        match self.count(node, policy, &streams).await? {
            Reply::Counted(counted) => self.replace(newest, &counted.replaced).await,
            // A limit of zero: none of them was admitted.
            Reply::Refused => {}
            Reply::Lost => return Ok(false),
        }
        unwritten.written();
        Ok(true)
    }

    /// Calls [`scripts::ADMIT`].
    async fn count(
        &self,
        node: &str,
        policy: &str,
        streams: &[SlotEntry],
    ) -> Result<Reply, Failure> {
        let mut call = scripts::ADMIT.key(self.nodes_key());
        call.arg(node).arg(self.config.limit).arg(policy);
        call.arg(u64::try_from(KEY_LIFETIME.as_millis()).unwrap_or(u64::MAX));
        for SlotEntry { id, key, admitted_at, is_open } in streams {
            call.key(self.key(key)?).arg(id).arg(admitted_at).arg(i32::from(*is_open));
        }
        let value = self.call(async |numbered| call.invoke_async(&mut numbered.connection).await);
        let reply = scripts::reply(&value.await?)?;
        match &reply {
            Reply::Counted(counted) if !self.slots.set_counted(node, streams, counted) => {
                Ok(Reply::Lost)
            }
            _ => Ok(reply),
        }
    }

    /// Removes streams that have closed.
    async fn remove(&self, closed: Vec<(Arc<str>, SlotId)>) -> Result<(), Failure> {
        let removed = self.remove_from_redis(&closed).await;
        if removed.is_err() {
            self.slots.close_again(closed);
        }
        removed
    }

    async fn remove_from_redis(&self, closed: &[(Arc<str>, SlotId)]) -> Result<(), Failure> {
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

    /// Takes a new lease in place of that of `node`, unless that was done meanwhile.
    async fn replace_lease(&self, node: &str) -> Result<(), Failure> {
        let mut had_lease = self.had_lease.lock().await;
        if self.slots.node() != node {
            return Ok(());
        }
        self.take_lease(&mut had_lease).await
    }

    /// Takes a new lease under another name, and writes all streams before that name is used: else
    /// new ones would be admitted in their places.
    async fn take_lease(&self, had_lease: &mut bool) -> Result<(), Failure> {
        let node = self.slots.next_node();
        if !self.renew_lease(&node, true).await? || !self.write_all(&node, usize::MAX).await? {
            return Err(no_lease());
        }
        self.slots.use_next_node();
        if mem::replace(had_lease, true) {
            report::lease_lost();
        }
        Ok(())
    }

    async fn renew_lease(&self, node: &str, can_be_new: bool) -> Result<bool, Failure> {
        let mut call = scripts::LEASE.key(self.nodes_key());
        call.key(self.key("probe")?).arg(node).arg(self.config.lease.as_millis().to_string());
        call.arg(i32::from(can_be_new)).arg(self.slots.process());
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

fn no_lease() -> Failure {
    Failure::NotReachable("the node cannot keep its lease".into())
}

/// How often a node renews its lease in its time.
const LEASE_PARTS: u32 = 5;

/// How often a new stream is counted again, because the node had lost its lease.
const ATTEMPTS: usize = 3;

/// How long Redis keeps the streams of a key that no node refreshes.
const KEY_LIFETIME: Duration = Duration::from_secs(3600);

/// How often each stream is written again.
const REFRESH: Duration = Duration::from_secs(600);
