//! What a server connection has received and not parsed.

use std::vec::Vec;

/// What is received and not parsed.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
}

impl Input {
    /// Removes the empty lines that a client can send before a request (RFC 9112 2.2).
    pub(super) fn remove_empty_lines(&mut self) {
        let mut rest = self.bytes.as_slice();
        while let Some(after) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
            rest = after;
        }
        let empty_lines = self.bytes.len() - rest.len();
        self.bytes.drain(..empty_lines);
    }
}
