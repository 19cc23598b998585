//! The position of a stream in its log: what must come next.

use lasse_core::{EndReason, Ending, LagPolicy, Message, ResetReason};

use super::channel_settings::ChannelSettings;
use super::feed::{Feed, LogRecord};
use super::reader::{Circumstances, End};

/// Where a stream is.
#[derive(Debug)]
pub(super) struct Position {
    /// Which log it reads.
    pub(super) log: usize,
    /// The entry that must come next.
    pub(super) next: usize,
    /// The id that the log must have first, of a client that is ahead of it.
    pub(super) awaits: Option<String>,
    /// The reset that must come first.
    pub(super) owes_reset: bool,
    /// Whether the snapshot must come before the first event, and before the position.
    pub(super) owes_snapshot: bool,
    /// Whether the position must come before the first event, as it must not where the client resumes.
    pub(super) owes_position: bool,
}

impl Position {
    /// The position of a client that is ahead of its log.
    pub(super) fn ahead(log: usize, next: usize, id: &str) -> Self {
        Self {
            log,
            next,
            awaits: Some(id.into()),
            owes_reset: false,
            owes_snapshot: false,
            owes_position: false,
        }
    }

    /// The entry that must come next, unless the client waits for its log.
    pub(super) fn next_in(&self, log: &LogRecord) -> Option<usize> {
        let Some(id) = &self.awaits else { return Some(self.next) };
        log.position_after(id, 0)
    }

    /// The reason to end, apart from the common reasons of all streams.
    pub(super) fn reason_to_end(
        &self,
        end: End,
        log: &LogRecord,
        settings: &ChannelSettings,
        circumstances: &Circumstances,
    ) -> Result<Option<EndReason>, String> {
        if self.owes_reset && end == End::Clean && !settings.has_silent_resets() {
            return Err("it ends before the reset that it owes".into());
        }
        if self.owes_snapshot && end == End::Clean {
            return Err("it ends before the snapshot".into());
        }
        let len = log.entries.len();
        let silent = settings.has_silent_resets();
        // A reader that lags needs a new snapshot, if there are snapshots.
        let is_final = settings.lag == LagPolicy::Disconnect || settings.has_snapshots;
        let may_skip = silent && settings.lag == LagPolicy::Skip && !is_final;
        let place = self.next_in(log).unwrap_or(len);
        let next = if silent { log.after_holes(place) } else { place };
        let is_all = next == len
            || silent && self.awaits.is_some()
            || may_skip && circumstances.held_from == len;
        // The log went on past the awaited id, and no notice could report that.
        let is_passed = |id: &String| !log.is_ahead(id) && self.next_in(log).is_none();
        let is_passed = silent && self.awaits.as_ref().is_some_and(is_passed);
        let has_lagged =
            circumstances.held_from > place || settings.has_snapshots && log.is_hole(place);
        Ok(match (log.ending, end) {
            (_, End::Clean) if is_passed => Some(EndReason::Lagged),
            (Some(Ending::Finished), End::Clean) if is_all => Some(EndReason::Stopped),
            (Some(Ending::Aborted), End::Broken) => Some(EndReason::Aborted),
            (_, End::Clean) if has_lagged && is_final => Some(EndReason::Lagged),
            _ => None,
        })
    }

    pub(super) fn handle_position(&mut self, id: &str, log: &LogRecord) -> Result<(), String> {
        if self.owes_snapshot {
            return Err("the position comes before the snapshot".into());
        }
        if self.awaits.is_some() {
            self.next = self.stop_waiting(None, log.position_of(id), log)?;
            return Ok(());
        }
        if !self.owes_position {
            return Err(format!("it is told the position {id:?}, which is not due"));
        }
        self.owes_position = false;
        if !log.is_at(id, self.next) {
            return Err(format!("it is told {id:?}, but is at {}", self.next));
        }
        Ok(())
    }

    pub(super) fn handle_reset(
        &mut self,
        data: &str,
        log: &LogRecord,
        settings: &ChannelSettings,
    ) -> Result<ResetReason, String> {
        let word = text_of(data, "reason").unwrap_or_default();
        let reason = REASONS.into_iter().find(|reason| reason.as_str() == word);
        let reason = reason.ok_or_else(|| format!("a reset without a reason: {data}"))?;
        let resumed_at = text_of(data, "resumed_at");
        if std::mem::take(&mut self.owes_reset) {
            let is_right = match &resumed_at {
                Some(id) => log.is_at(id, self.next),
                None => !log.has_id_at(self.next),
            };
            return match is_right {
                true => Ok(reason),
                false => Err(format!("a reset not to {}: {data}", self.next)),
            };
        }
        if settings.has_snapshots {
            return Err(format!("a reset without a snapshot: {data}"));
        }
        let to = resumed_at.and_then(|id| log.position_of(&id));
        self.next = self
            .after_late_reset(reason, to, log, settings.lag)
            .map_err(|what| format!("a reset of a stream at {}: {what}: {data}", self.next))?;
        Ok(reason)
    }

    /// Where a stream that has started is after a reset to the position `to`.
    fn after_late_reset(
        &mut self,
        reason: ResetReason,
        to: Option<usize>,
        log: &LogRecord,
        lag: LagPolicy,
    ) -> Result<usize, String> {
        if self.awaits.is_some() {
            return self.stop_waiting(Some(reason), to, log);
        }
        let to = to.ok_or("its id was never given")?;
        let is_right = match reason {
            ResetReason::Hole => log.is_hole(self.next) && to == self.next + 1,
            ResetReason::Lagged => lag == LagPolicy::Skip && to > self.next,
            _ => false,
        };
        if is_right { Ok(to) } else { Err("nothing is lost".into()) }
    }

