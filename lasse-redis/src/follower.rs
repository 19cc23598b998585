//! Follows a stream: turns its entries into the events, holes and epochs of a channel.

use std::collections::VecDeque;

use lasse_core::{AppendError, Channel, Ending, Epoch, Event, Topic};

use crate::entry::Entry;
use crate::stream_id::StreamId;

/// The state of a channel that follows a stream. It does no I/O: its caller reads the entries.
///
/// | entry | in the channel |
/// |---|---|
/// | an event with the next number | the event |
/// | an event with another number | a hole, and the event |
/// | an epoch that began after the newest event | the epoch |
/// | an epoch that began after another event | a hole if this channel lacks events, and the epoch |
/// | an epoch that began because the stream was absent | a hole, and the epoch |
/// | a loss | a hole |
/// | an end | the end |
/// | a foreign entry | nothing |
#[derive(Debug)]
pub(crate) struct Follower {
    channel: Channel,
    /// The entry that was read last, of any kind.
    at: StreamId,
    /// The newest number of the channel. The epoch is 0 before the first entry.
    newest: StreamId,
    /// The newest number of each epoch that this node knows: it was acknowledged, or read.
    known: VecDeque<StreamId>,
    /// The newest number of each epoch that the stream has, for epochs that are over.
    ends: VecDeque<StreamId>,
    /// The epochs that the stream was read in, oldest first.
    epochs: VecDeque<u64>,
    /// Epochs whose loss is recorded in the stream.
    recorded: VecDeque<u64>,
    is_loaded: bool,
    foreign: u64,
    gaps: u64,
}

impl Follower {
    pub(crate) fn new(channel: Channel) -> Self {
        Self {
            channel,
            at: StreamId::default(),
            newest: StreamId::default(),
            known: VecDeque::new(),
            ends: VecDeque::new(),
            epochs: VecDeque::new(),
            recorded: VecDeque::new(),
            is_loaded: false,
            foreign: 0,
            gaps: 0,
        }
    }

    /// The entry after which the next one is read.
    pub(crate) fn at(&self) -> StreamId {
        self.at
    }

    /// The greatest id that this node knows to have been given, also to an entry of others: an epoch
    /// below it would not be read.
    pub(crate) fn known(&self) -> StreamId {
        self.known_event().max(self.newest).max(self.at)
    }

    /// The newest event that this node knows.
    pub(crate) fn known_event(&self) -> StreamId {
        self.known.iter().copied().max().unwrap_or_default()
    }

    /// The epochs after this one that the stream was read in, oldest first.
    pub(crate) fn epochs_after(&self, epoch: u64) -> Vec<u64> {
        self.epochs.iter().copied().filter(|other| *other > epoch).collect()
    }

    /// Whether the channel has what the stream held when this node started.
    pub(crate) fn is_loaded(&self) -> bool {
        self.is_loaded
    }

    pub(crate) fn set_loaded(&mut self) {
        self.is_loaded = true;
    }

    /// How many entries of others were skipped.
    pub(crate) fn foreign(&self) -> u64 {
        self.foreign
    }

    /// How many gaps there were in the stream.
    pub(crate) fn gaps(&self) -> u64 {
        self.gaps
    }

    /// Records that Redis acknowledged an event.
    pub(crate) fn acknowledge(&mut self, id: StreamId) {
        match self.known.iter_mut().find(|known| known.epoch == id.epoch) {
            Some(known) => known.number = known.number.max(id.number),
            None => remember(&mut self.known, id),
        }
    }

    /// Whether the entry follows the newest one without a gap. If not, the caller reads the entries
    /// between them again before it passes this one to [`apply`](Self::apply).
    pub(crate) fn is_next(&self, id: StreamId, entry: &Entry) -> bool {
        let is_first = self.newest.epoch == 0;
        match entry {
            _ if is_first => true,
            Entry::Epoch { after } => *after == Some(self.newest) || id.epoch <= self.newest.epoch,
            Entry::End { after, .. } => *after == self.newest,
            Entry::Foreign if id.epoch != self.newest.epoch => true,
            Entry::Event(..) | Entry::Lost { .. } | Entry::Foreign => {
                id.epoch == self.newest.epoch && id.number <= self.newest.number.saturating_add(1)
            }
        }
    }

    /// Applies the next entry.
    pub(crate) fn apply(&mut self, id: StreamId, entry: &Entry) {
        if id <= self.at {
            return;
        }
        self.gaps += u64::from(!self.is_next(id, entry));
        self.at = id;
        // Only a channel that has ended refuses entries: nothing else publishes to it.
        let _ = match entry {
            Entry::Event(event, topic) => self.apply_event(id, event, topic.as_ref()),
            Entry::Epoch { after } => self.apply_epoch(id.epoch, *after),
            Entry::Lost { epoch } => self.apply_lost(id, *epoch),
            Entry::End { ending, after } => self.apply_end(*ending, *after),
            Entry::Foreign => self.apply_foreign(id),
        };
    }

