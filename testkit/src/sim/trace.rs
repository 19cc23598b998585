//! What happened, as lines to read and as one number to compare.

use std::fmt::{self, Write};

use lasse_core::Instant;

/// The trace of a run. The lines are kept on request only; their hash always is.
#[derive(Debug)]
pub(super) struct Trace {
    start: Instant,
    hash: Fnv,
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(super) fn new(start: Instant, keeps_lines: bool) -> Self {
        Self { start, hash: Fnv(OFFSET), lines: keeps_lines.then(Vec::new) }
    }

    /// Adds a line with the time at which it happened.
    pub(super) fn note(&mut self, now: Instant, what: fmt::Arguments<'_>) {
        let since = now.saturating_duration_since(self.start);
        let line = format_args!("{:>12.3} {what}", since.as_secs_f64());
        // Fnv never fails, and there is nothing else that could.
        let _ = writeln!(self.hash, "{line}");
        if let Some(lines) = &mut self.lines {
            lines.push(line.to_string());
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash.0
    }

    pub(super) fn take_lines(&mut self) -> Vec<String> {
        self.lines.take().unwrap_or_default()
    }
}

/// The hash function FNV-1a.
#[derive(Debug)]
struct Fnv(u64);

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
