//! The send queue of a stream: frames that are queued or in flight, and how much of
//! them is acknowledged.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use crate::frame::Frame;

/// The frames that the client has not wholly received, in order.
///
/// Mostly there is none or one, which needs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The oldest frame that is not wholly acknowledged.
    front: Option<Item>,
    /// How many bytes of it are acknowledged.
    acknowledged: usize,
    /// Whether the last offer is not wholly acknowledged.
    is_in_flight: bool,
    more: Option<Box<More>>,
}

#[derive(Debug)]
struct Item {
    frame: Frame,
    sender: Sender,
}

/// The frames after the front.
#[derive(Debug, Default)]
struct More {
    queue: VecDeque<Item>,
    /// If the last offer had several frames: its unacknowledged rest.
    offered: Bytes,
    /// How many bytes are in the queue.
    len: usize,
    /// How many frames of the source are in the queue.
    frames: usize,
}

/// Where a frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// The source, whose `handle_error` receives the frame if it is not sent.
    Source,
    /// The protocol: keep-alives, shutdown.
    Protocol,
}

impl Outbox {
    #[inline]
    pub(crate) fn push(&mut self, frame: Frame, sender: Sender) {
        if frame.is_empty() {
            return;
        }
        let item = Item { frame, sender };
        if self.front.is_none() {
            self.front = Some(item);
        } else {
            self.more.get_or_insert_default().push(item);
        }
    }

    /// Returns the bytes to write next: the unacknowledged rest of the last offer,
    /// else all frames from the front that fit into one write.
    #[inline]
    pub(crate) fn offer(&mut self) -> Option<Bytes> {
        let front = self.front.as_ref()?;
        match &mut self.more {
            Some(more) if !self.is_in_flight => more.offered = more.gather(front),
            _ => {}
        }
        self.is_in_flight = true;
        match &self.more {
            Some(more) if !more.offered.is_empty() => Some(more.offered.clone()),
            _ if self.acknowledged == 0 => Some(front.bytes().clone()),
            _ => Some(front.bytes().slice(self.acknowledged..)),
        }
    }

    /// Records that `n` bytes of the offer are written.
    #[inline]
    pub(crate) fn acknowledge(&mut self, n: usize) {
        let Some(front) = self.front.as_ref().filter(|_| self.is_in_flight) else { return };
        let in_front = front.len() - self.acknowledged;
        let gathered = self.more.as_mut().map(|more| &mut more.offered);
        match gathered.filter(|offered| !offered.is_empty()) {
            Some(offered) => {
                let n = n.min(offered.len());
                offered.advance(n);
                self.is_in_flight = !offered.is_empty();
                self.acknowledged += n;
            }
            None => {
                self.is_in_flight = n < in_front;
                self.acknowledged += n.min(in_front);
            }
        }
        self.drop_acknowledged();
    }

    /// Empties the outbox, and returns the frames of the source that were not wholly
    /// acknowledged.
    pub(crate) fn take_unsent(&mut self) -> Vec<Frame> {
        let Self { front, more, .. } = core::mem::take(self);
        let queue = more.map(|more| more.queue).unwrap_or_default();
        let of_source = front.into_iter().chain(queue).filter(Item::is_of_source);
        of_source.map(|item| item.frame).collect()
    }

    /// How many bytes are not acknowledged.
    pub(crate) fn len(&self) -> usize {
        let front = self.front.as_ref().map_or(0, Item::len);
        front - self.acknowledged + self.more.as_ref().map_or(0, |more| more.len)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.front.is_none()
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.is_in_flight
    }

    /// Whether a frame of the source is not wholly acknowledged.
    pub(crate) fn holds_source_frames(&self) -> bool {
        self.front.as_ref().is_some_and(Item::is_of_source)
            || self.more.as_ref().is_some_and(|more| more.frames > 0)
    }

    /// Drops the frames that are wholly acknowledged.
    fn drop_acknowledged(&mut self) {
        while let Some(front) = self.front.take_if(|front| front.len() <= self.acknowledged) {
            self.acknowledged -= front.len();
            self.front = self.more.as_mut().and_then(|more| more.pop());
        }
        // Most streams are idle, and a queue for a few frames is cheap to make.
        if self.more.as_ref().is_some_and(|more| more.queue.is_empty() && !self.is_in_flight) {
            self.more = None;
        }
    }
}

