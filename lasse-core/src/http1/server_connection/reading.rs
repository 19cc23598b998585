//! The input of a server connection: the heads of requests, and bytes that it discards.

use http::Request;

use super::{ServerConnection, State};
use crate::deadlines::Deadline;
use crate::http1::bad_request::BadRequest;
use crate::http1::request::Persistence;
use crate::source::Source;
use crate::time::Instant;

impl<S: Source> ServerConnection<S> {
    /// Takes bytes that were received.
    pub fn handle_input(&mut self, bytes: &[u8]) {
        if let State::Lingering(linger) = &mut self.state {
            linger.handle_input(bytes.len());
        }
        // If no request follows, this is the body of the last one.
        if !self.is_last() {
            self.input.get_or_insert_default().push(bytes);
        }
    }

    /// Whether to read from the socket. If as many bytes wait as a head can have, or after the
    /// client has closed its half, do not.
    pub fn wants_input(&self) -> bool {
        let len = self.input.as_ref().map_or(0, |input| input.len());
        let has_room = len < self.config.head_limits().head_bytes;
        !self.is_peer_closed && !self.is_closed() && (has_room || self.is_last())
    }

    /// Whether no other request can follow.
    fn is_last(&self) -> bool {
        match &self.state {
            State::ReadingHead(_) => false,
            State::AwaitingResponse(context, _) => context.persistence == Persistence::Close,
            State::Replying(reply) => !reply.persists(),
            State::Lingering(_) | State::Closed(_) => true,
        }
    }

    /// Takes the next request from the input, if its head is complete.
    pub(super) fn read_head(
        &mut self,
        is_late: bool,
        now: Instant,
    ) -> Result<Option<Request<()>>, BadRequest> {
        let Some(input) = &mut self.input else { return Ok(None) };
        let Some((request, mut context)) = input.take_head(&self.config.head_limits())? else {
            return if is_late && !input.is_empty() { Err(BadRequest::Timeout) } else { Ok(None) };
        };
        if self.is_shutting_down {
            context.persistence = Persistence::Close;
        }
        if input.is_empty() || context.persistence == Persistence::Close {
            self.input = None;
        }
        let deadline = Deadline::after(now, Some(self.config.response_timeout()));
        self.state = State::AwaitingResponse(context, deadline);
        Ok(Some(request))
    }
}
