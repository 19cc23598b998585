//! The seat of a dispatcher: whether it is taken, and how its dispatcher is woken.

use std::task::Waker;

/// Whether there is a dispatcher.
#[derive(Debug, Default)]
pub(super) enum Seat {
    #[default]
    Empty,
    /// There is one. It waits, if it has a waker.
    Taken(Option<Waker>),
}

impl Seat {
    /// Takes the seat, unless it is taken.
    pub(super) fn take(&mut self) -> bool {
        let is_empty = matches!(self, Self::Empty);
        if is_empty {
            *self = Self::Taken(None);
        }
        is_empty
    }

    /// Lets the dispatcher wait. The caller drops the waker from before, without the lock.
    pub(super) fn wait(&mut self, waker: Waker) -> Self {
        std::mem::replace(self, Self::Taken(Some(waker)))
    }

    /// Calls the dispatcher: the caller wakes it without the lock. A dispatcher without a waker
    /// looks for work before it waits again.
    pub(super) fn call(&mut self) -> Called {
        self.call_if(true)
    }

    /// The same, but a dispatcher that waits continues waiting if it has no work.
    pub(super) fn call_if(&mut self, has_work: bool) -> Called {
        match self {
            Self::Empty => Called::Nobody,
            Self::Taken(waker) => Called::Dispatcher(waker.take_if(|_| has_work)),
        }
    }
}

/// The result of a call of a dispatcher.
#[derive(Debug)]
pub(super) enum Called {
    /// There is no dispatcher.
    Nobody,
    /// There is one, which must be woken if it waits.
    Dispatcher(Option<Waker>),
}
