//! The connections, by number.

use std::os::fd::OwnedFd;

/// A client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) socket: OwnedFd,
    pub(crate) role: Role,
    /// Whether the socket is full.
    pub(crate) is_blocked: bool,
}

#[derive(Debug)]
pub(crate) enum Role {
    /// No request yet.
    New,
    /// Receives the log, from this position on.
    Reader { position: u64, index: usize },
    /// Receives events of its own.
    Stream(OwnStream),
}

/// Events that are made for one response.
#[derive(Debug)]
pub(crate) struct OwnStream {
    pub(crate) made: u64,
    pub(crate) events: u64,
    pub(crate) size: usize,
    pub(crate) pending: Vec<u8>,
    pub(crate) sent: usize,
}

/// A slab of connections, and a dense list of the readers among them.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: Vec<Option<Connection>>,
    free: Vec<usize>,
    readers: Vec<usize>,
}

impl Connections {
    /// The number that the next connection will have.
    pub(crate) fn next(&self) -> usize {
        self.free.last().copied().unwrap_or(self.slots.len())
    }

    pub(crate) fn insert(&mut self, socket: OwnedFd) {
        let connection = Some(Connection { socket, role: Role::New, is_blocked: false });
        match self.free.pop() {
            Some(number) => self.slots[number] = connection,
            None => self.slots.push(connection),
        }
    }

    pub(crate) fn get_mut(&mut self, number: usize) -> Option<&mut Connection> {
        self.slots.get_mut(number)?.as_mut()
    }

    /// Makes a connection a reader.
    pub(crate) fn set_reader(&mut self, number: usize, position: u64) {
        let index = self.readers.len();
        if let Some(connection) = self.get_mut(number) {
            connection.role = Role::Reader { position, index };
            self.readers.push(number);
        }
    }

    /// Closes a connection.
    pub(crate) fn remove(&mut self, number: usize) {
        let Some(connection) = self.slots.get_mut(number).and_then(Option::take) else { return };
        self.free.push(number);
        let Role::Reader { index, .. } = connection.role else { return };
        self.readers.swap_remove(index);
        let Some(moved) = self.readers.get(index).copied() else { return };
        if let Some(Connection { role: Role::Reader { index: place, .. }, .. }) =
            self.get_mut(moved)
        {
            *place = index;
        }
    }

    pub(crate) fn reader(&self, nth: usize) -> Option<usize> {
        self.readers.get(nth).copied()
    }

    /// Whether all readers have the log up to `end`.
    pub(crate) fn are_at(&self, end: u64) -> bool {
        self.readers.iter().all(|number| {
            let role = self.slots[*number].as_ref().map(|connection| &connection.role);
            matches!(role, Some(Role::Reader { position, .. }) if *position == end)
        })
    }
}
