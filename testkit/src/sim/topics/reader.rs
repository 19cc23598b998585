//! A connection of a reader of some topics: what it must receive.

use lasse_core::{Decoded, EndReason, Ending, LagPolicy, ResetReason};

use super::place::{CatchUp, Change, Place};
use super::record::{Item, TopicLog};
use super::settings::TopicSettings;
use crate::sim::position::{REASONS, text_of};
use crate::sim::reader::End;

#[derive(Debug)]
pub(in crate::sim) struct TopicReader {
    /// Which log it reads.
    pub(in crate::sim) log: usize,
    /// Where it can be, after what the client has received.
    pub(super) places: Vec<Place>,
    /// The changes of its filter.
    pub(super) pending: Vec<Change>,
    /// The reset that must come first.
    pub(super) owes_reset: Option<ResetReason>,
    /// Whether the position must come first.
    pub(super) owes_position: bool,
    /// The id that the log must have first, of a client that is ahead of it.
    pub(super) awaits: Option<String>,
}

impl TopicReader {
    /// Takes what the client decoded. Returns whether it is an event, and the reason of a reset.
    pub(in crate::sim) fn handle_decoded(
        &mut self,
        decoded: &Decoded<'_>,
        items: &[Item],
        log: &TopicLog,
        settings: &TopicSettings,
    ) -> Result<(bool, Option<ResetReason>), String> {
        let message = match decoded {
            Decoded::Message(message) => message,
            Decoded::LastEventId(id) => {
                return self.handle_position(id, log).map(|()| (false, None));
            }
            _ => return Ok((false, None)),
        };
        let (data, id) = (message.data(), message.last_event_id());
        if message.name() == "reset" {
            let reason = self.handle_reset(data, id, log, settings)?;
            return Ok((false, Some(reason)));
        }
        self.arrive(log);
        match message.name() {
            "position" => self.handle_position(id, log)?,
            "conflated" => self.handle_conflated(data, log, settings)?,
            "message" => {
                self.handle_event(data, id, items, log)?;
                return Ok((true, None));
            }
            name => return Err(format!("an event named {name:?}")),
        }
        Ok((false, None))
    }

    /// Whether it can have all that its log has.
    pub(in crate::sim) fn is_settled(&self, log: &TopicLog) -> bool {
        let has_all = |place: &Place| place.can_skip_to(log.len(), log);
        self.awaits.is_some() || self.possible().iter().any(has_all)
    }

    /// Whether it has all that its log has, with the newest filter. A reader for which this is known
    /// can have no other place.
    pub(super) fn settle(&mut self, log: &TopicLog) -> bool {
        self.arrive(log);
        if self.awaits.is_some() {
            return true;
        }
        let last = |place: &Place| {
            let mut last = place.clone();
            while let Some(changed) = last.changed(&self.pending) {
                last = changed;
            }
            last
        };
        let mut settled: Vec<Place> = self.places.iter().map(last).collect();
        settled.retain(|place| place.can_skip_to(log.len(), log));
        settled.dedup();
        let is_settled = !settled.is_empty();
        if is_settled {
            self.places = settled;
        }
        is_settled
    }

    /// The reason to end, apart from the common reasons of all streams.
    pub(in crate::sim) fn reason_to_end(
        &self,
        end: End,
        log: &TopicLog,
        settings: &TopicSettings,
    ) -> Option<EndReason> {
        let lags = |place: &Place| place.lacks(log, true) || place.may_seem_to_lack(log);
        let owes_nothing = self.owes_reset.is_none() && !self.owes_position;
        let has_all = || owes_nothing && self.awaits.is_none() && self.is_settled(log);
        match (log.ending, end) {
            (Some(Ending::Finished), End::Clean) if has_all() => Some(EndReason::Stopped),
            (Some(Ending::Aborted), End::Broken) => Some(EndReason::Aborted),
            _ if settings.lag != LagPolicy::Disconnect => None,
            _ => self.possible().iter().any(lags).then_some(EndReason::Lagged),
        }
    }

    /// Takes note that the filter has changed.
    pub(super) fn change(&mut self, change: Change) {
        self.pending.push(change);
    }

    /// How many changes of the filter may not be in effect yet.
    pub(super) fn unsettled(&self) -> usize {
        let fewest = self.places.iter().map(|place| place.changes).min();
        self.pending.len() - fewest.unwrap_or(0)
    }

    /// A client that was ahead of its log is where it asked to be, once the log is there.
    fn arrive(&mut self, log: &TopicLog) {
        let place = self.awaits.as_deref().and_then(|id| log.place_of(id));
        if let Some(next) = place {
            self.awaits = None;
            self.places.iter_mut().for_each(|place| place.next = next);
        }
    }

    fn handle_event(
        &mut self,
        data: &str,
        id: &str,
        items: &[Item],
        log: &TopicLog,
    ) -> Result<(), String> {
        let item = data.split(' ').next().and_then(|item| item.parse().ok());
        let item: usize = item.ok_or_else(|| format!("no one published {data:?}"))?;
        if Item::data(items, item).as_deref() != Some(data) {
            return Err(format!("item {item} comes as {data:?}"));
        }
        let index = log.index_of(item).ok_or_else(|| format!("its log has no item {item}"))?;
        if log.id_of(index) != id {
            return Err(format!("item {item} has the id {id:?}, not {:?}", log.id_of(index)));
        }
        if self.owes_reset.is_some() || self.owes_position || self.awaits.is_some() {
            return Err(format!("item {item} comes before the reset, the position, or its turn"));
        }
        self.advance(|place| place.after_event(index, log))
            .map_err(|places| format!("entry {index} comes to a reader at {places}"))
    }

