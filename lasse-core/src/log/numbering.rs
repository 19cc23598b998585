//! The numbers of a log's events: from an id to a place in the log, and back.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::mem::size_of;

use super::epoch::Epoch;
use super::resume::ResetReason;

/// Maps `<epoch>-<number>` to places, and back.
///
/// Events with consecutive numbers are a run. Where numbers are left out, a hole takes a position
/// of its own between two runs, so that a reader stands either before it or behind it.
#[derive(Debug)]
pub(super) struct Numbering {
    epoch: Epoch,
    /// Counts the epochs of the log.
    generation: u32,
    /// The newest number of the epoch.
    number: u64,
    newest: Run,
    /// The place before the first entry that is held.
    floor: Name,
    older: Option<Box<Older>>,
}

/// Events with consecutive numbers.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// Of the first event.
    position: u64,
    /// The number before that of the first event. No event follows the greatest number.
    after: u64,
    generation: u32,
    /// Whether there is a hole at the position before.
    is_after_hole: bool,
}

/// The id of a place: after the event of this number.
#[derive(Clone, Copy, Debug)]
struct Name {
    generation: u32,
    number: u64,
}

/// What only some logs have.
#[derive(Debug, Default)]
struct Older {
    /// The runs before the newest, oldest first.
    runs: VecDeque<Run>,
    /// The positions of the holes, oldest first.
    holes: VecDeque<u64>,
    /// The epochs before the newest, oldest first.
    epochs: VecDeque<OlderEpoch>,
}

#[derive(Clone, Copy, Debug)]
struct OlderEpoch {
    epoch: Epoch,
    generation: u32,
    /// Its newest number.
    number: u64,
}

impl Numbering {
    pub(super) fn new(epoch: Epoch) -> Self {
        let newest = Run { position: 0, after: 0, generation: 0, is_after_hole: false };
        let floor = Name { generation: 0, number: 0 };
        Self { epoch, generation: 0, number: 0, newest, floor, older: None }
    }

    pub(super) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// The newest number of the epoch.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether no id was ever given: a client can only have one of another log.
    pub(super) fn is_new(&self) -> bool {
        (self.generation, self.number) == (0, 0)
    }

    /// The next event has this number, which is the next one.
    pub(super) fn take(&mut self, number: u64) {
        self.number = number;
    }

    /// The first event of the log will have the number after `number`: what came before was
    /// somewhere else.
    pub(super) fn begin_after(&mut self, number: u64) {
        (self.number, self.floor.number) = (number, number);
        self.newest.after = number;
    }

    /// No event up to `number` was ever given a number that the log does not have. The next event
    /// will be at `end`.
    pub(super) fn skip(&mut self, number: u64, end: u64) {
        self.number = number;
        self.begin_run(end, number, false);
    }

    /// The events up to `number` are missing. The hole is at `position`.
    pub(super) fn push_hole(&mut self, number: u64, position: u64) {
        self.older.get_or_insert_default().holes.push_back(position);
        self.number = number;
        self.begin_run(position + 1, number, true);
    }

