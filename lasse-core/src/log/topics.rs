//! The topics of a log: where the events of each are, and which have gone.

mod chunks;
mod registry;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::mem::size_of;

use super::append_error::AppendError;
use super::compaction::{Compaction, KeyTotals, Keys};
use crate::topic::Topic;
use registry::{Entry, Kind, Registry};

/// The index of a log by topic. A prefix that a reader wants is a topic of its own.
///
/// A topic is known while it has events or readers. What remains of the others is the position
/// after their last event, and after that of each prefix, so that a reader of theirs is reset only
/// if it lacks an event.
#[derive(Debug)]
pub(super) struct Topics {
    registry: Registry,
    /// The topic of each event that is held, from the position `first` on.
    column: VecDeque<Tag>,
    first: u64,
    /// The position after the last hole that was dropped.
    holes_gone: u64,
    /// The position after the last event that was dropped, unless a newer one superseded it.
    lost: u64,
    keys: Option<Box<Keys>>,
}

/// The record of an event with a topic.
#[derive(Debug)]
pub(super) struct Label<'a> {
    pub(super) topic: &'a Topic,
    /// Its bytes, or `None` for a tombstone. They matter only for keys.
    pub(super) value: Option<usize>,
}

/// The topic of an event, and whether it is a tombstone; or no topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    const NONE: Self = Self(0);

    fn new(id: u32, is_tombstone: bool) -> Self {
        Self((id + 1) | if is_tombstone { TOMBSTONE } else { 0 })
    }

    pub(super) fn id(self) -> Option<u32> {
        (self.0 & !TOMBSTONE).checked_sub(1)
    }

    fn is_tombstone(self) -> bool {
        self.0 & TOMBSTONE != 0
    }
}

impl Topics {
    /// The topics of the events from position `end` on. Up to `most_forgotten` topics without
    /// events and readers are remembered.
    pub(super) fn new(epoch: &[u8], first: u64, end: u64, most_forgotten: usize) -> Self {
        Self {
            registry: Registry::new(epoch, most_forgotten),
            column: VecDeque::new(),
            first: end,
            holes_gone: first,
            lost: end,
            keys: None,
        }
    }

    pub(super) fn with_compaction(mut self, compaction: Compaction) -> Self {
        self.keys = Some(Box::new(Keys::new(compaction)));
        self
    }

    pub(super) fn keys(&self) -> Option<&Keys> {
        self.keys.as_deref()
    }

    /// The number of a topic or a prefix, which a view has from now on.
    pub(super) fn join(&mut self, name: &str) -> u32 {
        let id = self.intern(name);
        self.registry.join(id);
        id
    }

    /// A view does not have the topic any more.
    pub(super) fn leave(&mut self, id: u32) {
        self.registry.leave(id);
    }

    pub(super) fn name(&self, id: u32) -> &str {
        self.registry.name(id)
    }

    /// Checks whether an event can be the newest one of its topic.
    pub(super) fn check(&self, label: &Label<'_>) -> Result<(), AppendError> {
        let name = label.topic.as_str();
        match (self.key(name), label.value) {
            (None, None) => Err(AppendError::NotAKey),
            (None, Some(_)) | (Some(_), None) => Ok(()),
            (Some((keys, before)), Some(len)) => {
                keys.totals.replace(before, len).within(&keys.config).map(drop)
            }
        }
    }

