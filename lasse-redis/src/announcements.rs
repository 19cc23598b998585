//! The task that reads the channels by key: Redis announces which streams have
//! changed, by sharded pub/sub, and it reads only those.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{PushInfo, PushKind, Value};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::error::Failure;
use crate::reconnect::Reconnect;
use crate::reply;
use crate::shared::Shared;
use crate::stream::Stream;

/// Reads the streams that are watched, and connects again after each failure. It does not return:
/// abort its task.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut reconnect = Reconnect::new(&shared.config);
    loop {
        // A task of its own, because wakers of readers run in it, which can panic.
        let mut task = JoinSet::new();
        task.spawn(read(Arc::clone(&shared)));
        let failure = match task.join_next().await {
            Some(Ok((failure, has_read))) => {
                if has_read {
                    reconnect.reset();
                }
                failure
            }
            _ => Failure::NotReachable("the waker of a reader has panicked".into()),
        };
        #[cfg(feature = "tracing")]
        tracing::warn!(%failure, "the reader of channels by key has lost Redis");
        shared.watched.set_problem(Some(failure.to_string()));
        crate::report::disconnected();
        reconnect.wait().await;
    }
}

/// Reads on one connection. Returns why it ended, and whether it was of use.
async fn read(shared: Arc<Shared>) -> (Failure, bool) {
    match Announced::connect(&shared).await {
        Ok(mut reader) => (reader.read_all().await, reader.has_read),
        Err(failure) => (failure, false),
    }
}

/// A connection on which Redis announces published events.
struct Announced {
    shared: Arc<Shared>,
    connection: MultiplexedConnection,
    /// The epoch of each stream that is open on this connection.
    epochs: HashMap<String, u64>,
    /// The server's replication id.
    replication: Option<String>,
    next_check: Instant,
    next_sweep: Instant,
    has_read: bool,
}

impl Announced {
    async fn connect(shared: &Arc<Shared>) -> Result<Self, Failure> {
        let config = &shared.config;
        let announced = Arc::clone(shared);
        let connection = shared
            .server
            .connect_with_pushes(config.connect_timeout, move |push| {
                receive(&announced, &push);
                Ok(())
            })
            .await?;
        let now = Instant::now();
        shared.watched.add_all();
        Ok(Self {
            shared: Arc::clone(shared),
            connection,
            epochs: HashMap::new(),
            replication: None,
            next_check: now,
            next_sweep: now,
            has_read: false,
        })
    }

    /// Reads until the connection fails.
    async fn read_all(&mut self) -> Failure {
        loop {
            if let Err(failure) = self.read_some().await {
                return failure;
            }
        }
    }

    async fn read_some(&mut self) -> Result<(), Failure> {
        let now = Instant::now();
        if now >= self.next_check {
            self.next_check = now + TIME_BETWEEN_CHECKS;
            self.check_server().await?;
        }
        if now >= self.next_sweep {
            let interval = self.shared.config.stream_lifetime / 8;
            self.next_sweep = now + interval.min(TIME_BETWEEN_CHECKS);
            self.sweep(now).await?;
        }
        let todo = self.shared.watched.take();
        if todo.is_disconnected {
            return Err(Failure::NotReachable("Redis has closed the connection".into()));
        }
        if todo.is_empty() {
            self.has_read = true;
            self.shared.watched.set_problem(None);
            let next = self.next_check.min(self.next_sweep);
            let _ = timeout_at(next, self.shared.watched.notified()).await;
            return Ok(());
        }
        self.leave(&todo.removed).await?;
        self.enter(&todo.added).await?;
        for batch in todo.changed.chunks(BATCH) {
            self.read(batch).await?;
        }
        Ok(())
    }

    /// Looks whether the server was replaced: then all streams are opened again.
    async fn check_server(&mut self) -> Result<(), Failure> {
        let mut command = redis::cmd("INFO");
        command.arg("replication");
        let reply = command.query_async::<Value>(&mut self.connection).await;
        let reply = reply.map_err(|error| Failure::of(&error).without_effect())?;
        let text = reply::text(&reply).unwrap_or_default();
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let replication = lines.find(|(name, _)| *name == "master_replid");
        let replication = replication.map(|(_, id)| id.trim().to_owned());
        if self.replication.is_some() && self.replication != replication {
            self.shared.watched.add_all();
        }
        self.replication = replication;
        Ok(())
    }

    /// Releases the streams that are not in use, and has Redis keep the others.
    async fn sweep(&mut self, now: Instant) -> Result<(), Failure> {
        let due = self.shared.watched.sweep(now);
        for batch in due.chunks(BATCH) {
            let mut pipeline = redis::pipe();
            batch.iter().for_each(|stream| stream.prolong(&mut pipeline));
            let reply = pipeline.query_async::<Value>(&mut self.connection).await;
            reply.map_err(|error| Failure::of(&error).without_effect())?;
        }
        Ok(())
    }

