//! Changing the filter of a subscriber whose stream is open elsewhere.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, Weak};
use std::task::Waker;

use super::shared::Shared;
use super::sync::{Mutex, MutexGuard};
use crate::log::{Cursor, StartAt};
use crate::topic::TopicFilter;

/// Changes the [filter](crate::Subscriber::set_filter) of a subscriber whose stream is open: when a
/// user joins or leaves a room, for example. A clone is another handle of the same subscriber.
///
/// # Examples
///
/// ```
/// use lasse_core::log::Read;
/// use lasse_core::{
///     Channel, ChannelConfig, Event, LastEventId, Subscription, Topic, TopicFilter,
/// };
///
/// let rooms = Channel::new(&ChannelConfig::new());
/// let (tea, cake) = (Topic::new("room.tea")?, Topic::new("room.cake")?);
/// let subscription = rooms.subscribe_to(&TopicFilter::from(tea.clone()), &LastEventId::Absent);
/// let Subscription::Stream(mut subscriber) = subscription else { return Ok(()) };
/// let opening = subscriber.first_frames();
///
/// let handle = subscriber.filter_handle();
/// assert!(handle.set_filter(TopicFilter::new([tea, cake.clone()])?));
/// rooms.publish_to(&cake, Event::new("Fresh from the oven."))?;
/// let Read::Events(position) = subscriber.read() else { panic!() };
/// assert!(position.as_bytes().starts_with(b"event: position\n"));
/// let Read::Events(frame) = subscriber.read() else { panic!() };
/// assert!(frame.as_bytes().starts_with(b"data: Fresh from the oven.\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FilterHandle {
    shared: Weak<Shared>,
    cell: Weak<FilterCell>,
}

impl FilterHandle {
    pub(super) fn new(shared: &Arc<Shared>, cell: &Arc<FilterCell>) -> Self {
        Self { shared: Arc::downgrade(shared), cell: Arc::downgrade(cell) }
    }

    /// Gives the subscriber another filter, as [`set_filter`](crate::Subscriber::set_filter) does,
    /// and wakes its stream. Matching events that are published after this call are sent.
    ///
    /// Returns whether the subscriber is still there.
    pub fn set_filter(&self, filter: TopicFilter) -> bool {
        let (Some(shared), Some(cell)) = (self.shared.upgrade(), self.cell.upgrade()) else {
            return false;
        };
        let from = shared.lock().log.cursor(StartAt::Now);
        let mut state = cell.lock();
        let before = if state.filters.len() < MOST_FILTERS {
            None
        } else {
            // The stream has not read for long: the changes of this one apply later.
            state.filters.pop_back()
        };
        state.filters.push_back((filter, from));
        let waker = state.waker.take();
        drop(state);
        drop(before);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Whether the subscriber is gone.
    pub fn is_closed(&self) -> bool {
        self.cell.strong_count() == 0
    }
}

/// Where a handle leaves the next filters for its subscriber.
#[derive(Debug, Default)]
pub(super) struct FilterCell(Mutex<FilterState>);

#[derive(Debug, Default)]
struct FilterState {
    /// Each applies from its place on, wherever the subscriber is by then.
    filters: VecDeque<(TopicFilter, Cursor)>,
    waker: Option<Waker>,
}

impl FilterCell {
    /// Takes the next filter, if there is one, and the place from which it applies.
    pub(super) fn take(&self) -> Option<(TopicFilter, Cursor)> {
        self.lock().filters.pop_front()
    }

    /// Registers the waker of the subscriber, unless there is a filter for it.
    pub(super) fn wait(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = self.lock();
        if !state.filters.is_empty() {
            return false;
        }
        let before = state.waker.replace(waker);
        drop(state);
        drop(before);
        true
    }

    fn lock(&self) -> MutexGuard<'_, FilterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many filters wait for a stream that does not read.
const MOST_FILTERS: usize = 16;
