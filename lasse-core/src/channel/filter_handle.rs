//! Changing the filter of a subscriber whose stream is open elsewhere.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;

use crate::topic::TopicFilter;

/// Changes the [filter](crate::Subscriber::set_filter) of a subscriber whose stream is open: when a
/// user joins or leaves a room, for example. A clone is another handle of the same subscriber.
///
/// # Examples
///
/// ```
/// use lasse_core::{Channel, ChannelConfig, Event, LastEventId, Read, Subscription, Topic, TopicFilter};
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
pub struct FilterHandle(Weak<FilterCell>);

impl FilterHandle {
    /// Gives the subscriber another filter, as [`set_filter`](crate::Subscriber::set_filter) does,
    /// and wakes its stream. What is published after this call, and matches, is sent.
    ///
    /// Returns whether the subscriber is still there.
    pub fn set_filter(&self, filter: TopicFilter) -> bool {
        let Some(cell) = self.0.upgrade() else { return false };
        let mut state = cell.lock();
        let before = state.filter.replace(filter);
        let waker = state.waker.take();
        drop(state);
        drop(before);
        waker.into_iter().for_each(Waker::wake);
        true
    }

    /// Whether the subscriber is gone.
    pub fn is_closed(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Where a handle leaves the next filter for its subscriber.
#[derive(Debug, Default)]
pub(super) struct FilterCell(Mutex<FilterState>);

#[derive(Debug, Default)]
struct FilterState {
    filter: Option<TopicFilter>,
    waker: Option<Waker>,
}

impl FilterCell {
    pub(super) fn handle(self: &Arc<Self>) -> FilterHandle {
        FilterHandle(Arc::downgrade(self))
    }

    /// Takes the next filter, if there is one.
    pub(super) fn take(&self) -> Option<TopicFilter> {
        self.lock().filter.take()
    }

    /// Registers the waker of the subscriber, unless there is a filter for it.
    pub(super) fn wait(&self, waker: &Waker) -> bool {
        let waker = waker.clone();
        let mut state = self.lock();
        if state.filter.is_some() {
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
