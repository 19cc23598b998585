//! Views: the part of a log that a reader gets.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use crate::field::EventId;

/// The part of a [`Log`](crate::log::Log) that a reader gets: the events of a
/// [`TopicFilter`](crate::TopicFilter), or all, and temporarily only the newest one of each key.
///
/// It belongs to the reader's [`Cursor`](crate::log::Cursor), and means nothing to any other log.
/// The log counts the views of each topic: [release](crate::log::Log::release) a view that has
/// topics when its reader leaves.
#[derive(Debug)]
#[must_use]
pub struct View(Parts);

/// Most views have few topics, and so take no memory of their own.
#[derive(Debug)]
enum Parts {
    All,
    /// The number of topics, which apply from the start.
    Few(u8, [u32; MOST_FEW]),
    Other(Box<Other>),
}

#[derive(Debug, Default)]
struct Other {
    /// None: all events.
    topics: Option<Vec<u32>>,
    /// The position from which each topic applies. Empty, if they all apply from the start.
    bounds: Vec<u64>,
    /// The topics whose bound the log does not have yet, and their bounds.
    pending: Vec<(usize, EventId)>,
    catch_up: Option<CatchUp>,
}

/// A reader that gets only the newest event of each key, before a position.
#[derive(Clone, Copy, Debug)]
pub(super) struct CatchUp {
    pub(super) until: u64,
    /// Whether it gets nothing but the values of keys.
    pub(super) keys_only: bool,
}

impl View {
    /// A view of all events.
    pub const fn all() -> Self {
        Self(Parts::All)
    }

    /// A view of some topics, which apply from the start.
    pub(super) fn of(topics: Vec<u32>) -> Self {
        Self(Parts::of(Box::new(Other { topics: Some(topics), ..Other::default() })))
    }

    /// Whether the reader skips events that a newer one of the same key superseded, because it
    /// starts with the [state of all keys](crate::StartAt::LatestPerKey) or was
    /// [too far behind](crate::log::Log::conflate).
    pub fn is_catching_up(&self) -> bool {
        self.catch_up().is_some()
    }

    /// Whether the reader gets every event of its topics from now on.
    #[cfg(feature = "std")]
    pub(crate) fn is_steady(&self) -> bool {
        self.other().is_none_or(|other| other.catch_up.is_none() && other.pending.is_empty())
    }

    pub(crate) fn is_all(&self) -> bool {
        match &self.0 {
            Parts::All => true,
            Parts::Few(..) => false,
            Parts::Other(other) => other.topics.is_none(),
        }
    }

    pub(super) fn catch_up(&self) -> Option<CatchUp> {
        self.other()?.catch_up
    }

    pub(super) fn set_catch_up(&mut self, catch_up: Option<CatchUp>) {
        if catch_up.is_some() || self.is_catching_up() {
            self.change(|other| other.catch_up = catch_up);
        }
    }

    /// The topics, and the position from which each applies.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (u32, u64)> {
        let bounds = self.other().map_or(&[][..], |other| &other.bounds);
        let topics = self.ids().iter().enumerate();
        topics.map(|(nth, id)| (*id, bounds.get(nth).copied().unwrap_or_default()))
    }

    /// The numbers of its topics and prefixes, by which a reader waits.
    pub(crate) fn ids(&self) -> &[u32] {
        match &self.0 {
            Parts::All => &[],
            Parts::Few(len, ids) => ids.get(..usize::from(*len)).unwrap_or_default(),
            Parts::Other(other) => other.topics.as_deref().unwrap_or_default(),
        }
    }

    /// Applies a topic from a position on.
    pub(super) fn set_bound(&mut self, nth: usize, bound: u64) {
        self.change(|other| {
            other.bounds.resize(other.topics.as_ref().map_or(0, Vec::len), 0);
            if let Some(place) = other.bounds.get_mut(nth) {
                *place = bound;
            }
        });
    }

    /// Applies a topic after an event that the log does not have yet.
    pub(super) fn set_pending(&mut self, nth: usize, id: EventId) {
        self.set_bound(nth, u64::MAX);
        self.change(|other| other.pending.push((nth, id)));
    }

    /// The topics whose bound the log did not have before.
    pub(super) fn take_pending(&mut self) -> Vec<(usize, EventId)> {
        match &mut self.0 {
            Parts::Other(other) => mem::take(&mut other.pending),
            Parts::All | Parts::Few(..) => Vec::new(),
        }
    }

    fn other(&self) -> Option<&Other> {
        match &self.0 {
            Parts::Other(other) => Some(other),
            Parts::All | Parts::Few(..) => None,
        }
    }

    fn change(&mut self, change: impl FnOnce(&mut Other)) {
        let mut other = match mem::replace(&mut self.0, Parts::All) {
            Parts::All => Box::default(),
            Parts::Few(len, ids) => {
                let topics = ids.into_iter().take(usize::from(len)).collect();
                Box::new(Other { topics: Some(topics), ..Other::default() })
            }
            Parts::Other(other) => other,
        };
        change(&mut other);
        self.0 = Parts::of(other);
    }
}

impl Parts {
    /// The form that takes least memory.
    fn of(other: Box<Other>) -> Self {
        let is_plain =
            other.bounds.is_empty() && other.pending.is_empty() && other.catch_up.is_none();
        let mut few = [0; MOST_FEW];
        match (is_plain, other.topics.as_deref()) {
            (true, None) => Self::All,
            (true, Some(ids)) if ids.len() <= MOST_FEW => {
                few.iter_mut().zip(ids).for_each(|(place, id)| *place = *id);
                Self::Few(ids.len() as u8, few)
            }
            _ => Self::Other(other),
        }
    }
}

/// How many topics take no memory of their own.
const MOST_FEW: usize = 3;
