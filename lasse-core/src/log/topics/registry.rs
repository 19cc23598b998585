//! The names of topics and prefixes, and the state of each in a log.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::mem::size_of;

use super::chunks::Chunks;
use crate::log::forgotten::Forgotten;
use crate::log::name_table::{NameKey, NameTable};
use crate::topic::{TopicFilter, is_prefix, matches, prefixes_of};

/// The topics that have events or readers, and the prefixes that readers want, by number.
#[derive(Debug)]
pub(super) struct Registry {
    entries: Chunks<Entry>,
    /// The places in `entries` that are not used.
    free: Vec<u32>,
    names: NameTable,
    key: NameKey,
    /// How many of the entries are prefixes.
    prefixes: usize,
    /// Prefixes that are kept though they may have no reader, oldest first: to find the events of one
    /// takes a look at all topics.
    unused_prefixes: VecDeque<u32>,
    forgotten: Forgotten,
    /// The bytes of names and positions.
    heap: usize,
}

/// A topic, or a prefix.
#[derive(Debug)]
pub(super) struct Entry {
    name: Box<str>,
    /// Of its events that are held. If it is a key, the first one can be kept apart. A prefix does
    /// not have those.
    pub(super) positions: VecDeque<u64>,
    /// The position after the last event that was dropped, as far as that is known.
    pub(super) gone: u64,
    /// The same, without events that a newer one of the same key superseded.
    pub(super) lost: u64,
    /// Whether an event was dropped since the entry was made. Before that, `gone` is of the time when
    /// the topic was forgotten, and may be too late.
    has_gone: bool,
    /// The same, for `lost`.
    has_lost: bool,
    /// How many views have it.
    readers: u32,
    /// The bytes of the newest event, if this is a key and not deleted.
    pub(super) value_len: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    Key,
    Prefix,
}

impl Registry {
    /// Up to `most_forgotten` topics without events and readers are remembered.
    pub(super) fn new(key: &[u8], most_forgotten: usize) -> Self {
        Self {
            entries: Chunks::new(),
            free: Vec::new(),
            names: NameTable::default(),
            key: NameKey::new(key),
            prefixes: 0,
            unused_prefixes: VecDeque::new(),
            forgotten: Forgotten::new(NameKey::new(key), most_forgotten),
            heap: 0,
        }
    }

    /// The number of a topic or a prefix. `first` is the position of the first event that is held.
    pub(super) fn intern(&mut self, name: &str, first: u64, keys: Option<&TopicFilter>) -> u32 {
        self.find(name).unwrap_or_else(|| self.create(name, first, keys))
    }

    /// Another view has the topic from now on.
    pub(super) fn join(&mut self, id: u32) {
        if let Some(entry) = self.entry_mut(id) {
            entry.readers += 1;
        }
    }

    /// A view does not have the topic any more.
    pub(super) fn leave(&mut self, id: u32) {
        let Some(entry) = self.entry_mut(id) else { return };
        entry.readers = entry.readers.saturating_sub(1);
        let (is_unused, is_prefix) = (entry.readers == 0, entry.kind == Kind::Prefix);
        if is_unused && is_prefix {
            self.retire_prefix(id);
        } else {
            self.forget_if_unused(id);
        }
    }

    pub(super) fn name(&self, id: u32) -> &str {
        self.entry(id).map_or("", |entry| &entry.name)
    }

    pub(super) fn entry(&self, id: u32) -> Option<&Entry> {
        self.entries.get(id as usize)
    }

    pub(super) fn entry_mut(&mut self, id: u32) -> Option<&mut Entry> {
        self.entries.get_mut(id as usize)
    }

    pub(super) fn find(&self, name: &str) -> Option<u32> {
        self.names.find(self.key.hash_of(name), |id| self.name(id) == name)
    }

