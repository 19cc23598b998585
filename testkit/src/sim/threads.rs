//! The threads that readers believe to be polled by, which decide on the shards of channels.

use std::cell::Cell;

thread_local! {
    /// How often a number was asked for in the simulation that runs on this thread.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

/// The number of another thread each time, so that readers spread over all shards.
pub(super) fn thread_number() -> usize {
    ASKED.replace(ASKED.get() + 1)
}

/// Numbers threads from zero again, at the start of a simulation.
pub(super) fn restart_numbers() {
    ASKED.set(0);
}