    /// Checks whether several events can be the newest ones of their topics, one after the other.
    pub(super) fn check_all<'a>(
        &self,
        labels: impl Iterator<Item = Label<'a>>,
    ) -> Result<(), AppendError> {
        let Some(mut totals) = self.keys().map(|keys| keys.totals) else { return Ok(()) };
        let mut lens = BTreeMap::new();
        for label in labels {
            let name = label.topic.as_str();
            let (Some((keys, before)), Some(len)) = (self.key(name), label.value) else { continue };
            let before = lens.insert(name, len).unwrap_or(before);
            totals = totals.replace(before, len).within(&keys.config)?;
        }
        Ok(())
    }

    /// Records the topic of the event that is appended at the end.
    pub(super) fn push(&mut self, label: &Label<'_>) {
        let tag = self.tag(label);
        let position = self.end();
        self.column.push_back(tag);
        let Some(id) = tag.id() else { return };
        self.drop_kept(id);
        self.registry.push_position(id, position);
        self.registry
            .each_prefix_of(id, |registry, prefix| registry.push_position(prefix, position));
    }

    fn tag(&mut self, label: &Label<'_>) -> Tag {
        let (name, value) = (label.topic.as_str(), label.value);
        let id = self.intern(name);
        if let Some(entry) = self.registry.entry_mut(id).filter(|entry| entry.is_key()) {
            let len = value.unwrap_or_default();
            let before = core::mem::replace(&mut entry.value_len, len);
            if let Some(keys) = &mut self.keys {
                keys.totals = keys.totals.replace(before, len);
            }
        }
        Tag::new(id, value.is_none())
    }

    /// Records that an event without a topic, or a hole, is appended at the end.
    pub(super) fn push_none(&mut self) {
        self.column.push_back(Tag::NONE);
    }

    /// Forgets the entries before `first`. The newest event of a key is kept: `copy` returns its
    /// bytes.
    pub(super) fn let_go(&mut self, first: u64, copy: impl Fn(u64) -> Box<[u8]>) {
        while self.first < first {
            let tag = self.column.pop_front().unwrap_or_default();
            let position = self.first;
            self.first += 1;
            match tag.id() {
                None => self.lost = self.first,
                Some(id) if self.is_newest(id, position) && !tag.is_tombstone() => {
                    self.registry.each_prefix_of(id, Registry::pop_position);
                    if let Some(keys) = &mut self.keys {
                        keys.keep(position, id, copy(position));
                    }
                }
                Some(id) => self.drop_event(id, position, tag.is_tombstone()),
            }
        }
        if self.column.len() < self.column.capacity() / 4 {
            self.column.shrink_to(self.column.len() * 2);
        }
    }

    /// Records that the holes before `position` were dropped.
    pub(super) fn drop_holes(&mut self, position: u64) {
        self.holes_gone = position;
    }

    /// Forgets the keys, when all events were dropped.
    pub(super) fn clear_keys(&mut self) {
        let Some(keys) = &mut self.keys else { return };
        let all: Vec<_> = keys.kept_from(0).map(|(at, kept)| (at, kept.topic)).collect();
        keys.totals = KeyTotals::default();
        for (position, id) in all {
            if let Some(entry) = self.registry.entry_mut(id) {
                entry.value_len = 0;
            }
            self.drop_kept(id);
            self.registry.mark(id, position + 1, true);
            self.registry
                .each_prefix_of(id, |registry, prefix| registry.mark(prefix, position + 1, true));
            self.lost = self.lost.max(position + 1);
            self.registry.forget_if_unused(id);
        }
    }

    /// The positions of the events of a topic, as far as they are held, or kept because the topic
    /// is a key. Those of a prefix are only the ones that are held.
    pub(super) fn positions(&self, id: u32) -> &VecDeque<u64> {
        const NONE: &VecDeque<u64> = &VecDeque::new();
        self.registry.entry(id).map_or(NONE, |entry| &entry.positions)
    }

    pub(super) fn is_prefix(&self, id: u32) -> bool {
        self.registry.entry(id).is_some_and(|entry| entry.kind == Kind::Prefix)
    }

    /// The position after the last event of a topic that was dropped; with `superseded`, even if a
    /// newer one superseded it.
    pub(super) fn gone(&self, id: u32, superseded: bool) -> u64 {
        self.registry.entry(id).map_or(0, |entry| if superseded { entry.gone } else { entry.lost })
    }

    /// The same, for all events.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// The position after the last hole that was dropped.
    pub(super) fn holes_gone(&self) -> u64 {
        self.holes_gone
    }

    /// The topic of the event at a position that is held.
    pub(super) fn tag_at(&self, position: u64) -> Tag {
        let nth = position.checked_sub(self.first).and_then(|nth| usize::try_from(nth).ok());
        nth.and_then(|nth| self.column.get(nth)).copied().unwrap_or_default()
    }

    /// The topic of an event, and the prefixes that match it and that readers want.
    #[cfg(feature = "std")]
    pub(super) fn ids_at(&self, position: u64) -> impl Iterator<Item = u32> {
        let id = self.tag_at(position).id();
        let prefixes = id.map(|id| self.registry.prefix_ids(id)).unwrap_or_default();
        id.into_iter().chain(prefixes.into_iter().flatten())
    }

    /// Whether no newer event supersedes the one at `position`. With `keys_only`, it must be the
    /// value of a key, too.
    pub(super) fn is_latest(&self, position: u64, keys_only: bool) -> bool {
        let tag = self.tag_at(position);
        let key = tag.id().and_then(|id| self.registry.entry(id)).filter(|entry| entry.is_key());
        let is_latest = key.map(|entry| entry.positions.back() == Some(&position));
        match is_latest {
            Some(is_latest) => is_latest && !(keys_only && tag.is_tombstone()),
            None => !keys_only,
        }
    }

    /// How many bytes it takes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.column.capacity() * size_of::<Tag>()
            + self.registry.memory()
            + self.keys.as_deref().map_or(0, Keys::memory)
    }

    /// The position after the last entry.
    fn end(&self) -> u64 {
        self.first + self.column.len() as u64
    }

    fn intern(&mut self, name: &str) -> u32 {
        let keys = self.keys.as_deref().map(|keys| keys.config.keys());
        self.registry.intern(name, self.first, keys)
    }

    /// The keys, and the bytes of the newest event of this one. None, if the topic is not a key.
    fn key(&self, name: &str) -> Option<(&Keys, usize)> {
        let keys = self.keys.as_deref()?;
        let entry = self.registry.find(name).and_then(|id| self.registry.entry(id));
        let is_key = match entry {
            Some(entry) => entry.is_key(),
            None => keys.config.keys().matches_text(name),
        };
        is_key.then(|| (keys, entry.map_or(0, |entry| entry.value_len)))
    }

    /// Whether an event is the newest one of a key.
    fn is_newest(&self, id: u32, position: u64) -> bool {
        let entry = self.registry.entry(id).filter(|entry| entry.is_key());
        entry.is_some_and(|entry| entry.positions.back() == Some(&position))
    }

    /// Drops the oldest event of a topic.
    fn drop_event(&mut self, id: u32, position: u64, is_tombstone: bool) {
        let is_key = self.registry.entry(id).is_some_and(Entry::is_key);
        let is_lost = !is_key || is_tombstone;
        if is_lost {
            self.lost = position + 1;
        }
        self.registry.each_prefix_of(id, |registry, prefix| {
            registry.pop_position(prefix);
            registry.mark(prefix, position + 1, is_lost);
        });
        self.registry.pop_position(id);
        self.registry.mark(id, position + 1, is_lost);
        self.registry.forget_if_unused(id);
    }

    /// Drops the event of a key that is kept apart, if there is one.
    fn drop_kept(&mut self, id: u32) {
        let oldest = self.registry.entry(id).and_then(|entry| entry.positions.front().copied());
        let Some(position) = oldest.filter(|position| *position < self.first) else { return };
        self.registry.pop_position(id);
        if let Some(keys) = &mut self.keys {
            keys.drop_kept(position);
        }
        self.registry.mark(id, position + 1, false);
        self.registry
            .each_prefix_of(id, |registry, prefix| registry.mark(prefix, position + 1, false));
    }
}

/// The bit of a tag that marks a tombstone.
const TOMBSTONE: u32 = 1 << 31;
