//! The events, as they go out.

use std::io::Write;

use rustix::time::{ClockId, clock_gettime};

/// All events that are kept, each as one chunk of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Log {
    bytes: Vec<u8>,
    /// The position of the first byte that is kept.
    start: u64,
    /// The position of each event that is kept.
    events: Vec<u64>,
    /// The number of the last event.
    last: u64,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), start: 0, events: Vec::new(), last: 0 }
    }

    pub(crate) fn append(&mut self, size: usize) {
        self.last += 1;
        self.events.push(self.end());
        encode(&mut self.bytes, self.last, size);
    }

    /// The position after the last event.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }

    /// The position of the event after `number`, if it is kept.
    pub(crate) fn position_after(&self, number: u64) -> Option<u64> {
        let first = self.last + 1 - self.events.len() as u64;
        let index = (number + 1).saturating_sub(first);
        self.events.get(usize::try_from(index).ok()?).copied()
    }

    /// The bytes from a position on.
    pub(crate) fn read(&self, position: u64) -> &[u8] {
        &self.bytes[(position - self.start) as usize..]
    }

    pub(crate) fn is_large(&self) -> bool {
        self.bytes.len() > LARGE
    }

    pub(crate) fn clear(&mut self) {
        self.start = self.end();
        self.bytes.clear();
        self.events.clear();
    }
}

/// Appends `id: <number>`, `data: <number> <nanoseconds> <padding>`, as a chunk.
pub(crate) fn encode(out: &mut Vec<u8>, number: u64, size: usize) {
    let mut buffer = [0; 96];
    let mut event = &mut buffer[..];
    let Ok(()) = write!(event, "id: {number}\ndata: {number} {} ", now()) else { return };
    let len = 96 - event.len();
    let data = len - "id: \ndata: ".len() - digits(number);
    let padding = size.saturating_sub(data);
    let Ok(()) = write!(out, "{:x}\r\n", len + padding + 2) else { return };
    out.extend_from_slice(&buffer[..len]);
    out.resize(out.len() + padding, b'x');
    out.extend_from_slice(b"\n\n\r\n");
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or_default() as usize + 1
}

/// The time, in nanoseconds of `CLOCK_MONOTONIC`.
pub(crate) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// When events are forgotten that all connections have, in bytes.
const LARGE: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_chunk_with_as_much_data_as_it_should_have() {
        for (number, size) in [(1, 100), (9_999, 100), (10_000, 1_000), (7, 1)] {
            let mut out = Vec::new();
            encode(&mut out, number, size);
            let text = String::from_utf8(out).unwrap();
            let (len, rest) = text.split_once("\r\n").unwrap();
            let event = rest.strip_suffix("\r\n").unwrap();
            assert_eq!(usize::from_str_radix(len, 16), Ok(event.len()));
            let data = event.strip_prefix(&format!("id: {number}\ndata: ")).unwrap();
            let data = data.strip_suffix("\n\n").unwrap();
            assert!(data.starts_with(&format!("{number} ")));
            assert!(data.len() == size || size == 1, "{data}");
        }
    }

    #[test]
    fn a_reader_resumes_after_its_last_event() {
        let mut log = Log::new();
        log.append(10);
        log.clear();
        let second = log.end();
        log.append(10);
        let third = log.end();
        log.append(10);
        assert_eq!(
            [0, 1, 2, 3].map(|last| log.position_after(last)),
            [Some(second), Some(second), Some(third), None]
        );
        assert_eq!(log.read(third).len(), (log.end() - third) as usize);
    }
}
