//! The state of a connection: its two directions, and what was done to them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tokio::io::ReadBuf;

use super::PipeSettings;
use crate::sim::meter::Meter;
use crate::sim::random::Random;

#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: PipeSettings,
    pub(super) random: Random,
    pub(super) meter: Arc<Meter>,
    pub(super) to_client: Direction,
    pub(super) to_server: Direction,
    /// After how many bytes to the client the connection is reset.
    pub(super) cut_after: u64,
    /// Whether the connection is reset when the server drops its end.
    pub(super) resets_on_drop: bool,
    /// Whether that reset can lose what the client has not read.
    pub(super) may_lose: bool,
    pub(super) is_reset: bool,
    /// Whether the client is gone without a word: nothing it does reaches the server any more.
    pub(super) is_vanished: bool,
}

#[derive(Debug, Default)]
pub(super) struct Direction {
    pub(super) bytes: VecDeque<u8>,
    /// How many of the bytes, the last ones, the writer has not flushed.
    pub(super) unflushed: usize,
    pub(super) total: u64,
    pub(super) is_finished: bool,
    /// Whether the reader is gone.
    pub(super) is_abandoned: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Direction {
    pub(super) fn wake(&mut self) {
        self.reader.take().into_iter().chain(self.writer.take()).for_each(Waker::wake);
    }
}

#[derive(Clone, Copy)]
pub(super) enum Side {
    Client,
    Server,
}

impl State {
    /// The direction in which `side` writes.
    pub(super) fn from(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.to_server,
            Side::Server => &mut self.to_client,
        }
    }

    /// The direction in which `side` reads.
    pub(super) fn to(&mut self, side: Side) -> &mut Direction {
        match side {
            Side::Client => &mut self.to_client,
            Side::Server => &mut self.to_server,
        }
    }

    pub(super) fn is_pending_at_random(&mut self, cx: &Context<'_>) -> bool {
        self.meter.count_step();
        let is_pending = self.random.one_in(self.settings.pending_one_in);
        if is_pending {
            cx.waker().wake_by_ref();
        }
        is_pending
    }

    pub(super) fn poll_write(
        &mut self,
        side: Side,
        slices: &[IoSlice<'_>],
        cx: &Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.is_pending_at_random(cx) {
            return Poll::Pending;
        }
        let PipeSettings { capacity, holds_until_flush, .. } = self.settings;
        let most = self.most_at_once();
        let (is_reset, is_vanished, cut_after) = (self.is_reset, self.is_vanished, self.cut_after);
        let direction = self.from(side);
        if is_reset {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        if direction.is_abandoned || direction.is_finished {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = capacity.saturating_sub(direction.bytes.len()).min(most);
        let is_wanted = slices.iter().any(|slice| !slice.is_empty());
        if room == 0 && is_wanted {
            direction.unflushed = 0;
            direction.reader.take().into_iter().for_each(Waker::wake);
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let all = slices.iter().flat_map(|slice| slice.iter().copied());
        let before = direction.bytes.len();
        direction.bytes.extend(all.take(room));
        let written = direction.bytes.len() - before;
        direction.total += written as u64;
        if holds_until_flush && matches!(side, Side::Server) {
            direction.unflushed += written;
        } else if !is_vanished {
            direction.reader.take().into_iter().for_each(Waker::wake);
        }
        if matches!(side, Side::Server) && direction.total >= cut_after {
            self.cut();
        }
        Poll::Ready(Ok(written))
    }

    /// Resets the connection in the middle of what the server writes. The bytes before the cut
    /// still arrive.
    fn cut(&mut self) {
        let excess = usize::try_from(self.to_client.total - self.cut_after).unwrap_or(usize::MAX);
        let kept = self.to_client.bytes.len().saturating_sub(excess);
        self.to_client.bytes.truncate(kept);
        self.meter.count_fault("cut in the middle");
        self.reset();
    }

    /// How many bytes the next call can move.
    fn most_at_once(&mut self) -> usize {
        match self.settings.most_at_once {
            usize::MAX => usize::MAX,
            most => self.random.up_to(most - 1) + 1,
        }
    }

    pub(super) fn poll_read(
        &mut self,
        side: Side,
        out: &mut ReadBuf<'_>,
        cx: &Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_pending_at_random(cx) {
            return Poll::Pending;
        }
        let most = self.most_at_once();
        let is_reset = self.is_reset;
        let direction = self.to(side);
        let ready = direction.bytes.len() - direction.unflushed;
        if ready == 0 {
            if is_reset {
                return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
            }
            if direction.is_finished {
                return Poll::Ready(Ok(()));
            }
            direction.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        for byte in direction.bytes.drain(..ready.min(most).min(out.remaining())) {
            out.put_slice(&[byte]);
        }
        direction.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }

    pub(super) fn flush(&mut self, side: Side) {
        let direction = self.from(side);
        if direction.unflushed > 0 {
            direction.unflushed = 0;
            direction.reader.take().into_iter().for_each(Waker::wake);
        }
    }

    pub(super) fn finish(&mut self, side: Side) {
        self.flush(side);
        let direction = self.from(side);
        direction.is_finished = true;
        direction.wake();
    }

    /// Resets the connection, if it is not reset yet. What the client has not read may be lost
    /// with it, as what a socket has not sent, or the reset overtakes.
    pub(super) fn reset_losing(&mut self, may_lose: bool) {
        if !self.is_reset {
            let len = self.to_client.bytes.len();
            let kept = if may_lose { self.random.up_to(len) } else { len };
            self.to_client.bytes.truncate(kept);
            self.reset();
        }
    }

    /// Ends both directions with an error. What the client was sent and has not read may be lost.
    pub(super) fn reset(&mut self) {
        self.is_reset = true;
        self.to_client.unflushed = 0;
        self.to_client.wake();
        self.to_server.wake();
    }

    /// Closes one end, as an operating system does when the socket is dropped: if bytes are left
    /// unread, by a reset (RFC 9293 3.6.1).
    pub(super) fn close(&mut self, side: Side) {
        if !self.to(side).bytes.is_empty() && !self.is_reset {
            if matches!(side, Side::Server) {
                let kept = self.random.up_to(self.to_client.bytes.len());
                self.to_client.bytes.truncate(kept);
            }
            self.reset();
        }
        let incoming = self.to(side);
        incoming.is_abandoned = true;
        incoming.wake();
        self.finish(side);
    }
}
