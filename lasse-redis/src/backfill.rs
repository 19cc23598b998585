//! Events that a node no longer holds, read from Redis in pages.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lasse_core::channel::{Backfill, BackfillPage};
use lasse_core::{EventId, Frame, ResetReason, TopicFilter};

use crate::backplane::Backplane;
use crate::entry::Entry;
use crate::error::Failure;
use crate::reply;
use crate::report;
use crate::stream::Stream;
use crate::stream_id::StreamId;
use crate::topic_table::is_wanted;

/// Reads the entries of a stream after the last event of a client.
pub(crate) struct RedisBackfill {
    source: Arc<Source>,
    /// The last number that the client has, of any kind of entry.
    at: StreamId,
    page: Option<PageFuture>,
}

type PageFuture = Pin<Box<dyn Future<Output = Page> + Send>>;

struct Source {
    backplane: Backplane,
    stream: Arc<Stream>,
    /// The topics of the client, if it does not get all events.
    filter: Option<TopicFilter>,
}

/// A page, and where the next one starts.
struct Page {
    page: BackfillPage,
    at: StreamId,
}

impl RedisBackfill {
    pub(crate) fn new(
        backplane: Backplane,
        stream: Arc<Stream>,
        filter: Option<TopicFilter>,
        at: StreamId,
    ) -> Self {
        let source = Arc::new(Source { backplane, stream, filter });
        Self { source, at, page: None }
    }
}

impl Backfill for RedisBackfill {
    fn poll_page(&mut self, cx: &mut Context<'_>) -> Poll<BackfillPage> {
        let (source, at) = (&self.source, self.at);
        let page = self.page.get_or_insert_with(|| Box::pin(Arc::clone(source).next(at)));
        let page = ready!(page.as_mut().poll(cx));
        (self.page, self.at) = (None, page.at);
        Poll::Ready(page.page)
    }
}

impl Source {
    /// Reads a page. The place is free again before the client takes the page, so that no slow
    /// client keeps others from theirs.
    async fn next(self: Arc<Self>, at: StreamId) -> Page {
        let _place = self.backplane.shared().backfills.acquire().await;
        match self.read(at).await {
            Ok(entries) => {
                report::page();
                page(at, entries, self.filter.as_ref())
            }
            Err(_) => Page { page: BackfillPage::Failed, at },
        }
    }

    async fn read(&self, at: StreamId) -> Result<Vec<(StreamId, Entry)>, Failure> {
        let connector = &self.backplane.shared().connector;
        let mut numbered = connector.connection().await?;
        let mut command = redis::cmd("XRANGE");
        command
            .arg(self.stream.key())
            .arg(format!("({at}"))
            .arg("+")
            .arg("COUNT")
            .arg(PAGE_ENTRIES);
        match command.query_async(&mut numbered.connection).await {
            Ok(reply) => Ok(reply::entries(reply)),
            Err(error) => {
                connector.discard(numbered.number).await;
                Err(Failure::of(&error).without_effect())
            }
        }
    }
}

/// The events for the client that follow without a gap, up to the size of a page.
fn page(mut at: StreamId, entries: Vec<(StreamId, Entry)>, filter: Option<&TopicFilter>) -> Page {
    let start = at;
    let (mut frames, mut bytes) = (Vec::new(), 0);
    let mut last = None;
    for (id, entry) in entries {
        let is_next = id.epoch == at.epoch && id.number == at.number.saturating_add(1);
        match entry {
            Entry::Event(event, topic) if is_next => {
                let Ok(event_id) = id.to_event_id() else { break };
                if filter.is_none_or(|filter| is_wanted(filter, id, topic.as_ref())) {
                    let frame = event.with_id(event_id.clone()).encode();
                    bytes += frame.len();
                    frames.push(frame);
                    last = Some(event_id);
                }
                at = id;
            }
            Entry::Epoch { after } if after == Some(at) => at = id,
            // It takes a number, but it is not an event.
            Entry::Foreign if is_next => at = id,
            Entry::Foreign if id.epoch != at.epoch => {}
            _ => break,
        }
        if bytes >= PAGE_BYTES {
            break;
        }
    }
    Page { page: result(start, at, &frames, last), at }
}

