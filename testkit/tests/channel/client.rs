//! A client of a numbered channel, over all its connections. It checks that it receives each event
//! once and in order, or a reset.

use std::collections::BTreeMap;

use lasse_testkit::Received;

/// What a client has received.
#[derive(Default)]
pub(crate) struct Client {
    /// The last event id that it sends.
    pub(crate) last: Option<String>,
    /// The number of that id.
    pub(crate) number: u64,
    /// How many events it received.
    pub(crate) heard: u64,
    /// How often it was reset, by reason.
    pub(crate) resets: BTreeMap<String, u64>,
    /// The last count of each publisher.
    counts: BTreeMap<String, u64>,
}

impl Client {
    /// # Panics
    ///
    /// If an event is lost or repeated without a reset.
    pub(crate) fn receive(&mut self, received: Received) {
        match received {
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

    /// Checks that this follows the event before of the same publisher.
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

/// The text of an event, of various lengths.
pub(crate) fn text(who: u64, count: u64) -> String {
    format!("{who} {count} {}", "x".repeat((count * 37 % 151) as usize))
}

fn number(id: &str) -> u64 {
    id.rsplit_once('-').unwrap().1.parse().unwrap()
}
