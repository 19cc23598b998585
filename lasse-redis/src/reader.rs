//! The reader of a node: one task and one connection for all its streams.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, sleep};

use crate::entry::Entry;
use crate::error::Failure;
use crate::reply;
use crate::report;
use crate::scripts;
use crate::shared::{Shared, spread};
use crate::stream::Stream;
use crate::stream_id::StreamId;

/// Reads all streams, and connects again after each failure. It does not return: abort its task.
pub(crate) async fn run(shared: Arc<Shared>) {
    let mut delay = FIRST_DELAY;
    loop {
        let failure = match Reader::connect(&shared).await {
            Ok(mut reader) => {
                let failure = reader.read_all().await;
                if reader.has_read {
                    delay = FIRST_DELAY;
                }
                failure
            }
            Err(failure) => failure,
        };
        #[cfg(feature = "tracing")]
        tracing::warn!(%failure, "the reader has lost Redis");
        shared.record_failure(&failure);
        sleep(spread(delay / 2)).await;
        delay = (delay * 2).min(shared.config.max_backoff);
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
            if let Some(stream) = streams.iter().find(|stream| stream.key == key) {
                self.apply(stream, entries).await?;
            }
        }
        self.shared.record_reply();
        for stream in &streams {
            self.record_losses(stream).await?;
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
            if !is_due && self.epochs.contains_key(&stream.key) {
                continue;
            }
            match stream.open(&mut self.connection).await {
                Ok(opened) => {
                    self.epochs.insert(stream.key.clone(), opened.epoch);
                    stream.set_problem(None);
                }
                // The other streams can still be read.
                Err(Failure::Refused(problem)) => {
                    #[cfg(feature = "tracing")]
                    tracing::error!(stream = stream.key, problem, "Redis refused a stream");
                    self.epochs.insert(stream.key.clone(), 0);
                    stream.set_problem(Some(problem));
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            if !stream.is_loaded() {
                self.load(stream).await?;
            }
        }
        Ok(())
    }

    /// Loads the end of a stream, as much as its channel keeps.
    async fn load(&mut self, stream: &Stream) -> Result<(), Failure> {
        let (mut events, mut bytes) = (0, 0);
        let (mut pages, mut end) = (Vec::new(), "+".to_owned());
        while events < stream.tail.events && bytes < stream.tail.bytes {
            let mut command = redis::cmd("XREVRANGE");
            command.arg(&stream.key).arg(&end).arg("-").arg("COUNT").arg(PAGE);
            let page = reply::entries(self.call(&command).await?);
            let Some((oldest, _)) = page.last() else { break };
            end = format!("({oldest}");
            events += page.len() as u64;
            bytes += page.iter().map(|(_, entry)| size(entry)).sum::<usize>();
            pages.push(page);
        }
        let mut follower = stream.follower();
        for (id, entry) in pages.iter().rev().flat_map(|page| page.iter().rev()) {
            follower.apply(*id, entry);
        }
        follower.set_loaded();
        drop(follower);
        stream.show_position();
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
            command.arg(&stream.key);
        }
        command.arg(&self.shared.wake_key);
        for stream in &streams {
            command.arg(stream.follower().at().to_string());
        }
        command.arg(self.woken.to_string());
        self.call(&command).await.map(reply::streams)
    }

    /// Applies entries, and reads missing ones between them again.
    async fn apply(
        &mut self,
        stream: &Stream,
        entries: Vec<(StreamId, Entry)>,
    ) -> Result<(), Failure> {
        let (count, before) = (entries.len(), counts(stream));
        for (id, entry) in entries {
            let is_next = stream.follower().is_next(id, &entry);
            if !is_next {
                self.read_again(stream, id).await?;
            }
            stream.follower().apply(id, &entry);
        }
        let (foreign, gaps) = counts(stream);
        report::read(count, foreign - before.0, gaps - before.1);
        stream.show_position();
        Ok(())
    }

    /// Reads the entries before `id` that the channel lacks.
    async fn read_again(&mut self, stream: &Stream, id: StreamId) -> Result<(), Failure> {
        loop {
            let at = stream.follower().at();
            let mut command = redis::cmd("XRANGE");
            command.arg(&stream.key).arg(format!("({at}")).arg(format!("({id}"));
            command.arg("COUNT").arg(PAGE);
            let missing = reply::entries(self.call(&command).await?);
            let mut follower = stream.follower();
            for (id, entry) in &missing {
                follower.apply(*id, entry);
            }
            if missing.is_empty() {
                return Ok(());
            }
        }
    }

    /// Records in the stream which losses this node knows of.
    async fn record_losses(&mut self, stream: &Stream) -> Result<(), Failure> {
        let losses: Vec<_> = stream.follower().unrecorded_losses().collect();
        let epoch = self.epochs.get(&stream.key).copied();
        for lost in losses {
            let mut call = scripts::RECORD_LOSS.key(&stream.key);
            call.key(&stream.state_key).arg(self.shared.config.max_len);
            call.arg(epoch.unwrap_or_default()).arg(lost);
            match call.invoke_async::<Value>(&mut self.connection).await {
                Ok(Value::Int(1)) => {
                    #[cfg(feature = "tracing")]
                    tracing::warn!(stream = stream.key, epoch = lost, "Redis has lost events");
                }
                Ok(Value::Int(_)) => stream.follower().set_recorded(lost),
                // The stream has another epoch, or is absent.
                Ok(_) => self.next_check = Instant::now(),
                Err(error) => match Failure::of(&error).without_effect() {
                    Failure::OldEpoch => self.next_check = Instant::now(),
                    failure => return Err(failure),
                },
            }
        }
        Ok(())
    }

    /// Calls a command that changes nothing.
    async fn call(&mut self, command: &redis::Cmd) -> Result<Value, Failure> {
        let reply = command.query_async(&mut self.connection).await;
        reply.map_err(|error| Failure::of(&error).without_effect())
    }
}

/// How many foreign entries and gaps there were in a stream.
fn counts(stream: &Stream) -> (u64, u64) {
    let follower = stream.follower();
    (follower.foreign(), follower.gaps())
}

/// About how many bytes an entry takes in a channel.
fn size(entry: &Entry) -> usize {
    match entry {
        Entry::Event(event) => event.data().len() + OVERHEAD,
        _ => 0,
    }
}

/// The delay before the second attempt to connect.
const FIRST_DELAY: Duration = Duration::from_millis(50);

/// How often all streams are opened again. That costs one call for each.
const TIME_BETWEEN_CHECKS: Duration = Duration::from_secs(5);

/// How many entries of a stream are read at once.
const PAGE: usize = 1000;

/// What the name and the id of an event add to its data.
const OVERHEAD: usize = 40;