impl Item {
    fn bytes(&self) -> &Bytes {
        self.frame.bytes()
    }

    fn len(&self) -> usize {
        self.frame.len()
    }

    fn is_of_source(&self) -> bool {
        self.sender == Sender::Source
    }
}

impl More {
    fn push(&mut self, item: Item) {
        self.len += item.len();
        self.frames += usize::from(item.is_of_source());
        self.queue.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.queue.pop_front()?;
        self.len -= item.len();
        self.frames -= usize::from(item.is_of_source());
        Some(item)
    }

    /// The front and all following frames that fit into one write, in one piece.
    /// Empty if that is the front alone.
    fn gather(&self, front: &Item) -> Bytes {
        let mut len = front.len();
        let fits = |item: &&Item| {
            len += item.len();
            len <= BATCH
        };
        let mut batch: Vec<&[u8]> = alloc::vec![front.bytes()];
        batch.extend(self.queue.iter().take_while(fits).map(|item| &**item.bytes()));
        if batch.len() == 1 { Bytes::new() } else { batch.concat().into() }
    }
}

/// How many bytes of small frames go out in one write. Up to this size, a copy costs
/// less than another write.
const BATCH: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(frames: &[&'static str]) -> Outbox {
        let mut outbox = Outbox::default();
        for frame in frames {
            outbox.push(Frame::from_bytes_unchecked(*frame), Sender::Source);
        }
        outbox
    }

    #[test]
    fn small_frames_go_out_in_one_write() {
        let mut outbox = outbox(&["ab", "cd"]);
        assert_eq!(outbox.offer().unwrap(), "abcd");
    }

    #[test]
    fn unacknowledged_bytes_are_offered_again() {
        let mut outbox = outbox(&["ab", "cd"]);
        assert_eq!(outbox.offer().unwrap(), "abcd");
        outbox.push(Frame::from_bytes_unchecked("ef"), Sender::Source);
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
        outbox.push(Frame::keep_alive(), Sender::Protocol);
        let _ = outbox.offer();
        outbox.acknowledge(3);
        let unsent = outbox.take_unsent();
        assert_eq!(unsent.iter().map(Frame::as_bytes).collect::<Vec<_>>(), [b"cd", b"ef"]);
        assert!(outbox.is_empty());
    }

    #[test]
    fn the_bytes_and_the_frames_of_the_source_are_counted_down_to_the_last() {
        let large = "x".repeat(BATCH);
        let mut outbox = Outbox::default();
        for sender in [Sender::Source, Sender::Source, Sender::Protocol] {
            outbox.push(Frame::from_bytes_unchecked(large.clone()), sender);
        }
        let mut counts = Vec::new();
        while outbox.offer().is_some() {
            outbox.acknowledge(BATCH / 2);
            counts.push((outbox.len() / (BATCH / 2), outbox.holds_source_frames()));
        }
        let expected = [(5, true), (4, true), (3, true), (2, false), (1, false), (0, false)];
        assert_eq!(counts, expected);
    }

    #[test]
    fn an_outbox_holds_no_frame_of_the_source_if_all_that_are_left_are_of_others() {
        let large = "x".repeat(BATCH);
        let mut outbox = Outbox::default();
        for sender in [Sender::Protocol, Sender::Protocol] {
            outbox.push(Frame::from_bytes_unchecked(large.clone()), sender);
        }
        assert!(!outbox.holds_source_frames());
        for sender in [Sender::Source, Sender::Protocol, Sender::Protocol] {
            outbox.push(Frame::from_bytes_unchecked(large.clone()), sender);
        }
        let mut holds = Vec::new();
        while outbox.offer().is_some() {
            outbox.acknowledge(BATCH);
            holds.push(outbox.holds_source_frames());
        }
        assert_eq!(holds, [true, true, false, false, false]);
    }

    #[test]
    fn a_large_frame_is_not_copied() {
        let large = Frame::from_bytes_unchecked(alloc::vec![b'x'; BATCH]);
        let mut outbox = Outbox::default();
        outbox.push(large.clone(), Sender::Source);
        outbox.push(Frame::from_bytes_unchecked("ab"), Sender::Source);
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