    fn handle_position(&mut self, id: &str, log: &TopicLog) -> Result<(), String> {
        let place = log.place_of(id).ok_or_else(|| format!("a position that is none: {id:?}"))?;
        if self.owes_reset.is_some() || self.awaits.is_some() {
            return Err(format!("the position {id:?} comes before the reset, or its turn"));
        }
        self.owes_position = false;
        self.advance(|reader| reader.after_position(place, log))
            .map_err(|places| format!("the position {place} comes to a reader at {places}"))
    }

    /// Takes the notice that superseded events are skipped from here on.
    fn handle_conflated(
        &mut self,
        data: &str,
        log: &TopicLog,
        settings: &TopicSettings,
    ) -> Result<(), String> {
        let until = text_of(data, "until").and_then(|id| log.place_of(&id));
        let until = until.ok_or_else(|| format!("superseded events are skipped until {data}"))?;
        if !matches!(settings.lag, LagPolicy::Latest { .. }) || self.owes_reset.is_some() {
            return Err("superseded events are skipped".into());
        }
        let catch_up = Some(CatchUp { until, keys_only: false, is_open: false });
        // One that skips already can have read all up to its end, or have started so.
        let ended = |place: &Place| {
            let end = place.catch_up?.until;
            place.can_skip_to(end, log).then(|| Place { next: end, catch_up, ..place.clone() })
        };
        self.places = self.possible();
        let again: Vec<Place> = self.places.iter().filter_map(ended).collect();
        self.places.iter_mut().for_each(|place| place.catch_up = place.catch_up.or(catch_up));
        self.places.extend(again);
        Ok(())
    }

    fn handle_reset(
        &mut self,
        data: &str,
        id: &str,
        log: &TopicLog,
        settings: &TopicSettings,
    ) -> Result<ResetReason, String> {
        let word = text_of(data, "reason").unwrap_or_default();
        let reason = REASONS.into_iter().find(|reason| reason.as_str() == word);
        let reason = reason.ok_or_else(|| format!("a reset without a reason: {data}"))?;
        let resumed_at = text_of(data, "resumed_at");
        if resumed_at.as_deref().is_some_and(|at| at != id) {
            return Err(format!("a reset with the id {id:?}: {data}"));
        }
        let to = resumed_at.as_deref().map(|id| log.place_of(id));
        if let Some(owed) = self.owes_reset.take() {
            let is_right = |place: &Place| match to {
                Some(to) => to == Some(place.next),
                None => place.catch_up.is_some(),
            };
            return match owed == reason && self.places.iter().any(is_right) {
                true => Ok(reason),
                false => Err(format!("a reset for {owed:?} to {:?}: {data}", self.places)),
            };
        }
        self.handle_late_reset(reason, to, log, settings)
            .map_err(|what| format!("{what}, a reset: {data}"))?;
        Ok(reason)
    }

    /// Takes a reset of a stream that has started.
    fn handle_late_reset(
        &mut self,
        reason: ResetReason,
        to: Option<Option<usize>>,
        log: &TopicLog,
        settings: &TopicSettings,
    ) -> Result<(), String> {
        if reason == ResetReason::Lagged {
            self.arrive(log);
        }
        if let Some(id) = self.awaits.take() {
            let is_past = [ResetReason::Expired, ResetReason::Hole].contains(&reason);
            let can_be_reset = is_past && log.place_of(&id).is_some()
                || [ResetReason::Ahead, ResetReason::Foreign].contains(&reason)
                    && !log.can_reach(&id);
            let to = to.flatten().filter(|_| can_be_reset);
            let next = to.ok_or("the log is where the client is")?;
            self.places.iter_mut().for_each(|place| place.next = next);
            return Ok(());
        }
        if reason == ResetReason::Hole {
            return self
                .advance(|place| place.after_hole(to??, log))
                .map_err(|places| format!("no hole at {places}"));
        }
        let is_latest = matches!(settings.lag, LagPolicy::Latest { .. });
        if reason != ResetReason::Lagged || settings.lag == LagPolicy::Disconnect {
            return Err("nothing is lost".into());
        }
        let after = |place: &Place| {
            let next = if is_latest { 0 } else { to?? };
            let is_in_bounds = to.is_none() == is_latest
                && (is_latest || (place.next..=log.first).contains(&next));
            let lacks = place.lacks(log, !is_latest) || place.may_seem_to_lack(log);
            let catch_up = CatchUp { until: log.len(), keys_only: true, is_open: true };
            let catch_up = if is_latest { Some(catch_up) } else { place.catch_up };
            (is_in_bounds && lacks).then(|| Place { next, catch_up, ..place.clone() })
        };
        self.advance(after).map_err(|places| format!("nothing is lost at {places}"))
    }

    /// Has each place, with any of the changes of the filter that can be in effect, go on as `next`
    /// decides. The error is the places, if none can.
    fn advance(&mut self, next: impl Fn(&Place) -> Option<Place>) -> Result<(), String> {
        let mut places: Vec<Place> = Vec::new();
        for place in self.possible().iter().filter_map(next) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        if places.is_empty() {
            return Err(format!("{:?}, {:?}", self.places, self.pending));
        }
        self.places = places;
        Ok(())
    }

    fn possible(&self) -> Vec<Place> {
        let changes = |place: &Place| {
            std::iter::successors(Some(place.clone()), |place| place.changed(&self.pending))
        };
        self.places.iter().flat_map(changes).collect()
    }
}
