//! `WithSlot`: the boxed state of a connection, with its slot of the listener.

use std::ops::{Deref, DerefMut};

use crate::sockets::ConnectionSlot;

/// The state of a connection, and its slot among those of its listener, if that is a socket.
pub(super) struct WithSlot<T> {
    inner: T,
    _slot: Option<ConnectionSlot>,
}

impl<T> WithSlot<T> {
    pub(super) fn new(inner: T, slot: Option<ConnectionSlot>) -> Self {
        Self { inner, _slot: slot }
    }
}

impl<T> Deref for WithSlot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl<T> DerefMut for WithSlot<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.inner
    }
}
