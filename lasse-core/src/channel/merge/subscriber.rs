//! A reader of several channels: the source of one stream.

use std::boxed::Box;
use std::mem;
use std::string::String;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec::Vec;

use super::id::join;
use super::part::Part;
use super::rewrite::rewrite;
use crate::channel::notice::{NoticeName, position_event};
use crate::channel::subscriber::{ResumeOutcome, Subscriber};
use crate::end::EndReason;
use crate::field::EventId;
use crate::frame::Frame;
use crate::log::{Ending, Read};
use crate::source::{Next, Progress, Source};
use crate::time::Instant;

/// A reader of several channels, as one stream. Made by
/// [`MergedSubscription`](crate::MergedSubscription).
///
/// - The events of each channel are in order, and none is missing or repeated without a reset. There
///   is no order between channels.
/// - The channels take turns: after a slice of one, each of the others is read before it.
/// - A reset, and the notice `conflated`, have the name of their channel in the field `channel` of
///   their data. There is one position event for all channels.
/// - A channel that finishes ends its part. The stream ends when all have finished.
/// - A channel that is aborted aborts the stream, and a channel whose reader lags ends it, as it would
///   alone. The client reconnects, and resumes in the other channels.
#[derive(Debug)]
pub struct MergedSubscriber {
    parts: Box<[Part]>,
    /// Whether the first frames are read.
    has_begun: bool,
    /// The part that is read next.
    turn: usize,
    /// The name of position events. None, if none are sent.
    position: Option<NoticeName>,
    /// Whether the client must be sent its position.
    lacks_position: bool,
    /// When the places of quiet parts were last brought up to date.
    refreshed: Option<Instant>,
}

impl MergedSubscriber {
    pub(super) fn new(parts: Vec<Part>) -> Self {
        let position = parts.iter().find_map(|part| part.subscriber.as_ref()?.position_name());
        let parts = parts.into_boxed_slice();
        Self { parts, has_begun: false, turn: 0, position, lacks_position: false, refreshed: None }
    }

    /// Where the part of the channel of this name starts. `None`, if there is no such channel, or if
    /// the client has all of it.
    pub fn outcome(&self, channel: &str) -> Option<ResumeOutcome> {
        let part = self.parts.iter().find(|part| part.name() == channel)?;
        part.subscriber.as_ref().map(Subscriber::outcome)
    }

    /// The frames that the stream starts with: the notices and snapshots of all channels, the
    /// position, and the first events, if there are any. Without a call of this, the first poll
    /// returns the same.
    pub fn first_frames(&mut self) -> Vec<Frame> {
        self.has_begun = true;
        let mut frames = Vec::new();
        let mut out = Vec::new();
        for nth in 0..self.parts.len() {
            if let Some(Read::Events(frame)) = self.read(nth, Subscriber::read_first_notices) {
                self.put(nth, &frame, &mut out);
            }
        }
        frames.extend(self.end_of(out).map(Frame::from_bytes_unchecked));
        let mut len = 0;
        for nth in 0..self.parts.len() {
            if len >= FIRST_BYTES {
                break;
            }
            let events = self.read(nth, |part| Some(part.read()));
            let Some(Read::Events(events)) = events else { continue };
            let frame = self.frame(nth, &events);
            len += frame.as_ref().map_or(0, Frame::len);
            frames.extend(frame);
        }
        frames
    }

    /// The same subscriber, without notices. If the client cannot resume in a channel, returns the
    /// data of the first such reset instead.
    #[cfg(feature = "http")]
    pub(super) fn without_notices(mut self) -> Result<Self, String> {
        for part in &mut self.parts {
            let Some(subscriber) = part.subscriber.take() else { continue };
            let subscriber = subscriber.without_notices().map_err(|reset| {
                let fields = reset.strip_prefix('{').unwrap_or_default();
                std::format!("{{\"channel\":\"{}\",{fields}", part.name())
            })?;
            part.subscriber = Some(subscriber);
        }
        self.position = None;
        Ok(self)
    }

    /// Polls a part, until it has something for the client. `None`, if it waits or has ended.
    fn poll_part(&mut self, nth: usize, now: Instant, cx: &mut Context<'_>) -> Option<Next> {
        loop {
            let part = self.parts.get_mut(nth)?;
            match part.subscriber.as_mut()?.poll_read(cx) {
                Poll::Pending | Poll::Ready(Read::Wait) => return None,
                Poll::Ready(Read::Events(events)) => {
                    self.refresh(nth, now);
                    if let Some(frame) = self.frame(nth, &events) {
                        return Some(Next::Send(frame));
                    }
                }
                Poll::Ready(Read::Lagged | Read::Hole) => return Some(Next::Lagged),
                Poll::Ready(Read::Over(Ending::Finished)) => part.subscriber = None,
                Poll::Ready(Read::Over(Ending::Aborted)) => return Some(Next::Abort),
            }
        }
    }