    /// Continues with number 1 of another epoch, if the log does not hold that epoch.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch, end: u64) -> bool {
        if self.generation_of(&epoch).is_some() {
            return false;
        }
        let (generation, number) = (self.generation, self.number);
        let is_unused = number == 0 && self.newest.position == end;
        if is_unused && generation == 0 {
            self.epoch = epoch;
            return true;
        }
        let older = self.older.get_or_insert_default();
        if older.epochs.len() >= MOST_EPOCHS {
            older.epochs.pop_front();
        }
        older.epochs.push_back(OlderEpoch { epoch: self.epoch, generation, number });
        if is_unused {
            // Its number 0 is the same place as that of this one.
            self.epoch = epoch;
            return true;
        }
        older.runs.push_back(self.newest);
        (self.epoch, self.number, self.generation) = (epoch, 0, generation + 1);
        let generation = self.generation;
        self.newest = Run { position: end, after: 0, generation, is_after_hole: false };
        true
    }

    /// The place after a number of an epoch.
    pub(super) fn after(
        &self,
        epoch: &Epoch,
        number: u64,
        first: u64,
        end: u64,
    ) -> Result<u64, ResetReason> {
        let Some((generation, newest)) = self.generation_of(epoch) else {
            return Err(ResetReason::Foreign);
        };
        if number > newest {
            return Err(ResetReason::Ahead);
        }
        if (generation, number) < (self.floor.generation, self.floor.number) {
            return Err(ResetReason::Expired);
        }
        let next = self.runs_before(|run| (run.generation, run.after) < (generation, number));
        let of_epoch = |nth: usize| self.run(nth).filter(|run| run.generation == generation);
        let (before, after) = (next.checked_sub(1).and_then(of_epoch), of_epoch(next));
        let in_hole = |run: &Run| run.is_after_hole && number < run.after;
        if after.is_some_and(|run| in_hole(&run)) {
            let is_in_run =
                before.is_some_and(|run| number - run.after <= self.len(next, &run, end));
            if !is_in_run {
                return Err(ResetReason::Hole);
            }
        }
        let place = match (before, after) {
            (Some(run), after) => {
                let len = self.len(next, &run, end);
                let nth = number - run.after;
                match after {
                    Some(after) if nth > len => after.position,
                    _ => run.position + nth.min(len),
                }
            }
            (None, Some(after)) => after.position,
            (None, None) => first,
        };
        let place = place.max(first);
        if self.is_hole(place) { Err(ResetReason::Hole) } else { Ok(place) }
    }

    /// The place after the holes that come next after a number of an epoch.
    pub(super) fn past_hole(&self, epoch: &Epoch, number: u64) -> Option<u64> {
        let (generation, _) = self.generation_of(epoch)?;
        let mut nth = self.runs_before(|run| (run.generation, run.after) < (generation, number));
        while !self.run(nth)?.is_after_hole {
            nth += 1;
        }
        let mut place = self.run(nth)?.position;
        while self.is_hole(place) {
            place += 1;
        }
        Some(place)
    }

    /// The id of a place which is the first, or after a hole.
    pub(super) fn name(&self, position: u64) -> Option<(Epoch, u64)> {
        let name = self.name_of(position);
        if name.generation == self.generation {
            return Some((self.epoch, name.number));
        }
        let epochs = &self.older.as_deref()?.epochs;
        let epoch = epochs.iter().rev().find(|older| older.generation == name.generation)?;
        Some((epoch.epoch, name.number))
    }

    /// The id of a place where an epoch begins after others: its number 0, or a later one if it began
    /// with numbers that were never used.
    pub(super) fn epoch_start(&self, position: u64) -> Option<(Epoch, u64)> {
        let older = self.older.as_deref()?;
        let next = self.runs_before(|run| run.position <= position);
        let run = next.checked_sub(1).and_then(|nth| self.run(nth))?;
        let before = next.checked_sub(2).and_then(|nth| self.run(nth));
        let generation = before.map_or(self.floor.generation, |run| run.generation);
        if run.position != position || run.generation == generation {
            return None;
        }
        if run.generation == self.generation {
            return Some((self.epoch, run.after));
        }
        let mut epochs = older.epochs.iter().rev();
        let epoch = epochs.find(|older| older.generation == run.generation)?;
        Some((epoch.epoch, run.after))
    }

    /// Whether there is a hole at `position`.
    pub(super) fn is_hole(&self, position: u64) -> bool {
        let older = self.older.as_deref();
        older.is_some_and(|older| older.holes.binary_search(&position).is_ok())
    }

    /// The position of the first hole at or after `position`.
    pub(super) fn next_hole(&self, position: u64) -> Option<u64> {
        let holes = &self.older.as_deref()?.holes;
        holes.get(holes.partition_point(|hole| *hole < position)).copied()
    }

    /// The position of the last hole before `position`.
    pub(super) fn last_hole_before(&self, position: u64) -> Option<u64> {
        let holes = &self.older.as_deref()?.holes;
        let before = holes.partition_point(|hole| *hole < position);
        holes.get(before.checked_sub(1)?).copied()
    }

    /// A place that is not after the event of this number, which was dropped: the entries before
    /// `first` are not known, but there was at most one for each number.
    pub(super) fn place_before(&self, epoch: &Epoch, number: u64, first: u64) -> Option<u64> {
        let (generation, _) = self.generation_of(epoch)?;
        let left_out = self.floor.number.checked_sub(number)?;
        first.checked_sub(left_out).filter(|_| generation == self.floor.generation)
    }

    /// How many holes there are at or after `position`.
    pub(super) fn holes_from(&self, position: u64) -> u64 {
        let Some(older) = self.older.as_deref() else { return 0 };
        let before = older.holes.partition_point(|hole| *hole < position);
        (older.holes.len() - before) as u64
    }

    /// Forgets everything before `first`.
    pub(super) fn let_go(&mut self, first: u64) {
        self.floor = self.name_of(first);
        let Some(older) = &mut self.older else { return };
        while older.holes.front().is_some_and(|hole| *hole < first) {
            older.holes.pop_front();
        }
        while !older.runs.is_empty() {
            let next = older.runs.get(1).unwrap_or(&self.newest);
            if next.position > first {
                break;
            }
            older.runs.pop_front();
        }
        let oldest = older.runs.front().unwrap_or(&self.newest).generation;
        let oldest = oldest.min(self.floor.generation);
        while older.epochs.front().is_some_and(|epoch| epoch.generation < oldest) {
            older.epochs.pop_front();
        }
        if older.runs.is_empty() && older.holes.is_empty() && older.epochs.is_empty() {
            self.older = None;
        }
    }

    /// How many bytes it has allocated.
    pub(super) fn memory(&self) -> usize {
        let Some(older) = self.older.as_deref() else { return 0 };
        size_of::<Older>()
            + older.runs.capacity() * size_of::<Run>()
            + older.holes.capacity() * size_of::<u64>()
            + older.epochs.capacity() * size_of::<OlderEpoch>()
    }

    fn name_of(&self, position: u64) -> Name {
        let next = self.runs_before(|run| run.position < position);
        let after = self.run(next).filter(|run| run.position == position && run.is_after_hole);
        let before = next.checked_sub(1).and_then(|before| self.run(before));
        match (after, before) {
            (Some(run), _) => Name { generation: run.generation, number: run.after },
            (None, Some(run)) => {
                let number = run.after + (position - run.position);
                Name { generation: run.generation, number }
            }
            (None, None) => self.floor,
        }
    }

    fn begin_run(&mut self, position: u64, after: u64, is_after_hole: bool) {
        let generation = self.generation;
        let run = Run { position, after, generation, is_after_hole };
        let before = core::mem::replace(&mut self.newest, run);
        if before.position < position || before.is_after_hole {
            self.older.get_or_insert_default().runs.push_back(before);
        }
    }

    /// The generation and the newest number of an epoch that is held.
    fn generation_of(&self, epoch: &Epoch) -> Option<(u32, u64)> {
        if *epoch == self.epoch {
            return Some((self.generation, self.number));
        }
        let epochs = &self.older.as_deref()?.epochs;
        let older = epochs.iter().find(|older| older.epoch == *epoch)?;
        Some((older.generation, older.number))
    }

    /// How many events there are in a run, the one before the `next`.
    fn len(&self, next: usize, run: &Run, end: u64) -> u64 {
        let end = self.run(next).map_or(end, |next| next.position - u64::from(next.is_after_hole));
        end - run.position
    }

    fn run(&self, nth: usize) -> Option<Run> {
        let runs = self.older.as_deref().map(|older| &older.runs);
        let older = runs.map_or(0, VecDeque::len);
        match nth.checked_sub(older) {
            Some(0) => Some(self.newest),
            Some(_) => None,
            None => runs?.get(nth).copied(),
        }
    }

    /// How many runs there are of which `is_before` holds, as it must of all before the last.
    fn runs_before(&self, is_before: impl Fn(&Run) -> bool) -> usize {
        let Some(older) = self.older.as_deref() else {
            return usize::from(is_before(&self.newest));
        };
        if is_before(&self.newest) {
            return older.runs.len() + 1;
        }
        older.runs.partition_point(is_before)
    }
}

/// Epochs before the newest whose ids resume.
const MOST_EPOCHS: usize = 64;
