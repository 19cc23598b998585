//! Bytes to write: a head, a chunk, the end of a body.

use core::fmt;
use std::vec::Vec;

use bytes::Bytes;

/// Bytes to write, in up to four pieces, in this order: head, size of a chunk, payload,
/// end of a chunk or of the body.
///
/// The bytes are owned: they stay valid until the value is dropped, so a driver whose kernel
/// completes writes later can keep it until then. The size is in the value itself: put it into a
/// box if the kernel needs a fixed address.
#[derive(Clone, Default)]
pub struct Wire {
    pub(super) head: Bytes,
    pub(super) size: ChunkSize,
    pub(super) payload: Bytes,
    pub(super) tail: &'static [u8],
}

impl Wire {
    /// The pieces, some of which can be empty.
    pub fn slices(&self) -> [&[u8]; 4] {
        [&self.head, self.size.as_slice(), &self.payload, self.tail]
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.slices().iter().map(|slice| slice.len()).sum()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All bytes in one piece.
    pub fn concat(&self) -> Vec<u8> {
        self.slices().concat()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wire").field(&Bytes::from(self.concat())).finish()
    }
}

/// A chunk that is being written (RFC 9112 7.1): its size, its payload, CR LF.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The length of its payload; 0 if there is no chunk.
    payload: u32,
    /// How many bytes of the chunk are written.
    written: u32,
}

impl Chunk {
    /// A chunk of so many bytes, or of the first gibibyte of them.
    pub(super) fn new(payload: usize) -> Self {
        Self { payload: payload.min(MAX_CHUNK) as u32, written: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.payload == 0
    }

    /// The rest of the chunk, whose payload continues with `payload`.
    #[inline]
    pub(super) fn wire(&self, mut payload: Bytes) -> Wire {
        if self.is_done() {
            return Wire::default();
        }
        let size = ChunkSize::new(self.payload);
        // The common case: the socket took the last chunk as a whole.
        if self.written == 0 && payload.len() == self.payload as usize {
            return Wire { size, payload, tail: CR_LF, ..Wire::default() };
        }
        let (len, mut written) = (self.payload as usize, self.written as usize);
        let size = size.after(take(&mut written, size.len()));
        payload.truncate(len - take(&mut written, len));
        Wire { size, payload, tail: CR_LF.get(written..).unwrap_or_default(), ..Wire::default() }
    }

    /// What follows the payload, if all of the payload is written.
    pub(super) fn rest(&self) -> &'static [u8] {
        self.wire(Bytes::new()).tail
    }

    /// Takes the written bytes of the chunk from `n`. Returns how many of them were payload.
    #[inline]
    pub(super) fn handle_written(&mut self, n: &mut usize) -> usize {
        if self.is_done() {
            return 0;
        }
        let payload = self.payload as usize;
        let size = ChunkSize::len_of(self.payload);
        let payload_written = |written: u32| (written as usize).saturating_sub(size).min(payload);
        let before = payload_written(self.written);
        let len = size + payload + CR_LF.len();
        self.written += take(n, len - self.written as usize) as u32;
        let acknowledged = payload_written(self.written) - before;
        if self.written as usize == len {
            *self = Self::default();
        }
        acknowledged
    }
}

/// The rest of the first line of a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ChunkSize {
    text: [u8; Self::MAX_LEN],
    start: u8,
    end: u8,
}

impl ChunkSize {
    /// Eight digits, CR and LF.
    const MAX_LEN: usize = 10;

    fn new(payload: u32) -> Self {
        let mut line = Self { end: Self::len_of(payload) as u8, ..Self::default() };
        let (hex, end) = line.text.split_at_mut(Self::digits(payload));
        let mut rest = payload;
        for digit in hex.iter_mut().rev() {
            *digit = Self::digit(rest as u8 & 15);
            rest >>= 4;
        }
        end.iter_mut().zip(CR_LF).for_each(|(to, from)| *to = *from);
        line
    }

    /// The length of the line for a payload of so many bytes.
    fn len_of(payload: u32) -> usize {
        Self::digits(payload) + CR_LF.len()
    }

    fn digits(payload: u32) -> usize {
        (u32::BITS - payload.leading_zeros()).div_ceil(4) as usize
    }

    fn len(&self) -> usize {
        self.as_slice().len()
    }

    fn digit(value: u8) -> u8 {
        if value < 10 { b'0' + value } else { b'a' + value - 10 }
    }

    fn after(self, written: usize) -> Self {
        Self { start: written as u8, ..self }
    }

    fn as_slice(&self) -> &[u8] {
        self.text.get(self.start.into()..self.end.into()).unwrap_or_default()
    }
}

/// Takes up to `most` from `n`. Returns how much.
pub(super) fn take(n: &mut usize, most: usize) -> usize {
    let taken = most.min(*n);
    *n -= taken;
    taken
}

/// How many bytes a chunk can have.
const MAX_CHUNK: usize = 1 << 30;

const CR_LF: &[u8] = b"\r\n";