    fn create(&mut self, name: &str, first: u64, keys: Option<&TopicFilter>) -> u32 {
        let hash = self.key.hash_of(name);
        let entry = if is_prefix(name) {
            self.prefixes += 1;
            self.new_prefix(name, first)
        } else {
            let gone = self.forgotten.of_topic(name);
            let is_key = keys.is_some_and(|keys| keys.matches_text(name));
            let kind = if is_key { Kind::Key } else { Kind::Plain };
            Entry::new(name, kind, gone)
        };
        self.heap += entry.heap();
        let id = match self.free.pop() {
            Some(id) => id,
            None => {
                self.entries.push(Entry::new("", Kind::Plain, 0));
                u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(place) = self.entries.get_mut(id as usize) {
            *place = entry;
        }
        let (key, entries) = (self.key, &self.entries);
        self.names.insert(hash, id, |id| key.hash_of(name_of(entries, id)));
        id
    }

    /// A prefix, with the events of all topics that it matches.
    fn new_prefix(&self, name: &str, first: u64) -> Entry {
        let topics = self.entries.iter().filter(|entry| matches(name, &entry.name));
        let topics = topics.filter(|entry| entry.kind != Kind::Prefix);
        let mut prefix = Entry::new(name, Kind::Prefix, self.forgotten.of_prefix(name));
        let mut positions = Vec::new();
        for topic in topics {
            if topic.has_gone {
                prefix.gone = prefix.gone.max(topic.gone);
            }
            if topic.has_lost {
                prefix.lost = prefix.lost.max(topic.lost);
            }
            positions.extend(topic.positions.iter().copied().filter(|at| *at >= first));
        }
        positions.sort_unstable();
        prefix.positions = positions.into();
        prefix
    }

    pub(super) fn push_position(&mut self, id: u32, position: u64) {
        let Some(entry) = self.entries.get_mut(id as usize) else { return };
        let before = entry.heap();
        entry.positions.push_back(position);
        self.heap += entry.heap() - before;
    }

    /// Takes out the oldest position.
    pub(super) fn pop_position(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(id as usize) else { return };
        let before = entry.heap();
        entry.positions.pop_front();
        let (len, capacity) = (entry.positions.len(), entry.positions.capacity());
        if len == 0 || len < capacity / 4 {
            entry.positions.shrink_to(len * 2);
        }
        self.heap = self.heap + entry.heap() - before;
    }

    pub(super) fn each_prefix_of(&mut self, id: u32, mut change: impl FnMut(&mut Self, u32)) {
        for prefix in self.prefix_ids(id).into_iter().flatten() {
            change(self, prefix);
        }
    }

    /// Records that the events before `position` have gone.
    pub(super) fn mark(&mut self, id: u32, position: u64, is_lost: bool) {
        let Some(entry) = self.entry_mut(id) else { return };
        (entry.gone, entry.has_gone) = (entry.gone.max(position), true);
        if is_lost {
            (entry.lost, entry.has_lost) = (entry.lost.max(position), true);
        }
    }

    /// Removes a topic that has neither events nor readers.
    pub(super) fn forget_if_unused(&mut self, id: u32) {
        let Some(entry) = self.entry(id) else { return };
        if entry.readers == 0 && entry.positions.is_empty() && entry.kind != Kind::Prefix {
            let gone = Some(entry.gone).filter(|_| entry.has_gone);
            let name = self.remove(id);
            gone.into_iter().for_each(|gone| self.forgotten.insert(&name, gone));
        }
    }

    /// Keeps a prefix without readers for a while.
    fn retire_prefix(&mut self, id: u32) {
        if !self.unused_prefixes.contains(&id) {
            self.unused_prefixes.push_back(id);
        }
        if self.unused_prefixes.len() <= MOST_UNUSED_PREFIXES {
            return;
        }
        let Some(oldest) = self.unused_prefixes.pop_front() else { return };
        if self.entry(oldest).is_some_and(|entry| entry.readers == 0) {
            self.prefixes -= 1;
            self.remove(oldest);
        }
    }

    /// Removes an entry, and returns its name.
    fn remove(&mut self, id: u32) -> Box<str> {
        let hash = self.key.hash_of(self.name(id));
        let (key, entries) = (self.key, &self.entries);
        self.names.remove(hash, id, |id| key.hash_of(name_of(entries, id)));
        let mut name = Box::default();
        if let Some(entry) = self.entries.get_mut(id as usize) {
            self.heap -= entry.heap();
            name = core::mem::replace(entry, Entry::new("", Kind::Plain, 0)).name;
        }
        self.free.push(id);
        if self.free.len() == self.entries.len() {
            (self.free, self.entries) = (Vec::new(), Chunks::new());
        }
        name
    }

    /// The prefixes that match a topic and that readers want.
    pub(super) fn prefix_ids(&self, id: u32) -> [Option<u32>; MOST_PREFIXES] {
        let mut found = [None; MOST_PREFIXES];
        if self.prefixes == 0 {
            return found;
        }
        for (place, (part, wildcard)) in found.iter_mut().zip(prefixes_of(self.name(id))) {
            let is_it = |id| self.name(id).strip_suffix(wildcard) == Some(part);
            *place = self.names.find(self.key.hash(part, wildcard as u8), is_it);
        }
        found
    }

    /// How many bytes it takes on the heap.
    pub(super) fn memory(&self) -> usize {
        self.entries.memory()
            + (self.free.capacity() + self.unused_prefixes.capacity()) * size_of::<u32>()
            + self.names.memory()
            + self.forgotten.memory()
            + self.heap
    }
}

impl Entry {
    fn new(name: &str, kind: Kind, gone: u64) -> Self {
        Self {
            name: name.into(),
            positions: VecDeque::new(),
            gone,
            lost: gone,
            has_gone: false,
            has_lost: false,
            readers: 0,
            value_len: 0,
            kind,
        }
    }

    pub(super) fn is_key(&self) -> bool {
        self.kind == Kind::Key
    }

    fn heap(&self) -> usize {
        self.name.len() + self.positions.capacity() * size_of::<u64>()
    }
}

fn name_of(entries: &Chunks<Entry>, id: u32) -> &str {
    entries.get(id as usize).map_or("", |entry| &entry.name)
}

/// As many as `prefixes_of` returns for a topic of 16 tokens.
const MOST_PREFIXES: usize = 17;

const MOST_UNUSED_PREFIXES: usize = 64;
