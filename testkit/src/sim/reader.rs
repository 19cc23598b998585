//! One connection, from the client's side, held to the law: events in order, none twice, none missing
//! without a reset, each clean end whole.

use lasse_core::{Decoded, EndReason, FilterHandle, Instant, ResetReason};

use super::body_end::BodyEnd;
use super::channel_settings::ChannelSettings;
use super::feed::{Feed, LogRecord};
use super::position::Position;
use super::sequence::Sequence;
use super::source::MailNotifier;
use super::topics::{TopicReader, TopicSettings, Topics};

/// What the server decided about a request, and what the client has received since.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) client: usize,
    pub(super) node: usize,
    pub(super) feed: usize,
    pub(super) opened_at: Instant,
    pub(super) answer: Option<Answer>,
    /// Whether something was done to the connection or its node that explains any end.
    pub(super) is_faulted: bool,
    /// Whether its node was killed, and nothing is known any more of why it ended.
    pub(super) is_orphaned: bool,
    /// Whether the client may have been slow, so that it may be given up.
    pub(super) is_slow: bool,
    pub(super) is_over: bool,
    /// Why its source ended, if it is watched and has ended.
    pub(super) reason: Option<EndReason>,
    /// The numbered events of a stream that is not a feed's.
    pub(super) sequence: Sequence,
    /// The other end of its mailbox, and how many messages that holds.
    pub(super) mailbox: Option<(MailNotifier, usize)>,
    /// The answer to a reader of topics, before its response was checked.
    pub(super) decided: Option<Answer>,
    /// Changes its filter.
    pub(super) filter: Option<FilterHandle>,
    /// Whether the mailbox was stopped with the stream.
    pub(super) is_stopped: bool,
    /// Whether the stream has sent the reason for its end.
    has_last_notice: bool,
    status: Option<u16>,
    body: BodyEnd,
    delivered: u64,
}

/// How the server answered, as far as the law is concerned.
#[derive(Debug)]
pub(super) enum Answer {
    Stream(Position),
    /// A stream of the events of some topics.
    Topics(TopicReader),
    /// A stream of numbered events.
    Sequence,
    /// All of a channel that is over has been received: 204.
    Complete,
    /// There is no room: a stream that only sends when to reconnect.
    Refused,
}

/// How a connection ended, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Clean,
    Broken,
}

/// What can explain the end of a stream.
#[derive(Debug)]
pub(super) struct Circumstances {
    /// The first entry that the log still holds.
    pub(super) held_from: usize,
    /// The reason why the stream of a reader of topics can end, apart from the common ones.
    pub(super) of_topics: Option<EndReason>,
    pub(super) is_draining: bool,
    /// Whether a drain is over, after which the server ends all connections.
    pub(super) is_drained: bool,
    pub(super) is_too_old: bool,
}

impl Reader {
    pub(super) fn new(client: usize, node: usize, feed: usize, opened_at: Instant) -> Self {
        Self {
            client,
            node,
            feed,
            opened_at,
            answer: None,
            is_faulted: false,
            is_orphaned: false,
            is_slow: false,
            is_over: false,
            reason: None,
            sequence: Sequence::default(),
            mailbox: None,
            decided: None,
            filter: None,
            is_stopped: false,
            has_last_notice: false,
            status: None,
            body: BodyEnd::default(),
            delivered: 0,
        }
    }

