//! The reader of a node: one task and one connection for the streams that it always reads.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use tokio::time::Instant;

use crate::entry::Entry;
use crate::error::Failure;
use crate::reconnect::Reconnect;
use crate::reply;
use crate::shared::Shared;
use crate::stream::{PAGE, Stream};
use crate::stream_id::StreamId;

/// Reads all streams, and connects again after each failure. It does not return: abort its task.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut reconnect = Reconnect::new(&shared.config);
    loop {
        let failure = match Reader::connect(&shared).await {
            Ok(mut reader) => {
                let failure = reader.read_all().await;
                if reader.has_read {
                    reconnect.reset();
                }
                failure
            }
            Err(failure) => failure,
        };
        #[cfg(feature = "tracing")]
        tracing::warn!(%failure, "the reader has lost Redis");
        shared.record_failure(&failure);
        reconnect.wait().await;
    }
}

/// A connection of the reader.
struct Reader<'a> {
    shared: &'a Arc<Shared>,
    connection: MultiplexedConnection,
    /// The epoch of each stream that is open on this connection.
    epochs: HashMap<String, u64>,
    /// When all streams are opened again, to find a server that was replaced.
    next_check: Instant,
    /// The last entry of this node's own stream.
    woken: StreamId,
    has_read: bool,
}

impl<'a> Reader<'a> {
    async fn connect(shared: &'a Arc<Shared>) -> Result<Self, Failure> {
        let config = &shared.config;
        // A read that waits is answered after the block time.
        let response_timeout = config.block + config.connect_timeout;
        let connection = shared.server.connect(config.connect_timeout, response_timeout).await?;
        Ok(Self {
            shared,
            connection,
            epochs: HashMap::new(),
            next_check: Instant::now(),
            woken: StreamId::default(),
            has_read: false,
        })
    }

    /// Reads until the connection fails.
    async fn read_all(&mut self) -> Failure {
        loop {
            if let Err(failure) = self.read_some().await {
                return failure;
            }
            self.has_read = true;
        }
    }

    async fn read_some(&mut self) -> Result<(), Failure> {
        let streams = self.shared.streams();
        self.open(&streams).await?;
        let found = self.read(&streams).await?;
        for (key, entries) in found {
            if key == self.shared.wake_key {
                self.woken = entries.last().map_or(self.woken, |(id, _)| *id);
                continue;
            }
            if let Some(stream) = streams.iter().find(|stream| stream.key() == key) {
                stream.apply(&mut self.connection, entries).await?;
            }
        }
        self.shared.record_reply();
        for stream in &streams {
            let epoch = self.epochs.get(stream.key()).copied().unwrap_or_default();
            let max_len = self.shared.config.max_len;
            if !stream.record_losses(&mut self.connection, epoch, max_len).await? {
                self.next_check = Instant::now();
            }
        }
        Ok(())
    }

    /// Opens the streams that are new, and from time to time all of them.
    async fn open(&mut self, streams: &[Arc<Stream>]) -> Result<(), Failure> {
        let now = Instant::now();
        let is_due = now >= self.next_check;
        if is_due {
            self.next_check = now + TIME_BETWEEN_CHECKS;
            let shared = Arc::clone(self.shared);
            tokio::spawn(async move { shared.connector.check().await });
        }
        for stream in streams {
            if !is_due && self.epochs.contains_key(stream.key()) {
                continue;
            }
            match stream.open(&mut self.connection, self.shared.config.max_len).await {
                Ok(opened) => {
                    self.epochs.insert(stream.key().to_owned(), opened.epoch);
                    stream.set_problem(None);
                }
                // The other streams can still be read.
                Err(Failure::Refused(problem)) => {
                    #[cfg(feature = "tracing")]
                    tracing::error!(stream = stream.key(), problem, "Redis refused a stream");
                    self.epochs.insert(stream.key().to_owned(), 0);
                    stream.set_problem(Some(problem));
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            if !stream.is_loaded() {
                stream.load(&mut self.connection).await?;
            }
        }
        Ok(())
    }

    /// Waits for new entries of all streams, and returns them.
    async fn read(
        &mut self,
        streams: &[Arc<Stream>],
    ) -> Result<Vec<(String, Vec<(StreamId, Entry)>)>, Failure> {
        let block = u64::try_from(self.shared.config.block.as_millis()).unwrap_or(u64::MAX);
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(PAGE).arg("BLOCK").arg(block).arg("STREAMS");
        let is_readable = |stream: &&Arc<Stream>| stream.problem().is_none();
        let streams: Vec<_> = streams.iter().filter(is_readable).collect();
        for stream in &streams {
            command.arg(stream.key());
        }
        command.arg(&self.shared.wake_key);
        for stream in &streams {
            command.arg(stream.follower().at().to_string());
        }
        command.arg(self.woken.to_string());
        let reply = command.query_async(&mut self.connection).await;
        reply.map(reply::streams).map_err(|error| Failure::of(&error).without_effect())
    }
}

/// How often all streams are opened again. That costs one call for each.
const TIME_BETWEEN_CHECKS: Duration = Duration::from_secs(5);
