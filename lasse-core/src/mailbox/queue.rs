//! The queue between notifiers and a mailbox.
//!
//! User code never runs under its lock: wakers are cloned, woken and dropped, and
//! messages dropped, outside.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::vec::Vec;

use super::NotifyError;
use crate::contain::contain;

pub(super) struct Queue<T> {
    capacity: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    messages: VecDeque<T>,
    /// Wakes the stream, which waits for a message.
    waker: Option<Waker>,
    /// The tasks that wait for the end of the stream.
    watchers: Vec<(WatcherId, Waker)>,
    next_watcher: WatcherId,
    notifiers: usize,
    is_stopped: bool,
    /// Whether the end of all notifiers was received.
    is_end_received: bool,
    is_closed: bool,
}

/// What the receiver gets.
pub(super) enum Received<T> {
    Message(T),
    /// The stream was stopped, and there are no more messages.
    Stop,
    /// All notifiers are dropped, and there are no more messages. Received once.
    End,
}

/// A task that waits for the end of the stream.
pub(super) type WatcherId = u64;

impl<T> Queue<T> {
    /// A queue with one notifier.
    pub(super) fn new(capacity: usize) -> Self {
        let state = State {
            messages: VecDeque::new(),
            waker: None,
            watchers: Vec::new(),
            next_watcher: 0,
            notifiers: 1,
            is_stopped: false,
            is_end_received: false,
            is_closed: false,
        };
        Self { capacity, state: Mutex::new(state) }
    }

    pub(super) fn push(&self, message: T) -> Result<(), NotifyError> {
        let mut state = self.lock();
        let refusal = if state.is_closed || state.is_stopped {
            Some(NotifyError::Closed)
        } else if state.messages.len() >= self.capacity {
            Some(NotifyError::Full)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            drop(state);
            drop(message);
            return Err(refusal);
        }
        state.messages.push_back(message);
        wake_receiver(state);
        Ok(())
    }

    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        wake_receiver(state);
    }

    pub(super) fn is_closed(&self) -> bool {
        let state = self.lock();
        state.is_closed || state.is_stopped
    }

    pub(super) fn len(&self) -> usize {
        self.lock().messages.len()
    }

    pub(super) fn add_notifier(&self) {
        self.lock().notifiers += 1;
    }

    pub(super) fn drop_notifier(&self) {
        let mut state = self.lock();
        state.notifiers -= 1;
        if state.notifiers == 0 {
            wake_receiver(state);
        }
    }

    /// Receives, and reports whether there is more; or registers the waker.
    pub(super) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<(Received<T>, bool)> {
        let mut cloned: Option<Waker> = None;
        loop {
            let mut state = self.lock();
            if let Some(received) = state.receive() {
                let has_more = !state.messages.is_empty() || state.is_stopped;
                return Poll::Ready((received, has_more));
            }
            if state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if let Some(waker) = cloned.take() {
                let replaced = state.waker.replace(waker);
                drop(state);
                drop(replaced);
                return Poll::Pending;
            }
            drop(state);
            cloned = Some(cx.waker().clone());
        }
    }

    /// Refuses messages from now on, and returns the queued ones.
    pub(super) fn close(&self) -> VecDeque<T> {
        let mut state = self.lock();
        state.is_closed = true;
        let messages = mem::take(&mut state.messages);
        let watchers = mem::take(&mut state.watchers);
        let waker = state.waker.take();
        drop(state);
        drop(waker);
        for (_, watcher) in watchers {
            // A waker that panics must not keep the others from being woken.
            contain(|| watcher.wake()).ok();
        }
        messages
    }

    /// Ready if the mailbox is closed; else registers the waker under `id`.
    pub(super) fn poll_closed(&self, id: &mut Option<WatcherId>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            drop(waker);
            return Poll::Ready(());
        }
        let replaced = state.watch(id, waker);
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    pub(super) fn remove_watcher(&self, id: WatcherId) {
        let mut state = self.lock();
        let index = state.watchers.iter().position(|(of, _)| *of == id);
        let removed = index.map(|index| state.watchers.swap_remove(index));
        drop(state);
        drop(removed);
    }

    /// The state. Nothing panics while it is locked, so poison means nothing.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn receive(&mut self) -> Option<Received<T>> {
        if let Some(message) = self.messages.pop_front() {
            // Most streams are idle, and a small queue is cheap to make.
            if self.messages.is_empty() && self.messages.capacity() > KEPT {
                self.messages = VecDeque::new();
            }
            return Some(Received::Message(message));
        }
        if self.is_stopped {
            return Some(Received::Stop);
        }
        if self.notifiers == 0 && !mem::replace(&mut self.is_end_received, true) {
            return Some(Received::End);
        }
        None
    }

    /// Registers a waker, and returns the one that it replaces.
    fn watch(&mut self, id: &mut Option<WatcherId>, waker: Waker) -> Option<Waker> {
        let registered = self.watchers.iter_mut().find(|(of, _)| Some(*of) == *id);
        if let Some((_, registered)) = registered {
            return Some(mem::replace(registered, waker));
        }
        *id = Some(self.next_watcher);
        self.watchers.push((self.next_watcher, waker));
        self.next_watcher += 1;
        None
    }
}

fn wake_receiver<T>(mut state: MutexGuard<'_, State<T>>) {
    let waker = state.waker.take();
    drop(state);
    waker.into_iter().for_each(Waker::wake);
}

/// An empty queue with room for more messages than this is freed.
const KEPT: usize = 8;