    /// The epochs of which this node knows events that the stream has lost, without an entry that
    /// records it yet.
    pub(crate) fn unrecorded_losses(&self) -> impl Iterator<Item = u64> {
        let is_lost = |end: &&StreamId| {
            !self.recorded.contains(&end.epoch)
                && self.known.iter().any(|known| known.epoch == end.epoch && known > end)
        };
        self.ends.iter().filter(is_lost).map(|end| end.epoch)
    }

    /// Whether an event of this id was lost at the end of its epoch, and this node has not read the
    /// entry that records it.
    pub(crate) fn is_unrecorded(&self, id: StreamId) -> bool {
        let is_lost = |end: &StreamId| end.epoch == id.epoch && end.number < id.number;
        self.ends.iter().any(is_lost) && !self.recorded.contains(&id.epoch)
    }

    /// The stream has an entry about the loss at the end of this epoch.
    pub(crate) fn set_recorded(&mut self, epoch: u64) {
        if self.recorded.len() >= MOST_EPOCHS {
            self.recorded.pop_front();
        }
        self.recorded.push_back(epoch);
    }

    fn apply_event(
        &mut self,
        id: StreamId,
        event: &Event<'_>,
        topic: Option<&Topic>,
    ) -> Result<(), AppendError> {
        self.enter(id.epoch, id.number == 1)?;
        // An empty log does not know that it lacks the events before its first.
        if self.is_loaded && self.newest.number == 0 && id.number > 1 {
            self.channel.publish_hole_up_to(id.number - 1)?;
        }
        if let Ok(event_id) = id.to_event_id() {
            match topic {
                Some(topic) => self.channel.publish_to_as(&event_id, topic, event)?,
                None => self.channel.publish_as(&event_id, event)?,
            };
        }
        self.newest.number = id.number;
        self.acknowledge(id);
        Ok(())
    }

    /// An epoch begins after `after`.
    fn apply_epoch(&mut self, epoch: u64, after: Option<StreamId>) -> Result<(), AppendError> {
        let before = self.newest;
        if before.epoch == 0 || epoch <= before.epoch {
            return self.enter(epoch, false);
        }
        let is_gap = match after {
            // The stream has events that this channel lacks.
            Some(after) if after.epoch == before.epoch && after.number > before.number => {
                self.channel.publish_hole_up_to(after.number)?;
                false
            }
            // The stream was absent. It may have had events that this node has not read: all nodes
            // have a hole here, whatever each of them has read.
            Some(after) => after.epoch > before.epoch || after == StreamId::default(),
            None => true,
        };
        let end = after.filter(|after| after.epoch == before.epoch);
        let end = end.unwrap_or_else(|| StreamId::new(before.epoch, 0));
        // If it is not known where the epoch ended, other nodes know, or nobody does.
        if !is_gap {
            remember(&mut self.ends, end);
        }
        self.enter(epoch, is_gap)
    }

    fn apply_lost(&mut self, id: StreamId, epoch: u64) -> Result<(), AppendError> {
        self.set_recorded(epoch);
        self.enter(id.epoch, false)?;
        self.channel.publish_hole_up_to(id.number)?;
        self.newest.number = id.number;
        Ok(())
    }

    fn apply_end(&mut self, ending: Ending, after: StreamId) -> Result<(), AppendError> {
        self.enter(after.epoch, false)?;
        if after.number > self.newest.number {
            self.channel.publish_hole_up_to(after.number)?;
            self.newest = after;
        }
        match ending {
            Ending::Finished => self.channel.finish(),
            Ending::Aborted => self.channel.abort(),
        }
        Ok(())
    }

    /// An entry of others can take a number of the epoch, which then is not an event's.
    fn apply_foreign(&mut self, id: StreamId) -> Result<(), AppendError> {
        self.foreign += 1;
        if id.epoch != self.newest.epoch || id.number <= self.newest.number {
            return Ok(());
        }
        if id.number - self.newest.number > 1 {
            self.channel.publish_hole_up_to(id.number - 1)?;
        }
        self.channel.skip_unused(id.number)?;
        self.newest.number = id.number;
        Ok(())
    }

    /// Continues in this epoch. If nothing else leaves a hole between it and the epoch before,
    /// `needs_hole`.
    fn enter(&mut self, epoch: u64, needs_hole: bool) -> Result<(), AppendError> {
        if epoch == self.newest.epoch {
            return Ok(());
        }
        if needs_hole && self.newest.epoch != 0 && self.newest.number < u64::MAX {
            self.channel.publish_hole_up_to(u64::MAX)?;
        }
        self.channel.begin_epoch(epoch_name(epoch))?;
        self.newest = StreamId::new(epoch, 0);
        if self.epochs.len() >= MOST_EPOCHS {
            self.epochs.pop_front();
        }
        self.epochs.push_back(epoch);
        Ok(())
    }
}

/// The epoch of a channel, by its number.
pub(crate) fn epoch_name(epoch: u64) -> Epoch {
    Epoch::new(&epoch.to_string()).unwrap_or_else(|_| Epoch::from(epoch))
}

fn remember(ids: &mut VecDeque<StreamId>, id: StreamId) {
    if ids.len() >= MOST_EPOCHS {
        ids.pop_front();
    }
    ids.push_back(id);
}

/// The epochs whose ends are compared.
const MOST_EPOCHS: usize = 64;

#[cfg(test)]
mod tests;
