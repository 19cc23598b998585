//! Frames on their way: queued, in flight, and what of them is acknowledged.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use crate::frame::Frame;

/// What a client has yet to be sent, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// All that is not wholly acknowledged, oldest first.
    queue: VecDeque<Item>,
    /// What the driver was offered and has not acknowledged: the front of the
    /// queue, less what is acknowledged of it.
    offered: Bytes,
    /// How many bytes of the front frame are acknowledged.
    acknowledged: usize,
    /// How many bytes are not acknowledged.
    len: usize,
    /// How many frames of the handler's are in the queue.
    frames: usize,
}

#[derive(Debug)]
struct Item {
    frame: Frame,
    sender: Sender,
}

/// Who wants a frame sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The handler, who learns of it when the frame is lost.
    Handler,
    /// The protocol: keep-alives, drain.
    Protocol,
}

impl Outbox {
    pub(crate) fn push(&mut self, frame: Frame, sender: Sender) {
        if !frame.is_empty() {
            self.len += frame.len();
            self.frames += usize::from(sender == Sender::Handler);
            self.queue.push_back(Item { frame, sender });
        }
    }

    /// What to write next: the bytes offered before, as far as they are not
    /// acknowledged, else all frames from the front that fit one write.
    pub(crate) fn offer(&mut self) -> Option<Bytes> {
        if self.offered.is_empty() {
            self.offered = self.gather()?;
        }
        Some(self.offered.clone())
    }

    /// Takes note that `n` bytes of the offer are written.
    pub(crate) fn acknowledge(&mut self, n: usize) {
        let n = n.min(self.offered.len());
        self.offered.advance(n);
        self.len -= n;
        self.acknowledged += n;
        while let Some(front) = self.queue.front() {
            if self.acknowledged < front.frame.len() {
                break;
            }
            self.acknowledged -= front.frame.len();
            self.frames -= usize::from(front.sender == Sender::Handler);
            self.queue.pop_front();
        }
        if self.offered.is_empty() {
            self.offered = Bytes::new();
        }
        if self.queue.is_empty() {
            // Most streams are idle: room for a few frames is soon made again.
            self.queue = VecDeque::new();
        }
    }

    /// Empties the outbox, and tells which of the handler's frames were not
    /// wholly acknowledged.
    pub(crate) fn take_unsent(&mut self) -> Vec<Frame> {
        let Self { queue, .. } = core::mem::take(self);
        let of_handler = queue.into_iter().filter(|item| item.sender == Sender::Handler);
        of_handler.map(|item| item.frame).collect()
    }

    /// How many bytes are not acknowledged.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        !self.offered.is_empty()
    }

    /// Whether a frame of the handler's is not wholly acknowledged.
    pub(crate) fn holds_frames(&self) -> bool {
        self.frames > 0
    }

    fn gather(&self) -> Option<Bytes> {
        let front = self.queue.front()?;
        let mut len = 0;
        let batch = || self.queue.iter().map(|item| item.frame.as_bytes());
        let count = batch()
            .take_while(|bytes| {
                len += bytes.len();
                len <= BATCH
            })
            .count();
        if count <= 1 {
            return Some(front.frame.clone().into_bytes());
        }
        Some(batch().take(count).collect::<Vec<_>>().concat().into())
    }
}

/// How many bytes of small frames go out in one write. Up to there a copy costs
/// less than another write would.
const BATCH: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(frames: &[&'static str]) -> Outbox {
        let mut outbox = Outbox::default();
        for frame in frames {
            outbox.push(Frame::from_bytes_unchecked(*frame), Sender::Handler);
        }
        outbox
    }

    #[test]
    fn small_frames_go_out_together() {
        let mut outbox = outbox(&["ab", "cd"]);
        assert_eq!(outbox.offer().unwrap(), "abcd");
    }

    #[test]
    fn what_is_not_acknowledged_is_offered_again() {
        let mut outbox = outbox(&["ab", "cd"]);
        assert_eq!(outbox.offer().unwrap(), "abcd");
        outbox.push(Frame::from_bytes_unchecked("ef"), Sender::Handler);
        outbox.acknowledge(3);
        assert_eq!(outbox.offer().unwrap(), "d");
        outbox.acknowledge(1);
        assert_eq!(outbox.offer().unwrap(), "ef");
        outbox.acknowledge(2);
        assert_eq!((outbox.offer(), outbox.len()), (None, 0));
    }

    #[test]
    fn a_frame_is_unsent_until_its_last_byte_is_acknowledged() {
        let mut outbox = outbox(&["ab", "cd", "ef"]);
        outbox.push(Frame::sign_of_life(), Sender::Protocol);
        let _ = outbox.offer();
        outbox.acknowledge(3);
        let unsent = outbox.take_unsent();
        assert_eq!(unsent.iter().map(Frame::as_bytes).collect::<Vec<_>>(), [b"cd", b"ef"]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_large_frame_is_not_copied() {
        let large = Frame::from_bytes_unchecked(alloc::vec![b'x'; BATCH]);
        let mut outbox = Outbox::default();
        outbox.push(large.clone(), Sender::Handler);
        outbox.push(Frame::from_bytes_unchecked("ab"), Sender::Handler);
        assert_eq!(outbox.offer().unwrap().as_ptr(), large.as_bytes().as_ptr());
    }

    #[test]
    fn more_than_was_offered_cannot_be_acknowledged() {
        let mut outbox = outbox(&["ab"]);
        let _ = outbox.offer();
        outbox.acknowledge(99);
        assert!(outbox.is_empty());
    }
}