    async fn leave(&mut self, streams: &[Arc<Stream>]) -> Result<(), Failure> {
        for stream in streams {
            self.epochs.remove(stream.key());
        }
        self.subscription("SUNSUBSCRIBE", streams).await
    }

    /// Subscribes to the announcements of streams, and then loads them: nothing can be published
    /// between.
    async fn enter(&mut self, streams: &[Arc<Stream>]) -> Result<(), Failure> {
        self.subscription("SSUBSCRIBE", streams).await?;
        let mut tasks = JoinSet::new();
        let mut streams = streams.iter();
        loop {
            while tasks.len() < AT_ONCE {
                let Some(stream) = streams.next() else { break };
                let (stream, mut connection) = (Arc::clone(stream), self.connection.clone());
                let max_len = self.shared.config.max_len;
                tasks.spawn(async move {
                    let begun = begin(&stream, &mut connection, max_len).await;
                    (stream, begun)
                });
            }
            let Some(joined) = tasks.join_next().await else { return Ok(()) };
            // A task that panicked has logged why, and its clients retry.
            let Ok((stream, begun)) = joined else { continue };
            match begun {
                Ok(epoch) => {
                    self.epochs.insert(stream.key().to_owned(), epoch);
                }
                Err(Failure::Refused(problem)) => {
                    #[cfg(feature = "tracing")]
                    tracing::error!(stream = stream.key(), problem, "Redis refused a stream");
                    stream.set_problem(Some(problem));
                    self.shared.watched.give_up(&stream);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Calls a command for the announcements of each stream.
    async fn subscription(
        &mut self,
        command: &str,
        streams: &[Arc<Stream>],
    ) -> Result<(), Failure> {
        for batch in streams.chunks(BATCH) {
            let mut pipeline = redis::pipe();
            for stream in batch {
                pipeline.cmd(command).arg(stream.key());
            }
            let reply = pipeline.query_async::<Value>(&mut self.connection).await;
            reply.map_err(|error| Failure::of(&error).without_effect())?;
        }
        Ok(())
    }

    /// Reads the new entries of these streams.
    async fn read(&mut self, streams: &[Arc<Stream>]) -> Result<(), Failure> {
        let streams: Vec<_> = streams.iter().filter(|stream| stream.is_loaded()).collect();
        if streams.is_empty() {
            return Ok(());
        }
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(ENTRIES).arg("STREAMS");
        for stream in &streams {
            command.arg(stream.key());
        }
        for stream in &streams {
            command.arg(stream.follower().at().to_string());
        }
        let reply = command.query_async::<Value>(&mut self.connection).await;
        let reply = reply.map_err(|error| Failure::of(&error).without_effect())?;
        for (key, entries) in reply::streams(reply) {
            let Some(stream) = streams.iter().find(|stream| stream.key() == key) else { continue };
            let is_full = entries.len() >= ENTRIES;
            stream.apply(&mut self.connection, entries).await?;
            let epoch = self.epochs.get(&key).copied().unwrap_or_default();
            let max_len = self.shared.config.max_len;
            if !stream.record_losses(&mut self.connection, epoch, max_len).await? {
                let epoch = begin(stream, &mut self.connection, max_len).await?;
                self.epochs.insert(key, epoch);
            } else if is_full {
                self.shared.watched.read_again(&key);
            }
        }
        Ok(())
    }
}

/// Opens a stream, and reads it up to its end. Returns its epoch.
async fn begin(
    stream: &Stream,
    connection: &mut MultiplexedConnection,
    max_len: u64,
) -> Result<u64, Failure> {
    let opened = stream.open(connection, max_len).await?;
    stream.set_problem(None);
    let has_loaded = stream.follower().is_loaded();
    if has_loaded {
        stream.catch_up(connection).await?;
    } else {
        stream.load(connection).await?;
    }
    // If the epoch changes meanwhile, the next event has the loss recorded.
    stream.record_losses(connection, opened.epoch, max_len).await?;
    Ok(opened.epoch)
}

/// Takes what Redis sends by itself: announcements, and the end of the connection.
fn receive(shared: &Shared, push: &PushInfo) {
    match (&push.kind, push.data.as_slice()) {
        (PushKind::SMessage, [key, id]) => {
            let key = reply::text(key);
            if let (Some(key), Some(id)) = (key, reply::id(id)) {
                shared.watched.announce(key, id);
            }
        }
        (PushKind::Disconnection, _) => shared.watched.set_disconnected(),
        _ => {}
    }
}

/// How often the server is looked at.
const TIME_BETWEEN_CHECKS: Duration = Duration::from_secs(5);

/// How many streams one command reads, and how many entries of each.
const BATCH: usize = 100;
const ENTRIES: usize = 200;

/// How many streams are opened and loaded at once.
const AT_ONCE: usize = 64;
