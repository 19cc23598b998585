//! A list in chunks: when it grows, nothing moves, and few places are unused.

use alloc::vec::Vec;
use core::mem::size_of;

/// A list of values that stay where they are. All chunks but the last are full.
#[derive(Debug)]
pub(super) struct Chunks<T>(Vec<Vec<T>>);

impl<T> Chunks<T> {
    pub(super) fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * CHUNK + last.len())
    }

    pub(super) fn push(&mut self, value: T) {
        match self.0.last_mut().filter(|last| last.len() < CHUNK) {
            Some(last) => last.push(value),
            None => {
                // The first one grows, because most lists are short.
                let capacity = if self.0.is_empty() { 1 } else { CHUNK };
                let mut chunk = Vec::with_capacity(capacity);
                chunk.push(value);
                self.0.push(chunk);
            }
        }
    }

    pub(super) fn get(&self, nth: usize) -> Option<&T> {
        self.0.get(nth / CHUNK)?.get(nth % CHUNK)
    }

    pub(super) fn get_mut(&mut self, nth: usize) -> Option<&mut T> {
        self.0.get_mut(nth / CHUNK)?.get_mut(nth % CHUNK)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        let values = match self.0.as_slice() {
            [chunk] => chunk.capacity(),
            chunks => chunks.len() * CHUNK,
        };
        self.0.capacity() * size_of::<Vec<T>>() + values * size_of::<T>()
    }
}

const CHUNK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_number_and_take_little_more_than_their_bytes() {
        let mut chunks = Chunks::new();
        for nth in 0..1000_u64 {
            assert_eq!(chunks.len() as u64, nth);
            chunks.push(nth);
        }
        *chunks.get_mut(64).unwrap() += 7;
        assert_eq!(
            [0, 63, 64, 999, 1000].map(|nth| chunks.get(nth).copied()),
            [Some(0), Some(63), Some(71), Some(999), None]
        );
        assert_eq!(chunks.iter().sum::<u64>(), 1000 * 999 / 2 + 7);
        assert!(chunks.memory() < 9_000, "{} bytes", chunks.memory());
    }
}