    pub(super) fn position(&self) -> Option<&Position> {
        match &self.answer {
            Some(Answer::Stream(position)) => Some(position),
            _ => None,
        }
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(super) fn handle_status(&mut self, status: u16) -> Result<(), String> {
        self.status = Some(status);
        let is_right = match &self.answer {
            Some(Answer::Complete) => status == 204,
            Some(_) => status == 200,
            None => status == 408,
        };
        if is_right { Ok(()) } else { Err(format!("{status} answers {:?}", self.answer)) }
    }

    /// Takes raw bytes of the body.
    pub(super) fn handle_body(&mut self, bytes: &[u8]) {
        self.body.handle_bytes(bytes);
    }

    pub(super) fn is_of_topics(&self) -> bool {
        matches!(self.answer, Some(Answer::Topics(_)))
    }

    /// What its stream must receive, and by what its filter changes, if it is open and can.
    pub(super) fn topics_and_filter(&mut self) -> Option<(&mut TopicReader, &FilterHandle)> {
        match &mut self.answer {
            Some(Answer::Topics(topics)) => Some((topics, self.filter.as_ref()?)),
            _ => None,
        }
    }

    /// Takes what a reader of topics decoded. Returns the reason of a reset.
    pub(super) fn handle_topics(
        &mut self,
        decoded: &Decoded<'_>,
        topics: &Topics,
        settings: &TopicSettings,
    ) -> Result<Option<ResetReason>, String> {
        if self.is_last_notice(decoded)? {
            return Ok(None);
        }
        let Some(Answer::Topics(reader)) = &mut self.answer else { return Ok(None) };
        let log = &topics.logs[reader.log];
        let (is_event, reason) = reader.handle_decoded(decoded, &topics.items, log, settings)?;
        self.delivered += u64::from(is_event);
        Ok(reason)
    }

    /// Whether the client decoded a last notice, after which nothing comes.
    fn is_last_notice(&mut self, decoded: &Decoded<'_>) -> Result<bool, String> {
        let Decoded::Message(message) = decoded else { return Ok(false) };
        if std::mem::replace(&mut self.has_last_notice, is_last_notice(message.name())) {
            return Err(format!("{message:?} follows the last notice"));
        }
        Ok(self.has_last_notice)
    }

    /// Takes what the client decoded. Returns the reason of a reset.
    pub(super) fn handle_decoded(
        &mut self,
        decoded: &Decoded<'_>,
        feed: &Feed,
        logs: &[LogRecord],
        settings: &ChannelSettings,
    ) -> Result<Option<ResetReason>, String> {
        if self.is_last_notice(decoded)? {
            return Ok(None);
        }
        let position = match (&mut self.answer, decoded) {
            (Some(Answer::Stream(position)), _) => position,
            (Some(Answer::Refused), Decoded::Retry(_)) => return Ok(None),
            (Some(Answer::Sequence), Decoded::Message(message)) => {
                self.delivered += 1;
                return self.sequence.receive(message.data()).map(|()| None);
            }
            (Some(Answer::Sequence), Decoded::Comment(_) | Decoded::Retry(_)) => return Ok(None),
            (answer, decoded) => return Err(format!("{answer:?} goes on with {decoded:?}")),
        };
        let log = &logs[position.log];
        match decoded {
            Decoded::Retry(_) | Decoded::Comment(_) => Ok(None),
            Decoded::LastEventId(id) => {
                position.handle_position(id, log)?;
                Ok(None)
            }
            Decoded::Message(message) => {
                let reason = position.handle_message(message, feed, log, settings)?;
                let is_notice = ["reset", "position", "snapshot"].contains(&message.name());
                self.delivered += u64::from(!is_notice);
                Ok(reason)
            }
        }
    }

    /// Takes the end of the connection, which must have a reason.
    pub(super) fn handle_end(
        &mut self,
        end: End,
        log: Option<&LogRecord>,
        settings: &ChannelSettings,
        circumstances: &Circumstances,
    ) -> Result<(), String> {
        self.is_over = true;
        let is_excused = self.is_faulted || self.is_slow;
        let is_cut = end == End::Broken && is_excused;
        let reason = match (&self.answer, log) {
            _ if is_cut => return Ok(()),
            (None, _) if is_excused || circumstances.is_draining => return Ok(()),
            (None, _) => return Err("there was no answer".into()),
            _ if end == End::Clean && self.status.is_none() => {
                return Err("it ends before its head".into());
            }
            (Some(Answer::Stream(position)), Some(log)) => {
                position.reason_to_end(end, log, settings, circumstances)
            }
            (Some(Answer::Sequence), _) => self.sequence.reason_to_end(self.reason),
            (Some(Answer::Topics(_)), _) => Ok(circumstances.of_topics),
            (Some(_), _) if end == End::Clean => return Ok(()),
            (Some(Answer::Refused), _) if circumstances.is_drained => return Ok(()),
            (Some(answer), _) => return Err(format!("{answer:?} is cut off")),
        };
        if end == End::Clean && !self.body.is_whole() {
            return Err("a clean end in the middle of an event".into());
        }
        if self.is_orphaned {
            return Ok(());
        }
        self.check_reason(end, reason?, circumstances)
    }

    /// Whether the stream could end like this, and ended for a reason that the client can see.
    fn check_reason(
        &self,
        end: End,
        expected: Option<EndReason>,
        circumstances: &Circumstances,
    ) -> Result<(), String> {
        let is_possible = |reason| match reason {
            // A client that reads has time to read the end.
            EndReason::Shutdown if end == End::Broken => false,
            EndReason::Shutdown => circumstances.is_draining,
            EndReason::Expired => circumstances.is_too_old,
            reason => expected == Some(reason),
        };
        let is_clean = |reason| {
            use EndReason::{Expired, Lagged, Shutdown, Stopped};
            matches!(reason, Stopped | Lagged | Shutdown | Expired)
        };
        let candidates = EndReason::all().iter().copied();
        let mut candidates = candidates.filter(|reason| is_possible(*reason));
        let is_right = match self.reason {
            // Its source is not watched.
            None => candidates.next().is_some(),
            Some(reason) => is_possible(reason),
        };
        let reason = self.reason;
        match (is_right, reason) {
            (false, _) => Err(format!("a {end:?} end for no reason: {reason:?}, {expected:?}")),
            (true, Some(reason)) if end == End::Clean && !is_clean(reason) => {
                Err(format!("a clean end although the stream ended as {reason}"))
            }
            (true, _) => Ok(()),
        }
    }
}

/// Whether an event gives the reason why a stream ends, or why there is none.
fn is_last_notice(name: &str) -> bool {
    ["end", "shutdown", "expired", "refused"].contains(&name)
}
