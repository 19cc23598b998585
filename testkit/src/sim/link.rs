//! One connection between the two: a stream, and the bytes on their way.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};

use lasse_core::{Body, Close, Connection, EndReason, Instant, Output, Subscriber};

use super::dice::Dice;

/// A connection: the server's stream, if it has not ended, and a pipe of bytes.
#[derive(Debug)]
pub(super) struct Link {
    stream: Option<Connection<Subscriber>>,
    pub(super) pipe: VecDeque<u8>,
    /// How many bytes the pipe holds.
    room: usize,
    /// How it ended on the server's side, once it has.
    pub(super) end: Option<Close>,
    /// Whether the server has reason to look at it.
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Link {
    pub(super) fn new(body: Body<Connection<Subscriber>>, room: usize) -> Self {
        let bell = Arc::new(Bell(true.into()));
        let (stream, pipe, end) = match body {
            Body::Stream(stream) => (Some(stream), VecDeque::new(), None),
            Body::Full(bytes) => (None, bytes.to_vec().into(), Some(Close::Clean)),
            Body::HeadOnly => (None, VecDeque::new(), Some(Close::Clean)),
        };
        Self { stream, pipe, room, end, bell }
    }

    pub(super) fn stream(&mut self) -> Option<&mut Connection<Subscriber>> {
        self.bell.0.store(true, Ordering::Relaxed);
        self.stream.as_mut()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.stream.as_ref().and_then(Connection::deadline)
    }

    /// The server does what it can, if it has reason to: that is, it writes some of
    /// what it is told to, a little at a time. Why the stream ended, if it did.
    pub(super) fn serve(&mut self, now: Instant, dice: &mut Dice) -> Option<EndReason> {
        let stream = self.stream.as_mut()?;
        if stream.deadline().is_some_and(|deadline| deadline <= now) {
            stream.handle_timeout(now);
        } else if !self.bell.0.swap(false, Ordering::Relaxed) {
            return None;
        }
        let waker = Waker::from(Arc::clone(&self.bell));
        match stream.poll_output(now, &mut Context::from_waker(&waker)) {
            Output::Write(bytes) => {
                let most = bytes.len().min(self.room - self.pipe.len());
                let some = dice.up_to(most);
                self.pipe.extend(bytes.iter().take(some));
                stream.handle_written(some, now);
                self.bell.0.store(true, Ordering::Relaxed);
                None
            }
            Output::Wait => None,
            Output::Close(close) => {
                let reason = stream.reason();
                self.stream = None;
                self.end = Some(close);
                reason
            }
        }
    }

    /// The server dies, with all it was about to send.
    pub(super) fn kill(&mut self) {
        self.stream = None;
        self.end.get_or_insert(Close::Abort);
    }

    /// Whether the server still believes in it.
    pub(super) fn is_served(&self) -> bool {
        self.stream.is_some()
    }
}
