//! Where a reader of some topics can be, and what it can receive next.

use super::record::TopicLog;

/// Where a reader can be. What the server did with a change of the filter shows only later, so there can be
/// several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The first entry that was neither received nor skipped.
    pub(super) next: usize,
    /// The patterns, and the entry from which each applies. None: all events.
    pub(super) wanted: Option<Vec<(&'static str, usize)>>,
    pub(super) catch_up: Option<CatchUp>,
    /// How many changes of the filter are in effect.
    pub(super) changes: usize,
}

/// How a reader catches up that does without superseded events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CatchUp {
    /// The entry from which it receives all events.
    pub(super) until: usize,
    /// Whether it receives the state of all keys, and nothing else.
    pub(super) keys_only: bool,
    /// Whether it can receive all events before, since it is not known for sure where it ends.
    pub(super) is_open: bool,
}

/// A change of a filter: the patterns, each with the entry from which it applies if that was given, and
/// where the log ended then.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) wanted: Vec<(&'static str, Option<usize>)>,
    pub(super) from: usize,
}

impl Place {
    pub(super) fn new(next: usize, wanted: Option<Vec<(&'static str, usize)>>) -> Self {
        Self { next, wanted, catch_up: None, changes: 0 }
    }

    /// The reader after an event, if it can be the next.
    pub(super) fn after_event(&self, index: usize, log: &TopicLog) -> Option<Self> {
        let can_be_next = self.can_skip_to(index, log) && self.can_receive(index, log);
        can_be_next.then(|| self.at(index + 1))
    }

    /// The reader after a notice that it is at `place`, if it can be there.
    pub(super) fn after_position(&self, place: usize, log: &TopicLog) -> Option<Self> {
        let mut after = self.at(place);
        after.catch_up = after.catch_up.filter(|catch_up| !catch_up.is_open);
        self.can_skip_to(place, log).then_some(after)
    }

    /// The reader after a reset past the hole before `place`, if it can be at that hole.
    pub(super) fn after_hole(&self, place: usize, log: &TopicLog) -> Option<Self> {
        let hole = place.checked_sub(1).filter(|hole| log.is_hole(*hole))?;
        self.can_skip_to(hole, log).then(|| self.at(place))
    }

    /// Whether it lacks nothing before `place`.
    pub(super) fn can_skip_to(&self, place: usize, log: &TopicLog) -> bool {
        self.next <= place && (self.next..place).all(|index| self.can_skip(index, log))
    }

    /// Whether an event is gone that it should have had; with `superseded`, even one that a newer one of
    /// the same key superseded.
    pub(super) fn lacks(&self, log: &TopicLog, superseded: bool) -> bool {
        if (self.next..log.first).any(|index| log.is_hole(index)) {
            return true;
        }
        if self.wanted.is_none() && superseded {
            return self.next < log.first;
        }
        let mut dropped = self.next..log.first.max(self.next);
        dropped.any(|index| {
            let is_needed = superseded
                || log.key(index).is_none()
                || log.entries[index].is_tombstone
                || log.is_cleared(index);
            is_needed && !log.is_available(index) && self.wants(index, log)
        })
    }

    /// Whether the log can take it for one that lacks events, though it does not: the log does not know all
    /// topics of a prefix, nor which number was at which place once it has dropped it.
    pub(super) fn may_seem_to_lack(&self, log: &TopicLog) -> bool {
        let has_prefix =
            self.wanted.iter().flatten().any(|(pattern, _)| pattern.ends_with(['*', '>']));
        let is_known = log.topics_since.is_some_and(|since| self.next >= since);
        self.next < log.first && (has_prefix || log.has_gaps() || !is_known)
    }

    pub(super) fn wants(&self, index: usize, log: &TopicLog) -> bool {
        let Some(wanted) = &self.wanted else { return true };
        let Some(topic) = log.entries[index].topic else { return false };
        wanted.iter().any(|(pattern, from)| index >= *from && matches(pattern, topic))
    }

    /// The reader with the next of these changes of its filter, if there is one left.
    pub(super) fn changed(&self, changes: &[Change]) -> Option<Self> {
        let change = changes.get(self.changes)?;
        let mut changed = Self { changes: self.changes + 1, ..self.clone() };
        let from = |(pattern, after): &(&'static str, Option<usize>)| {
            let before = match &self.wanted {
                None => Some(0),
                Some(wanted) => {
                    wanted.iter().find(|(old, _)| old == pattern).map(|(_, from)| *from)
                }
            };
            let from = match (before, *after) {
                (Some(before), after) => self.next.max(before).max(after.unwrap_or(0)),
                (None, after) => {
                    let from = after.unwrap_or(change.from);
                    changed.next = changed.next.min(from);
                    from
                }
            };
            (*pattern, from)
        };
        let wanted = change.wanted.iter().map(from).collect();
        changed.wanted = Some(wanted);
        Some(changed)
    }

    fn at(&self, next: usize) -> Self {
        let catch_up = self.catch_up.filter(|catch_up| next < catch_up.until);
        Self { next, catch_up, ..self.clone() }
    }

    fn can_receive(&self, index: usize, log: &TopicLog) -> bool {
        let Some(catch_up) = self.catch_up.filter(|catch_up| index < catch_up.until) else {
            return self.wants(index, log);
        };
        let is_state = log.key(index).is_some() && !log.entries[index].is_tombstone;
        let is_chosen = is_state || !catch_up.keys_only;
        let is_newest = !log.is_superseded(index, catch_up.until);
        self.wants(index, log) && (catch_up.is_open || is_chosen && is_newest)
    }

    fn can_skip(&self, index: usize, log: &TopicLog) -> bool {
        if log.is_hole(index) {
            // The state of all keys has no holes.
            let is_state = |catch_up: CatchUp| catch_up.keys_only && index < catch_up.until;
            return self.catch_up.is_some_and(is_state);
        }
        let is_superseded = || log.is_superseded(index, log.len());
        let is_left_out = |catch_up: CatchUp| {
            let is_no_state = log.key(index).is_none()
                || log.entries[index].is_tombstone
                || log.is_cleared(index);
            index < catch_up.until && (catch_up.keys_only && is_no_state || is_superseded())
        };
        !self.wants(index, log) || self.catch_up.is_some_and(is_left_out)
    }
}

/// Whether a pattern matches a topic, token by token.
fn matches(pattern: &str, topic: &str) -> bool {
    let (mut wanted, mut tokens) = (pattern.split('.'), topic.split('.'));
    loop {
        match (wanted.next(), tokens.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some(one), Some(other)) if one == "*" || one == other => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_token_by_token() {
        let matched = |pattern| ["a", "a.b", "a.b.c", "ab"].map(|topic| matches(pattern, topic));
        assert_eq!(matched("a"), [true, false, false, false]);
        assert_eq!(matched("a.*"), [false, true, false, false]);
        assert_eq!(matched("a.>"), [false, true, true, false]);
        assert_eq!((matched("*"), matched(">")), ([true, false, false, true], [true; 4]));
    }
}