/// The page that was read from `start` up to `at`.
fn result(start: StreamId, at: StreamId, frames: &[Frame], last: Option<EventId>) -> BackfillPage {
    match (last, at.to_event_id()) {
        (Some(last), _) => BackfillPage::Events(Frame::concat(frames), last),
        (None, Ok(id)) if at > start => BackfillPage::Skipped(id),
        // A loss, a gap, or the end of the stream, which the channel should have.
        _ => BackfillPage::Missing(ResetReason::Hole),
    }
}

/// How many entries are read at once.
const PAGE_ENTRIES: usize = 100;

/// After how many bytes a page ends.
const PAGE_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use lasse_core::{Event, Topic};

    use super::*;

    fn event(epoch: u64, number: u64) -> (StreamId, Entry) {
        (StreamId::new(epoch, number), Entry::Event(Event::new(number.to_string()), None))
    }

    /// The ids of the events in a page, or the reason of a reset, and the place after it.
    fn read(at: StreamId, entries: Vec<(StreamId, Entry)>) -> (String, StreamId) {
        let page = page(at, entries, None);
        let text = match page.page {
            BackfillPage::Events(frame, _) => {
                let text = std::str::from_utf8(frame.as_bytes()).unwrap_or_default();
                let ids = text.lines().filter_map(|line| line.strip_prefix("id: "));
                ids.collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        };
        (text, page.at)
    }

    #[test]
    fn a_page_has_the_events_that_follow_without_a_gap() {
        let at = StreamId::new(5, 2);
        let next = (StreamId::new(8, 0), Entry::Epoch { after: Some(StreamId::new(5, 4)) });
        let entries = vec![event(5, 3), event(5, 4), next, event(8, 1)];
        assert_eq!(read(at, entries), ("5-3 5-4 8-1".into(), StreamId::new(8, 1)));
        let other = (StreamId::new(5, 4), Entry::Foreign);
        let entries = vec![event(5, 3), other, event(5, 5), event(5, 7)];
        assert_eq!(read(at, entries), ("5-3 5-5".into(), StreamId::new(5, 5)));
    }

    #[test]
    fn a_gap_a_loss_and_the_end_of_the_stream_are_a_reset() {
        let at = StreamId::new(5, 2);
        let missing = "Missing(Hole)".to_owned();
        let lost = (StreamId::new(5, 3), Entry::Lost { epoch: 4 });
        let next = (StreamId::new(8, 0), Entry::Epoch { after: Some(StreamId::new(5, 4)) });
        for entries in [vec![], vec![event(5, 4)], vec![lost], vec![next], vec![event(8, 1)]] {
            assert_eq!(read(at, entries), (missing.clone(), at));
        }
    }

    #[test]
    fn a_page_ends_after_64_kib() {
        let large = |number| {
            let event = Event::new("x".repeat(40 * 1024));
            (StreamId::new(5, number), Entry::Event(event, None))
        };
        let (ids, at) = read(StreamId::new(5, 0), vec![large(1), large(2), large(3)]);
        assert_eq!((ids.as_str(), at), ("5-1 5-2", StreamId::new(5, 2)));
    }

    #[test]
    fn a_page_of_some_topics_skips_the_others() {
        let tea = Topic::from_static("room.tea");
        let of = |number: u64, topic: Option<&Topic>| {
            let event = Event::new(number.to_string());
            (StreamId::new(5, number), Entry::Event(event, topic.cloned()))
        };
        let filter = TopicFilter::from(tea.clone());
        let entries = vec![of(3, None), of(4, Some(&tea)), of(5, None)];
        let found = page(StreamId::new(5, 2), entries, Some(&filter));
        let BackfillPage::Events(frame, last) = found.page else { panic!("{:?}", found.page) };
        assert_eq!((frame.as_bytes(), last.as_str()), (&b"data: 4\nid: 5-4\n\n"[..], "5-4"));
        assert_eq!(found.at, StreamId::new(5, 5));
        let others = page(StreamId::new(5, 2), vec![of(3, None), of(4, None)], Some(&filter));
        let skipped = EventId::new("5-4").unwrap();
        assert_eq!(others.page, BackfillPage::Skipped(skipped));
        let gap = page(StreamId::new(5, 2), vec![of(4, Some(&tea))], Some(&filter));
        assert_eq!(gap.page, BackfillPage::Missing(ResetReason::Hole));
    }
}
