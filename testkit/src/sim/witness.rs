//! Who knows all that was said, hears what the client hears, and holds it to the
//! law: in order, no repeat, no silent gap.

use std::collections::{BTreeMap, HashMap};

use lasse_core::{Decoded, Epoch, EventId};

/// What was said in all, and how much of it the client has.
#[derive(Debug, Default)]
pub(super) struct Witness {
    /// How many events were said, by any server there was.
    pub(super) said: u64,
    /// How many had been said before each epoch began.
    epochs: HashMap<String, u64>,
    own_ids: HashMap<String, u64>,
    /// After which event the client is, once it was told.
    pub(super) at: Option<u64>,
    pub(super) heard: u64,
    /// How often the client was told of a gap, by reason.
    pub(super) resets: BTreeMap<String, u64>,
}

impl Witness {
    /// A server begins anew.
    pub(super) fn begin(&mut self, epoch: &Epoch) {
        self.epochs.insert(epoch.as_str().into(), self.said);
    }

    /// What the next event says.
    pub(super) fn next(&self) -> (u64, String) {
        (self.said + 1, text(self.said + 1))
    }

    /// An event was said.
    pub(super) fn say(&mut self, id: &EventId) {
        self.said += 1;
        self.own_ids.insert(id.as_str().into(), self.said);
    }

    /// The client hears something.
    pub(super) fn hear(&mut self, decoded: Decoded<'_>) -> Result<(), String> {
        let message = match decoded {
            Decoded::LastEventId(id) => return Err(format!("the id {id:?} comes without data")),
            Decoded::Message(message) => message,
            Decoded::Comment(_) | Decoded::Retry(_) => return Ok(()),
        };
        let (data, id) = (message.data(), message.last_event_id());
        match message.name() {
            "position" => self.be_told_position(id),
            "reset" => self.be_told_gap(data, id),
            _ => self.hear_event(data, id),
        }
    }

    fn hear_event(&mut self, data: &str, id: &str) -> Result<(), String> {
        let place = self.place(id)?;
        let is_own = id.starts_with("my own");
        let unknown = || Some(place - 1).filter(|_| is_own);
        // Where events have ids of their own, some places have none.
        let at = self.at.or_else(unknown);
        let at = at.ok_or_else(|| format!("{id:?} comes before any position"))?;
        if place != at + 1 {
            return Err(format!("after event {at} comes {place}"));
        }
        if data != text(place) {
            return Err(format!("event {place} says {data:?}"));
        }
        self.at = Some(place);
        self.heard += 1;
        Ok(())
    }

    fn be_told_position(&mut self, id: &str) -> Result<(), String> {
        let place = self.place(id)?;
        if self.at.is_some_and(|at| at != place) {
            return Err(format!("from {:?} it is moved to {place} in silence", self.at));
        }
        self.at = Some(place);
        Ok(())
    }

    fn be_told_gap(&mut self, data: &str, id: &str) -> Result<(), String> {
        let place = self.place(id)?;
        let reason = data.split('"').nth(3).unwrap_or_default();
        if data.contains("\"resumed_at\":null") {
            *self.resets.entry(reason.into()).or_default() += 1;
            self.at = None;
            return Ok(());
        }
        // A server that has begun anew cannot know how much was said before.
        let is_anew = matches!(reason, "foreign" | "unknown");
        let is_gap = |at| place > at || place == at && is_anew;
        if !self.at.is_none_or(is_gap) {
            return Err(format!("from {:?} to {place} there is no gap: {data}", self.at));
        }
        self.at = Some(place);
        *self.resets.entry(reason.into()).or_default() += 1;
        Ok(())
    }

    /// How many events had been said when this id was the newest.
    fn place(&self, id: &str) -> Result<u64, String> {
        let numbered = || {
            let (epoch, number) = id.rsplit_once('-')?;
            Some(self.epochs.get(epoch)? + number.parse::<u64>().ok()?)
        };
        let own = self.own_ids.get(id).copied();
        own.or_else(numbered).ok_or_else(|| format!("no one gave the id {id:?}"))
    }
}

/// What the `n`th event says: all kinds of lengths, on several lines.
fn text(n: u64) -> String {
    let filler = "x".repeat((n * 37 % 251) as usize);
    if n % 3 == 0 { format!("{n}\n{filler}\n") } else { format!("{n} {filler}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A witness of three events, the first of which the client has.
    fn witness() -> Witness {
        let mut witness = Witness::default();
        witness.begin(&Epoch::new("k").unwrap());
        for id in ["k-1", "k-2", "my own"] {
            witness.say(&EventId::new(id).unwrap());
        }
        witness.be_told_position("k-1").unwrap();
        witness
    }

    #[test]
    fn what_comes_in_order_is_lawful() {
        let mut witness = witness();
        witness.hear_event(&text(2), "k-2").unwrap();
        witness.hear_event(&text(3), "my own").unwrap();
        assert_eq!(witness.at, Some(witness.said));
    }

    #[test]
    fn a_repeat_a_gap_and_a_lie_are_not() {
        let mut witness = witness();
        assert_eq!(witness.hear_event(&text(1), "k-1").unwrap_err(), "after event 1 comes 1");
        assert_eq!(witness.hear_event(&text(3), "my own").unwrap_err(), "after event 1 comes 3");
        assert_eq!(witness.hear_event("", "k-2").unwrap_err(), "event 2 says \"\"");
        assert!(witness.hear_event(&text(2), "j-2").is_err());
        assert!(witness.be_told_position("k-3").is_err());
    }

    #[test]
    fn a_gap_that_is_told_is_lawful_if_there_is_one() {
        let mut witness = witness();
        assert!(witness.be_told_gap("{\"reason\":\"expired\"}", "k-1").is_err());
        witness.be_told_gap("{\"reason\":\"expired\"}", "k-2").unwrap();
        witness.hear_event(&text(3), "my own").unwrap();
        assert!(witness.be_told_gap("{\"reason\":\"foreign\"}", "k-1").is_err());
    }
}
