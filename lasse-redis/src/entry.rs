//! Entries of a stream: what their fields are, and how they are checked.

use std::borrow::Cow;
use std::time::Duration;

use lasse_core::{Ending, Event, EventName, Topic};

use crate::stream_id::StreamId;

/// What an entry of a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Event(Event<'static>, Option<Topic>),
    /// An epoch begins. The epoch before ended after this entry, if that is known.
    Epoch {
        after: Option<StreamId>,
    },
    /// Events of the end of this epoch were acknowledged or read, and then lost by Redis.
    Lost {
        epoch: u64,
    },
    /// The channel ended after this entry.
    End {
        ending: Ending,
        after: StreamId,
    },
    /// An entry of another program.
    Foreign,
}

/// A field of an entry: a name and a value.
pub(crate) type Field<'a> = (&'static str, Cow<'a, str>);

impl Entry {
    /// Reads the fields of an entry: names and values in turn. What this crate does not write is
    /// [`Foreign`](Self::Foreign).
    pub(crate) fn read(fields: &[Vec<u8>]) -> Self {
        Self::checked(fields).unwrap_or(Self::Foreign)
    }

    fn checked(fields: &[Vec<u8>]) -> Option<Self> {
        let mut pairs = Vec::with_capacity(fields.len() / 2);
        for pair in fields.chunks(2) {
            let [name, value] = pair else { return None };
            pairs.push((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?));
        }
        let ((KIND, kind), rest) = pairs.split_first()? else { return None };
        match (*kind, rest) {
            (EVENT, fields) => event(fields),
            (EPOCH, [(AFTER, "")]) => Some(Self::Epoch { after: None }),
            (EPOCH, [(AFTER, after)]) => Some(Self::Epoch { after: Some(StreamId::parse(after)?) }),
            (LOST, [(OF, epoch)]) => Some(Self::Lost { epoch: epoch.parse().ok()? }),
            (FINISH, [(AFTER, after)]) => Self::end(Ending::Finished, after),
            (ABORT, [(AFTER, after)]) => Self::end(Ending::Aborted, after),
            _ => None,
        }
    }

    fn end(ending: Ending, after: &str) -> Option<Self> {
        Some(Self::End { ending, after: StreamId::parse(after)? })
    }
}

/// The fields of an event, from which [`Entry::read`] makes an equal one.
pub(crate) fn fields<'a>(event: &'a Event<'_>, topic: Option<&'a Topic>) -> Vec<Field<'a>> {
    let mut fields = vec![(KIND, EVENT.into()), (DATA, event.data().into())];
    fields.extend(event.name().map(|name| (NAME, name.as_str().into())));
    fields.extend(event.retry().map(|retry| (RETRY, retry.as_millis().to_string().into())));
    fields.extend(event.comment().map(|comment| (COMMENT, comment.into())));
    fields.extend(topic.map(|topic| (TOPIC, topic.as_str().into())));
    fields
}

/// An event of these fields: the data, and then others, in the order in which they are written.
fn event(fields: &[(&str, &str)]) -> Option<Entry> {
    let ((DATA, data), mut rest) = fields.split_first()? else { return None };
    let mut event = Event::new((*data).to_owned());
    if let Some(((NAME, name), others)) = rest.split_first() {
        event = event.with_name(EventName::new((*name).to_owned()).ok()?);
        rest = others;
    }
    if let Some(((RETRY, millis), others)) = rest.split_first() {
        event = event.with_retry(Duration::from_millis(millis.parse().ok()?));
        rest = others;
    }
    if let Some(((COMMENT, comment), others)) = rest.split_first() {
        event = event.with_comment((*comment).to_owned());
        rest = others;
    }
    let mut topic = None;
    if let Some(((TOPIC, name), others)) = rest.split_first() {
        topic = Some(Topic::new((*name).to_owned()).ok()?);
        rest = others;
    }
    rest.is_empty().then_some(Entry::Event(event, topic))
}

/// The first field of each entry, and its values.
const KIND: &str = "lasse";
const EVENT: &str = "event";
const EPOCH: &str = "epoch";
const LOST: &str = "lost";
const FINISH: &str = "finish";
const ABORT: &str = "abort";

/// Fields of an event.
const DATA: &str = "data";
const NAME: &str = "event";
const RETRY: &str = "retry";
const COMMENT: &str = "comment";
const TOPIC: &str = "topic";

/// Fields of the other entries.
const AFTER: &str = "after";
const OF: &str = "of";

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(fields: &[&str]) -> Entry {
        Entry::read(&fields.iter().map(|field| field.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn an_event_is_read_as_it_was_written() {
        for event in [
            Event::new(""),
            Event::new("a\nb\r\n\0ä"),
            Event::new("1").with_static_name("n"),
            Event::new("1").with_retry(Duration::from_millis(7)),
            Event::new("1").with_comment("why\nso"),
            Event::new("1").with_static_name("n").with_retry(Duration::ZERO).with_comment(""),
        ] {
            for topic in [None, Some(Topic::from_static("room.tea"))] {
                let flat: Vec<_> = fields(&event, topic.as_ref())
                    .iter()
                    .flat_map(|(name, value)| [name.as_bytes().to_vec(), value.as_bytes().to_vec()])
                    .collect();
                assert_eq!(Entry::read(&flat), Entry::Event(event.clone(), topic));
            }
        }
    }

    #[test]
    fn the_entries_of_the_scripts_are_read() {
        let after = StreamId::new(5, 7);
        assert_eq!(entry(&["lasse", "epoch", "after", ""]), Entry::Epoch { after: None });
        assert_eq!(entry(&["lasse", "epoch", "after", "5-7"]), Entry::Epoch { after: Some(after) });
        assert_eq!(entry(&["lasse", "lost", "of", "5"]), Entry::Lost { epoch: 5 });
        let finished = Entry::End { ending: Ending::Finished, after };
        assert_eq!(entry(&["lasse", "finish", "after", "5-7"]), finished);
        let aborted = Entry::End { ending: Ending::Aborted, after };
        assert_eq!(entry(&["lasse", "abort", "after", "5-7"]), aborted);
    }

    #[test]
    fn what_others_write_is_foreign_and_forges_no_field() {
        for fields in [
            &["message", "hello"] as &[&str],
            &["lasse", "event"],
            &["lasse", "event", "event", "n", "data", "x"],
            &["lasse", "event", "data", "x", "event", "a\nid: 9-9"],
            &["lasse", "event", "data", "x", "event", ""],
            &["lasse", "event", "data", "x", "retry", "-1"],
            &["lasse", "event", "data", "x", "id", "9-9"],
            &["lasse", "event", "data", "x", "data", "y"],
            &["lasse", "event", "data", "x", "topic", ""],
            &["lasse", "event", "data", "x", "topic", "room.*"],
            &["lasse", "event", "data", "x", "topic", "a\nid: 9-9"],
            &["lasse", "event", "data", "x", "topic", "a", "topic", "b"],
            &["lasse", "event", "data", "x", "topic", "a", "event", "n"],
            &["lasse", "epoch"],
            &["lasse", "epoch", "after", "soon"],
            &["lasse", "lost", "of", ""],
            &["lasse", "other"],
            &["lasse"],
            &[],
        ] {
            assert_eq!(entry(fields), Entry::Foreign, "{fields:?}");
        }
        let latin = [b"lasse".to_vec(), b"event".to_vec(), b"data".to_vec(), b"\xe4".to_vec()];
        assert_eq!(Entry::read(&latin), Entry::Foreign);
    }
}
