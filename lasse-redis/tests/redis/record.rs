//! The record of published events, and the check of the events that clients received.

use std::collections::BTreeMap;

use lasse_core::EventId;

use crate::client::Received;

/// An id, in the order of the stream.
type Place = (u64, u64);

/// The published events, by id.
#[derive(Debug, Default)]
pub(crate) struct Published {
    events: BTreeMap<Place, String>,
}

impl Published {
    /// Records an acknowledged event.
    ///
    /// # Panics
    ///
    /// If another event has the same id.
    pub(crate) fn add(&mut self, id: &EventId, data: &str) {
        self.see(id.as_str(), data);
    }

    fn see(&mut self, id: &str, data: &str) {
        let before = self.events.insert(place(id), data.to_owned());
        assert!(before.as_deref().is_none_or(|before| before == data), "{id}: {before:?}, {data}");
    }

    /// The id of the first event.
    pub(crate) fn first(&self) -> String {
        let (epoch, number) = self.events.keys().next().unwrap();
        format!("{epoch}-{number}")
    }

    /// The id of the last event.
    pub(crate) fn last(&self) -> String {
        let (epoch, number) = self.events.keys().next_back().unwrap();
        format!("{epoch}-{number}")
    }

    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Checks the records of all clients: each id means one event, the order is that of the ids,
    /// no event comes twice, and none is missing between two others but across a reset.
    pub(crate) fn check<'a>(&mut self, records: impl Iterator<Item = &'a [Received]> + Clone) {
        for received in records.clone().flatten() {
            if let Received::Event { id, data } = received {
                self.see(id, data);
            }
        }
        for (client, record) in records.enumerate() {
            self.check_one(client, record);
        }
    }

    fn check_one(&self, client: usize, record: &[Received]) {
        let mut before: Option<Place> = None;
        for received in record {
            match received {
                Received::Event { id, .. } => {
                    let next = place(id);
                    if let Some(before) = before {
                        assert!(before < next, "client {client}: {next:?} after {before:?}");
                        let mut between = self.events.range(before..next).skip(1);
                        let missing = between.next();
                        assert!(
                            missing.is_none(),
                            "client {client} lacks {missing:?} between {before:?} and {next:?}"
                        );
                    }
                    before = Some(next);
                }
                Received::Reset { .. } => before = None,
                Received::End => {}
            }
        }
    }
}

fn place(id: &str) -> Place {
    let (epoch, number) = id.split_once('-').unwrap();
    (epoch.parse().unwrap(), number.parse().unwrap())
}
