//! The numbered events of a stream that is not a feed's, from its source to its client.

use lasse_core::{EndReason, Event};

/// Numbered events of one stream, from its source to its client.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// How many messages a mailbox took.
    pub(super) accepted: u64,
    pub(super) produced: u64,
    pub(super) received: u64,
}

impl Sequence {
    /// The next event.
    pub(super) fn produce(&mut self, size: usize) -> Event<'static> {
        self.produced += 1;
        Event::new(format!("{} {}", self.produced, "x".repeat(size)))
    }

    /// Takes an event that the client received.
    pub(super) fn receive(&mut self, data: &str) -> Result<(), String> {
        self.received += 1;
        let number: Option<u64> = data.split(' ').next().and_then(|number| number.parse().ok());
        match number {
            Some(number) if number == self.received => Ok(()),
            _ => Err(format!("{data:?} comes where event {} must", self.received)),
        }
    }

    /// The reason to end, apart from the common reasons of all streams.
    pub(super) fn reason_to_end(
        &self,
        reason: Option<EndReason>,
    ) -> Result<Option<EndReason>, String> {
        let Self { accepted, produced, received } = *self;
        let is_all = received == produced && (accepted == 0 || accepted == produced);
        match reason {
            Some(EndReason::Stopped) if !is_all => Err(format!("a clean end, but {self:?}")),
            Some(EndReason::Stopped | EndReason::Aborted | EndReason::Panicked) => Ok(reason),
            _ => Ok(None),
        }
    }
}
