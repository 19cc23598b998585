//! A run of another node, as this node reads it.

use std::sync::Arc;
use std::time::Duration;

use lasse_core::{Epoch, Event, EventId};
use lasse_tokio::run_log::RunLog;
use lasse_tokio::{Run, RunId, RunOutcome, RunWriteError};
use redis::Value;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::node::Node;
use super::outcome::outcome;
use super::producer::{decide, lose, lost_epoch};
use super::scripts;
use crate::entry::Entry;
use crate::error::Failure;
use crate::reply::{self, text};
use crate::report;
use crate::shared::millis;

/// A run of another node, as this node reads it.
#[derive(Debug)]
pub(super) struct Mirror {
    pub(super) run: Run,
    pub(super) epoch: String,
    pub(super) wake: Notify,
    /// The number of the last event that the run has here.
    at: tokio::sync::Mutex<u64>,
}

/// Events of a run, and its state.
struct Page {
    epoch: String,
    outcome: Option<RunOutcome>,
    /// The number of the last event in Redis.
    count: u64,
    events: Vec<(u64, Event<'static>)>,
}

impl Mirror {
    /// The run, if Redis has it and it is this owner's.
    pub(super) async fn open(
        node: &Arc<Node>,
        id: &RunId,
        owner: &str,
    ) -> Result<Option<Arc<Self>>, Failure> {
        let Some(page) = read_page(node, id, owner, 0, true).await? else { return Ok(None) };
        let Ok(epoch) = Epoch::new(&page.epoch) else {
            return Err(Failure::Refused("the state of the run is damaged".into()));
        };
        let log = MirrorLog {
            node: Arc::clone(node),
            id: id.clone(),
            owner: owner.into(),
            runtime: Handle::current(),
        };
        let run = Run::with_log(id.clone(), owner, epoch, &node.config.runs, log);
        let mirror = Self {
            run,
            epoch: page.epoch.clone(),
            wake: Notify::new(),
            at: tokio::sync::Mutex::new(0),
        };
        let (mirror, is_new) = node.insert_mirror(mirror);
        if is_new {
            tokio::spawn(lasse_tokio::dispatch(mirror.run.channel()));
            tokio::spawn(Arc::clone(&mirror).follow(Arc::clone(node)));
        }
        Ok(Some(mirror))
    }

    /// Reads all that Redis has. Returns whether Redis still has the run.
    pub(super) async fn read(&self, node: &Node, has_readers: bool) -> Result<bool, Failure> {
        let mut at = self.at.lock().await;
        loop {
            let (id, owner) = (self.run.id(), self.run.owner());
            let page = read_page(node, id, owner, *at, has_readers).await?;
            let Some(page) = page.filter(|page| page.epoch == self.epoch) else {
                // If the run has ended, it has expired.
                lose(&self.run);
                return Ok(false);
            };
            if self.run.outcome().is_some() {
                return Ok(true);
            }
            for (number, event) in page.events {
                if number == *at + 1 && self.run.channel().publish(event).is_ok() {
                    *at = number;
                }
            }
            match page.count.cmp(&*at) {
                // Redis has lost events.
                std::cmp::Ordering::Less => {
                    lose(&self.run);
                    return Ok(true);
                }
                std::cmp::Ordering::Equal => {
                    if let Some(outcome) = page.outcome {
                        decide(&self.run, outcome);
                    }
                    return Ok(true);
                }
                std::cmp::Ordering::Greater => {}
            }
        }
    }

    /// Follows the run for as long as it is used here.
    async fn follow(self: Arc<Self>, node: Arc<Node>) {
        report::followed(1);
        let mut used_at = Instant::now();
        while used_at.elapsed() < IDLE {
            tokio::select! {
                () = self.wake.notified() => {}
                () = sleep(node.config.tick()) => {}
            }
            let has_readers = self.run.channel().stats().subscribers > 0;
            if has_readers || self.run.handles() > 1 {
                used_at = Instant::now();
            }
            // If Redis is away, the run continues later.
            if self.run.outcome().is_none() {
                let _ = self.read(&node, has_readers).await;
            }
        }
        node.remove_mirror(&self);
        report::followed(-1);
    }
}

/// The log of a run of another node: only stops pass through it.
struct MirrorLog {
    node: Arc<Node>,
    id: RunId,
    owner: String,
    runtime: Handle,
}

impl RunLog for MirrorLog {
    fn append(&self, _: Event<'static>) -> Result<EventId, RunWriteError> {
        Err(RunWriteError::Ended)
    }

    fn pending_bytes(&self) -> usize {
        0
    }

    fn end(&self, outcome: RunOutcome) {
        let (node, id, owner) = (Arc::clone(&self.node), self.id.clone(), self.owner.clone());
        self.runtime.spawn(async move {
            let until = Instant::now() + TIME_TO_STOP;
            while node.end(id.as_str(), "owner", &owner, &outcome).await.is_err()
                && Instant::now() < until
            {
                sleep(TIME_BETWEEN_STOPS).await;
            }
        });
    }
}

impl Node {
    /// Whether Redis has this run.
    pub(super) async fn holds(&self, run: &Run) -> Result<bool, Failure> {
        let page = read_page(self, run.id(), run.owner(), u64::MAX >> 1, false).await?;
        let epoch = run.channel().epoch();
        let is_it = |page: Page| page.epoch == epoch.as_str() || lost_epoch(&page.epoch) == epoch;
        Ok(page.is_some_and(is_it))
    }
}

/// Reads events after the number `at`. `None` if Redis has no such run of this owner.
async fn read_page(
    node: &Node,
    id: &RunId,
    owner: &str,
    at: u64,
    has_readers: bool,
) -> Result<Option<Page>, Failure> {
    let lease = if has_readers { millis(node.config.lease()) } else { 0 };
    let reply = node.run_script(&scripts::READ, |call| {
        call.arg(id.as_str()).arg(owner).arg(&node.name).arg(lease);
        call.arg(i32::from(node.can_judge())).arg(at).arg(PAGE);
    });
    page(reply.await?)
}

fn page(reply: Value) -> Result<Option<Page>, Failure> {
    let unknown = || Failure::Refused("the script returned something else".into());
    let Value::Array(parts) = reply else { return Err(unknown()) };
    if parts.len() == 1 {
        return Ok(None);
    }
    let [_, epoch, word, detail, count, entries] =
        <[Value; 6]>::try_from(parts).map_err(|_| unknown())?;
    let (word, detail) = (text(&word).unwrap_or_default(), text(&detail).unwrap_or_default());
    let count = text(&count).and_then(|count| count.parse().ok()).ok_or_else(unknown)?;
    let events = reply::entries(entries).into_iter().filter_map(|(id, entry)| match entry {
        Entry::Event(event, _) => Some((id.number, event)),
        _ => None,
    });
    Ok(Some(Page {
        epoch: text(&epoch).unwrap_or_default().to_owned(),
        outcome: outcome(word, detail),
        count,
        events: events.collect(),
    }))
}

/// How many events are read at once.
const PAGE: usize = 500;

/// After how long without a reader a run is no longer followed.
const IDLE: Duration = Duration::from_secs(5);

/// How long a stop is repeated while Redis does not answer.
const TIME_TO_STOP: Duration = Duration::from_secs(60);

const TIME_BETWEEN_STOPS: Duration = Duration::from_millis(100);
