//! `Viewer`: a reader of topics, in both logs.

use lasse_core::log::{Cursor, Log, Read, Resume, View};
use lasse_core::{ResetReason, StartAt};

use super::log_call::{LastSeen, Wants};
use super::simple_reader::SimpleReader;
use super::{CheckedLog, read_text};

/// A reader of topics, in both logs.
#[derive(Debug)]
pub(super) struct Viewer {
    cursor: Cursor,
    view: View,
    simple: SimpleReader,
}

impl Viewer {
    pub(super) fn new(log: &Log) -> Self {
        let cursor = log.cursor(StartAt::Now);
        Self { cursor, view: View::all(), simple: SimpleReader::default() }
    }
}

impl CheckedLog {
    pub(super) fn read_view(&mut self, nth: usize, budget: usize) {
        let Viewer { cursor, view, simple: reader } = &mut self.viewers[nth];
        let is_ready = self.log.is_view_ready(*cursor, view);
        let read = self.log.read_view(cursor, view, budget);
        assert_eq!(is_ready, read != Read::Wait, "{read:?} for {reader:?}");
        if read == Read::Lagged && self.simple.may_not_know(reader.place) {
            if !view.is_catching_up() {
                let caught_up = reader.catch_up.take().map_or(0, |(until, _)| until);
                reader.place = reader.place.max(caught_up);
            }
            return;
        }
        assert_eq!(read_text(&read), self.simple.expected(reader, budget), "{reader:?}");
        assert_eq!(view.is_catching_up(), reader.catch_up.is_some());
    }

    pub(super) fn connect_view(
        &mut self,
        nth: usize,
        wants: Option<&Wants>,
        last: &LastSeen,
        start: StartAt,
    ) {
        let Viewer { cursor, view, simple: reader } = &mut self.viewers[nth];
        self.log.release(core::mem::replace(view, View::all()));
        *reader = SimpleReader::default();
        if let Some(wants) = wants {
            let (filter, bounds) = self.simple.filter(wants);
            *view = self.log.view(&filter);
            let end = self.simple.entries.len();
            let places = bounds.into_iter().map(|(pattern, bound)| (pattern, bound.place(end)));
            reader.wanted = Some(places.collect());
        }
        let last = self.simple.last_event_id(last);
        let resume = self.log.resume_view(&last, start, view);
        let is_expired = matches!(resume, Resume::Reset(ResetReason::Expired, _));
        let expected = match self.simple.resumed(&last, reader) {
            Ok(Some(place)) if is_expired && self.simple.may_not_know(place) => {
                Err(ResetReason::Expired)
            }
            expected => expected,
        };
        reader.place = match expected {
            Ok(Some(place)) => place,
            Err(reason) if start != StartAt::LatestPerKey => {
                self.simple.start(reader, start).max(self.simple.past_hole(&last, reason))
            }
            Ok(None) | Err(_) => self.simple.start(reader, start),
        };
        *cursor = match (resume, expected) {
            (Resume::Complete, Ok(_)) => {
                let read = self.simple.expected(reader, 0);
                assert!(matches!(read.as_str(), "Finished" | "Aborted"));
                self.leave(nth);
                return;
            }
            (Resume::Fresh(cursor), Ok(None)) | (Resume::Resumed(cursor), Ok(Some(_))) => cursor,
            (Resume::Reset(reason, cursor), Err(expected)) if reason == expected => cursor,
            other => {
                panic!("{other:?} for {last:?} of {reader:?}, the first is {}", self.simple.first)
            }
        };
    }

    /// Puts a reader of all events, at the end of the log, in the place of a reader.
    fn leave(&mut self, nth: usize) {
        let mut viewer = Viewer::new(&self.log);
        viewer.simple.place = self.simple.entries.len();
        let left = core::mem::replace(&mut self.viewers[nth], viewer);
        self.log.release(left.view);
    }

    pub(super) fn change_view(&mut self, nth: usize, wants: &Wants) {
        let Viewer { cursor, view, simple: reader } = &mut self.viewers[nth];
        let (filter, bounds) = self.simple.filter(wants);
        if reader.catch_up.is_none() && !self.log.is_view_ready(*cursor, view) {
            reader.place = self.simple.entries.len();
        }
        self.log.change_view(cursor, view, &filter);
        reader.change(bounds, self.simple.entries.len());
    }

    pub(super) fn conflate(&mut self, nth: usize) {
        let Viewer { cursor, view, simple: reader } = &mut self.viewers[nth];
        let can = self.log.conflate(*cursor, view);
        let expected = self.simple.has_keys && !self.simple.lacks(reader, reader.place, false);
        assert!(can == expected || !can && self.simple.may_not_know(reader.place));
        if can {
            reader.catch_up = Some((self.simple.entries.len(), false));
        }
    }
}
