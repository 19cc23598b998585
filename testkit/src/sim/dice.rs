//! Chance, the same each time.

use std::ops::Range;

/// A sequence of numbers that a seed decides: Steele, Lea and Flood's `SplitMix64`.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in a range that is not empty.
    pub(super) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.roll() % (range.end - range.start)
    }

    /// A number up to `most`.
    pub(super) fn up_to(&mut self, most: usize) -> usize {
        self.within(0..most as u64 + 1) as usize
    }

    pub(super) fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.up_to(from.len() - 1)].clone()
    }

    /// Whether it happens, what happens once in `n` times.
    pub(super) fn once_in(&mut self, n: u64) -> bool {
        self.roll() % n == 0
    }
}