    /// Brings the places of the other parts up to date, now and then. A reader of topics moves on
    /// without events, which a keep-alive would report if the stream were quiet.
    fn refresh(&mut self, nth: usize, now: Instant) {
        let is_recent = self.refreshed.is_some_and(|refreshed| now < refreshed + REFRESH_AFTER);
        if is_recent {
            return;
        }
        self.refreshed = Some(now);
        for other in (0..self.parts.len()).filter(|other| *other != nth) {
            self.move_on(other);
        }
    }

    /// Moves a reader of topics to the end of the channel, if it has all of its events. Returns whether
    /// it moved.
    fn move_on(&mut self, nth: usize) -> bool {
        let part = self.parts.get_mut(nth).and_then(|part| part.subscriber.as_mut());
        let Some(mark) = part.and_then(Source::keep_alive) else { return false };
        rewrite(&mut self.parts, nth, mark.as_bytes(), &mut Vec::new())
    }

    fn read(&mut self, nth: usize, read: impl Fn(&mut Subscriber) -> Option<Read>) -> Option<Read> {
        read(self.parts.get_mut(nth)?.subscriber.as_mut()?)
    }

    fn put(&mut self, nth: usize, events: &Frame, out: &mut Vec<u8>) {
        self.lacks_position |= rewrite(&mut self.parts, nth, events.as_bytes(), out);
    }

    /// The events of a part as a frame of the stream. None, if there are only marks.
    fn frame(&mut self, nth: usize, events: &Frame) -> Option<Frame> {
        let mut out = Vec::with_capacity(events.len());
        self.put(nth, events, &mut out);
        let out = self.end_of(out)?;
        Some(self.parts.get_mut(nth)?.frame(out))
    }

    /// The bytes of a frame, with the position event, if one is due. None, if there are none.
    fn end_of(&mut self, mut out: Vec<u8>) -> Option<Vec<u8>> {
        let is_due = mem::take(&mut self.lacks_position);
        if let Some(name) = self.position.as_ref().filter(|_| is_due) {
            let mut id = String::new();
            join(&mut id, self.parts.iter().map(Part::place));
            out.extend_from_slice(position_event(name, &EventId::from_line(id)).as_bytes());
        }
        (!out.is_empty()).then_some(out)
    }
}

impl Source for MergedSubscriber {
    fn poll_next(&mut self, now: Instant, cx: &mut Context<'_>) -> Next {
        self.refreshed.get_or_insert(now);
        if !self.has_begun {
            let first = self.first_frames();
            if !first.is_empty() {
                return Next::Send(Frame::concat(&first));
            }
        }
        let (turn, count) = (self.turn, self.parts.len());
        for nth in (turn..count).chain(0..turn) {
            if let Some(next) = self.poll_part(nth, now, cx) {
                self.turn = (nth + 1) % count;
                return next;
            }
        }
        match self.parts.iter().any(|part| part.subscriber.is_some()) {
            true => Next::Wait(None),
            false => Next::Stop,
        }
    }

    fn keep_alive(&mut self) -> Option<Frame> {
        let mut has_moved = false;
        for nth in 0..self.parts.len() {
            has_moved |= self.move_on(nth);
        }
        self.lacks_position |= has_moved;
        self.end_of(Vec::new()).map(Frame::from_bytes_unchecked)
    }

    /// It is behind by the events of all channels, and as close to lagging as in the closest one.
    fn progress(&self) -> Option<Progress> {
        let last_read = self.turn.checked_sub(1).unwrap_or(self.parts.len() - 1);
        let of_part = |(nth, part): (usize, &Part)| {
            let progress = part.subscriber.as_ref()?.progress()?;
            Some(Progress {
                published: progress.published.filter(|_| nth == last_read),
                ..progress
            })
        };
        self.parts.iter().enumerate().filter_map(of_part).reduce(|one, other| Progress {
            behind: one.behind.saturating_add(other.behind),
            ahead_of_oldest: one.ahead_of_oldest.into_iter().chain(other.ahead_of_oldest).min(),
            published: one.published.or(other.published),
        })
    }

    fn terminate(&mut self, reason: EndReason) {
        let subscribers = self.parts.iter_mut().filter_map(|part| part.subscriber.take());
        subscribers.for_each(|mut subscriber| subscriber.terminate(reason));
    }
}

/// How often the places of quiet parts are brought up to date.
const REFRESH_AFTER: Duration = Duration::from_secs(15);

/// After so many bytes, the first frames get no events of further channels.
const FIRST_BYTES: usize = 16 * 1024;
