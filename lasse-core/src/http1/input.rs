//! The input that a server connection has not parsed yet.

use std::vec::Vec;

use http::Request;

use super::bad_request::BadRequest;
use super::request::{Head, Limits, ResponseContext, parse_request};

/// The input that is not parsed yet.
#[derive(Debug, Default)]
pub(super) struct Input(Vec<u8>);

impl Input {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the head of a request, if it is complete.
    pub(super) fn take_head(
        &mut self,
        limits: &Limits,
    ) -> Result<Option<(Request<()>, ResponseContext)>, BadRequest> {
        self.remove_empty_lines();
        let head = parse_request(&self.0, limits)?;
        Ok(head.map(|Head { request, len, context }| {
            self.0.drain(..len);
            (request, context)
        }))
    }

    /// Removes the empty lines that a client can send before a request (RFC 9112 2.2).
    fn remove_empty_lines(&mut self) {
        let mut rest = self.0.as_slice();
        while let Some(after) = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n")) {
            rest = after;
        }
        let empty_lines = self.0.len() - rest.len();
        self.0.drain(..empty_lines);
    }
}