    /// Where a client that waits for its log is after a notice with the position `to`: a reset for
    /// this reason, or no reset. It waits for as long as the log can still give its id.
    fn stop_waiting(
        &mut self,
        reason: Option<ResetReason>,
        to: Option<usize>,
        log: &LogRecord,
    ) -> Result<usize, String> {
        use ResetReason::{Ahead, Foreign};
        let is_ahead = self.awaits.take().is_some_and(|id| log.is_ahead(&id));
        let is_right = match reason {
            Some(Foreign) => false,
            Some(Ahead) => is_ahead && log.ending.is_some(),
            Some(_) => !is_ahead,
            None => !is_ahead || log.ending.is_some(),
        };
        let to = to.filter(|_| is_right);
        to.ok_or_else(|| "a client that waits for its log is moved".into())
    }

    /// Takes a message: a notice or an event. Returns the reason of a reset.
    pub(super) fn handle_message(
        &mut self,
        message: &Message<'_>,
        feed: &Feed,
        log: &LogRecord,
        settings: &ChannelSettings,
    ) -> Result<Option<ResetReason>, String> {
        let id = message.last_event_id();
        match message.name() {
            "reset" => {
                let reason = self.handle_reset(message.data(), log, settings)?;
                let must_move = log.has_id_at(self.next) && !self.owes_snapshot;
                if must_move && !log.is_at(id, self.next) {
                    return Err(format!("a reset to {} moves to {id:?}", self.next));
                }
                Ok(Some(reason))
            }
            "position" => self.handle_position(id, log).map(|()| None),
            "snapshot" => self.handle_snapshot(message.data(), log, settings).map(|()| None),
            name => {
                self.handle_event(name, message.data(), id, feed, log, settings)?;
                Ok(None)
            }
        }
    }

    /// Takes a snapshot, whose data is the id after which the events follow.
    fn handle_snapshot(
        &mut self,
        data: &str,
        log: &LogRecord,
        settings: &ChannelSettings,
    ) -> Result<(), String> {
        if self.owes_reset && !settings.has_silent_resets() {
            return Err("the snapshot comes before the reset".into());
        }
        if !self.owes_snapshot || !log.is_at(data, self.next) {
            return Err(format!("a snapshot of {data:?} at {}", self.next));
        }
        (self.owes_snapshot, self.owes_reset) = (false, false);
        Ok(())
    }

    fn handle_event(
        &mut self,
        name: &str,
        data: &str,
        id: &str,
        feed: &Feed,
        log: &LogRecord,
        settings: &ChannelSettings,
    ) -> Result<(), String> {
        let place = Feed::place_in(data).filter(|place| *place < feed.len());
        let place = place.ok_or_else(|| format!("no one published {data:?}"))?;
        let index = log.index_of(place).ok_or_else(|| format!("its log has no event {place}"))?;
        if self.owes_reset && !settings.has_silent_resets() {
            return Err(format!("event {place} comes before the reset"));
        }
        if self.owes_position || self.owes_snapshot {
            return Err(format!("event {place} comes before the position or the snapshot"));
        }
        let is_silent = settings.has_silent_resets();
        self.next = self.next_in(log).unwrap_or(if is_silent { index } else { usize::MAX });
        self.awaits = None;
        let may_skip = is_silent && settings.lag == LagPolicy::Skip;
        let is_after_hole = is_silent && index == log.after_holes(self.next);
        if index != self.next && !is_after_hole && !(may_skip && index > self.next) {
            return Err(format!("entry {index} comes where {} must", self.next));
        }
        if (name, data) != (feed.expected(place).0, feed.expected(place).1.as_str()) {
            return Err(format!("event {place} comes as {name:?}, {data:?}"));
        }
        if id != log.entries[index].id {
            return Err(format!("event {place} has the id {id:?}"));
        }
        self.next = index + 1;
        self.owes_reset = false;
        Ok(())
    }
}

impl ChannelSettings {
    /// Whether a client is not notified of a reset.
    pub(super) fn has_silent_resets(&self) -> bool {
        self.reset.is_none()
    }

    /// Whether a new client receives its position.
    pub(super) fn sends_position(&self) -> bool {
        self.position.is_some()
    }
}

/// All reasons of a reset.
pub(super) const REASONS: [ResetReason; 6] = [
    ResetReason::Expired,
    ResetReason::Foreign,
    ResetReason::Ahead,
    ResetReason::Unknown,
    ResetReason::Lagged,
    ResetReason::Hole,
];

/// The string `name` in a flat JSON object.
pub(super) fn text_of(json: &str, name: &str) -> Option<String> {
    let (_, rest) = json.split_once(&format!("\"{name}\":\""))?;
    let (mut text, mut chars) = (String::new(), rest.chars());
    loop {
        match chars.next()? {
            '"' => return Some(text),
            '\\' => match chars.next()? {
                'u' => {
                    let digits: String = chars.by_ref().take(4).collect();
                    text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                }
                other => text.push(other),
            },
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_of_a_reset_is_read_with_its_escapes() {
        let json = r#"{"reason":"unknown","requested":"a\"\\\u0007","resumed_at":"k-1"}"#;
        assert_eq!(text_of(json, "requested").as_deref(), Some("a\"\\\u{7}"));
        assert_eq!(text_of(json, "resumed_at").as_deref(), Some("k-1"));
        assert_eq!(text_of(json, "other"), None);
    }
}
