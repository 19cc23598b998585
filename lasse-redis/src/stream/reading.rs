//! Reading a stream: its end at the start, then new entries, and missing ones between them.

use redis::Value;
use redis::aio::MultiplexedConnection;

use super::Stream;
use crate::entry::Entry;
use crate::error::Failure;
use crate::reply;
use crate::report;
use crate::scripts;
use crate::stream_id::StreamId;

impl Stream {
    /// Loads the end of the stream, as much as its channel keeps.
    pub(crate) async fn load(&self, connection: &mut MultiplexedConnection) -> Result<(), Failure> {
        let (mut events, mut bytes) = (0, 0);
        let (mut pages, mut end) = (Vec::new(), "+".to_owned());
        while events < self.tail.events && bytes < self.tail.bytes {
            let mut command = redis::cmd("XREVRANGE");
            command.arg(self.key()).arg(&end).arg("-").arg("COUNT").arg(PAGE);
            let page = reply::entries(call(connection, &command).await?);
            let Some((oldest, _)) = page.last() else { break };
            end = format!("({oldest}");
            events += page.len() as u64;
            bytes += page.iter().map(|(_, entry)| size(entry)).sum::<usize>();
            pages.push(page);
        }
        let mut follower = self.follower();
        for (id, entry) in pages.iter().rev().flat_map(|page| page.iter().rev()) {
            follower.apply(*id, entry);
        }
        follower.set_loaded();
        drop(follower);
        self.show_position();
        Ok(())
    }

    /// Applies entries, and reads missing ones between them again.
    pub(crate) async fn apply(
        &self,
        connection: &mut MultiplexedConnection,
        entries: Vec<(StreamId, Entry)>,
    ) -> Result<(), Failure> {
        let (count, before) = (entries.len(), self.counts());
        for (id, entry) in entries {
            let is_next = self.follower().is_next(id, &entry);
            if !is_next {
                self.read_before(connection, Some(id)).await?;
            }
            self.follower().apply(id, &entry);
        }
        self.report(count, before);
        self.show_position();
        Ok(())
    }

    /// Reads the new entries of the stream.
    pub(crate) async fn catch_up(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), Failure> {
        let before = self.counts();
        let count = self.read_before(connection, None).await?;
        self.report(count, before);
        self.show_position();
        Ok(())
    }

    /// Records in the stream which losses this node knows of, in the epoch that the stream has on
    /// this connection. Returns `false` if the stream must be opened again.
    pub(crate) async fn record_losses(
        &self,
        connection: &mut MultiplexedConnection,
        epoch: u64,
        max_len: u64,
    ) -> Result<bool, Failure> {
        let losses: Vec<_> = self.follower().unrecorded_losses().collect();
        for lost in losses {
            let mut call = self.keys.call(&scripts::RECORD_LOSS);
            call.arg(max_len).arg(epoch).arg(lost);
            match call.invoke_async::<Value>(connection).await {
                Ok(Value::Int(_)) => self.follower().set_recorded(lost),
                // The stream is absent.
                Ok(Value::Nil) => return Ok(false),
                Ok(_) => {
                    #[cfg(feature = "tracing")]
                    tracing::warn!(stream = self.key(), epoch = lost, "Redis has lost events");
                }
                Err(error) => match Failure::of(&error).without_effect() {
                    Failure::OldEpoch => return Ok(false),
                    failure => return Err(failure),
                },
            }
        }
        Ok(true)
    }

    /// Reads the entries that the channel lacks: those before `end`, or all. Returns how many.
    async fn read_before(
        &self,
        connection: &mut MultiplexedConnection,
        end: Option<StreamId>,
    ) -> Result<usize, Failure> {
        let mut count = 0;
        let end = end.map_or_else(|| "+".to_owned(), |id| format!("({id}"));
        loop {
            let at = self.follower().at();
            let mut command = redis::cmd("XRANGE");
            command.arg(self.key()).arg(format!("({at}")).arg(&end);
            command.arg("COUNT").arg(PAGE);
            let missing = reply::entries(call(connection, &command).await?);
            let mut follower = self.follower();
            for (id, entry) in &missing {
                follower.apply(*id, entry);
            }
            count += missing.len();
            if missing.len() < PAGE {
                return Ok(count);
            }
        }
    }

    /// How many foreign entries and gaps there were.
    fn counts(&self) -> (u64, u64) {
        let follower = self.follower();
        (follower.foreign(), follower.gaps())
    }

    fn report(&self, count: usize, before: (u64, u64)) {
        let (foreign, gaps) = self.counts();
        report::read(count, foreign - before.0, gaps - before.1);
        #[cfg(feature = "tracing")]
        if foreign > before.0 {
            let count = foreign - before.0;
            tracing::warn!(stream = self.key(), count, "entries of other programs were skipped");
        }
    }
}

/// Calls a command that changes nothing.
async fn call(
    connection: &mut MultiplexedConnection,
    command: &redis::Cmd,
) -> Result<Value, Failure> {
    let reply = command.query_async(connection).await;
    reply.map_err(|error| Failure::of(&error).without_effect())
}

/// About how many bytes an entry takes in a channel.
fn size(entry: &Entry) -> usize {
    match entry {
        Entry::Event(event, _) => event.data().len() + OVERHEAD,
        _ => 0,
    }
}

/// How many entries of a stream are read at once.
pub(crate) const PAGE: usize = 1000;

/// What the name and the id of an event add to its data.
const OVERHEAD: usize = 40;
