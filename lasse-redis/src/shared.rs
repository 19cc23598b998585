//! What the handles of a backplane and its reader share.

use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::acknowledged::Acknowledged;
use crate::config::BackplaneConfig;
use crate::connector::Connector;
use crate::error::Failure;
use crate::problems::Problems;
use crate::report;
use crate::server::RedisServer;
use crate::stream::Stream;
use crate::watched::Watched;

/// What the handles of a backplane and its reader share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) server: RedisServer,
    pub(crate) config: BackplaneConfig,
    pub(crate) connector: Connector,
    /// The key of a stream of this node alone, by which the reader's wait is ended.
    pub(crate) wake_key: String,
    streams: Mutex<Vec<Arc<Stream>>>,
    /// The places for pages that are read for clients at once.
    pub(crate) backfills: Arc<Semaphore>,
    /// The streams of channels by key that have readers.
    pub(crate) watched: Watched,
    /// The last events published to channels by key.
    pub(crate) acknowledged: Acknowledged,
    is_draining: AtomicBool,
    link: Mutex<Link>,
    /// Why the gates and the runs of this node cannot use Redis.
    pub(crate) problems: Problems,
}

/// The state of the reader's connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    pub(crate) is_connected: bool,
    pub(crate) last_reply: Option<Instant>,
    pub(crate) problem: Option<String>,
}

impl Shared {
    pub(crate) fn new(server: RedisServer, config: &BackplaneConfig) -> Self {
        let connector =
            Connector::new(server.clone(), config.connect_timeout, config.publish_timeout);
        Self {
            server,
            config: config.clone(),
            connector,
            wake_key: format!("lasse:wake:{:016x}", random()),
            streams: Mutex::new(Vec::new()),
            backfills: Arc::new(Semaphore::new(config.max_backfills)),
            watched: Watched::new(config.max_watched, config.stream_lifetime),
            acknowledged: Acknowledged::default(),
            is_draining: AtomicBool::new(false),
            link: Mutex::new(Link::default()),
            problems: Problems::default(),
        }
    }

    pub(crate) fn streams(&self) -> Vec<Arc<Stream>> {
        self.lock_streams().clone()
    }

    pub(crate) fn lock_streams(&self) -> MutexGuard<'_, Vec<Arc<Stream>>> {
        lock(&self.streams)
    }

    pub(crate) fn link(&self) -> Link {
        lock(&self.link).clone()
    }

    /// Records a reply to the reader.
    pub(crate) fn record_reply(&self) {
        let link = Link { is_connected: true, last_reply: Some(Instant::now()), problem: None };
        *lock(&self.link) = link;
    }

    /// Records that the reader has no connection any more.
    pub(crate) fn record_failure(&self, failure: &Failure) {
        let mut link = lock(&self.link);
        (link.is_connected, link.problem) = (false, Some(failure.to_string()));
        drop(link);
        report::disconnected();
        // A connection to the same server has probably failed, too.
        self.connector.discard_any();
    }

    /// Relaxed: it orders nothing else.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }

    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }
}

/// A time from `delay` to twice `delay`, so that many do not do the same at once.
pub(crate) fn spread(delay: Duration) -> Duration {
    let part = (random() >> 32) as u32;
    let more = delay.as_nanos() * u128::from(part) / u128::from(u32::MAX);
    delay.saturating_add(Duration::from_nanos(u64::try_from(more).unwrap_or(u64::MAX)))
}

/// A time in milliseconds, as Redis takes it: at most a hundred years.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).min(MOST_MILLIS)
}

/// A random time of a span.
pub(crate) fn random_in(span: RangeInclusive<Duration>) -> Duration {
    let (start, end) = span.into_inner();
    let width = end.saturating_sub(start);
    // From `width` to twice `width`.
    start.saturating_add(spread(width).saturating_sub(width))
}

/// A random number. It is not for secrets.
pub(crate) fn random() -> u64 {
    // Each state hashes with keys of its own.
    RandomState::new().hash_one(())
}

/// Poison is ignored, because no panic can leave a change half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A hundred years. Redis refuses times that overflow.
const MOST_MILLIS: u64 = 100 * 365 * 24 * 3600 * 1000;
