//! A client of a numbered channel, over all its connections, and whether what it
//! hears is lawful: each event once and in order, or a reset that says why not.

use std::collections::BTreeMap;

use lasse_testkit::Received;

/// What a client has heard.
#[derive(Default)]
pub(crate) struct Client {
    /// The id that it comes back with.
    pub(crate) last: Option<String>,
    /// The number of the last event that it has, or was told of.
    pub(crate) number: u64,
    /// How many events it heard.
    pub(crate) heard: u64,
    /// How often it was told of a gap, by reason.
    pub(crate) resets: BTreeMap<String, u64>,
    /// What each publisher counted to.
    counts: BTreeMap<String, u64>,
}

impl Client {
    /// # Panics
    ///
    /// When that is not lawful.
    pub(crate) fn hear(&mut self, heard: Received) {
        match heard {
            Received::Message(name, data, id) if name == "reset" => {
                let reason = data.split('"').nth(3).unwrap();
                let is_forward = number(&id) > self.number;
                let may_be = if is_forward { &["expired", "lagged"][..] } else { &["ahead"] };
                assert!(may_be.contains(&reason), "at {}: {data}", self.number);
                *self.resets.entry(reason.into()).or_default() += 1;
                self.counts.clear();
                self.move_to(id);
            }
            Received::Message(name, _, id) if name == "position" => {
                assert_eq!(self.last, None, "only a new client needs its position");
                self.move_to(id);
            }
            Received::Message(_, data, id) => {
                assert_eq!(number(&id), self.number + 1, "after resets: {:?}", self.resets);
                self.count(&data);
                self.heard += 1;
                self.move_to(id);
            }
            other => panic!("{other:?}"),
        }
    }

    /// Passes if this follows on what the same publisher said before.
    fn count(&mut self, data: &str) {
        let mut words = data.split(' ');
        let (who, count) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        if let Some(before) = self.counts.insert(who.into(), count) {
            assert_eq!(count, before + 1, "of publisher {who}");
        }
    }

    fn move_to(&mut self, id: String) {
        self.number = number(&id);
        self.last = Some(id);
    }
}

/// What a publisher says, of all kinds of lengths.
pub(crate) fn text(who: u64, count: u64) -> String {
    format!("{who} {count} {}", "x".repeat((count * 37 % 151) as usize))
}

fn number(id: &str) -> u64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}
