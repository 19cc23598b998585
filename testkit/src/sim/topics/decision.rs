//! Where a reader of some topics must start: the resume decision, made again from the record.

use lasse_core::channel::ChannelStats;
use lasse_core::{LagPolicy, ResetReason, StartAt};

use super::place::{CatchUp, Place};
use super::reader::TopicReader;
use super::record::TopicLog;
use super::settings::TopicSettings;
use crate::sim::decision::Requested;
use crate::sim::position::REASONS;
use crate::sim::reader::Answer;

/// What a channel decided, as its counters show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Fresh,
    Resumed,
    Reset(ResetReason),
    /// The channel is over, and the client has all of it.
    Complete,
}

impl Outcome {
    /// The outcome of the one request between two states of the counters.
    pub(super) fn between(before: &ChannelStats, after: &ChannelStats) -> Option<Self> {
        let reasons = REASONS.into_iter();
        let mut resets = reasons.filter(|reason| after.resets(*reason) > before.resets(*reason));
        match resets.next() {
            Some(reason) => Some(Self::Reset(reason)),
            None if after.resumed > before.resumed => Some(Self::Resumed),
            None if after.complete > before.complete => Some(Self::Complete),
            None => (after.fresh > before.fresh).then_some(Self::Fresh),
        }
    }
}

/// The answer to a request, if its outcome is right.
pub(super) fn decide(
    requested: &Requested,
    log: (usize, &TopicLog),
    wanted: Option<Vec<(&'static str, usize)>>,
    settings: &TopicSettings,
    outcome: Option<Outcome>,
) -> Result<Answer, String> {
    let (log_index, log) = log;
    let start = start(log, wanted.clone(), settings);
    let (mut expected, awaits) = match requested {
        Requested::Nothing => (vec![(Outcome::Fresh, start)], None),
        Requested::Invalid => (vec![(Outcome::Reset(ResetReason::Unknown), start)], None),
        Requested::Text(id) => match log.place_known(id) {
            Ok(place) => (known(Place::new(place, wanted), start, log, settings), None),
            Err(ResetReason::Ahead) if settings.is_shared && log.can_reach(id) => {
                let place = Place::new(log.len(), wanted);
                (vec![(Outcome::Resumed, place)], Some(id.clone()))
            }
            Err(reason) => {
                let past_hole = log.past_hole(id).filter(|_| reason == ResetReason::Hole);
                let next = past_hole.filter(|_| start.catch_up.is_none()).unwrap_or(0);
                let place = Place { next: start.next.max(next), ..start };
                (vec![(Outcome::Reset(reason), place)], None)
            }
        },
    };
    expected.iter_mut().filter(|expected| is_complete(expected, log)).for_each(|expected| {
        expected.0 = Outcome::Complete;
    });
    let is_it =
        |(expected, place): &(Outcome, Place)| (Some(*expected) == outcome).then(|| place.clone());
    let places: Vec<Place> = expected.iter().filter_map(is_it).collect();
    if places.is_empty() {
        return Err(format!("{outcome:?} for {requested:?}, not {expected:?}"));
    }
    if outcome == Some(Outcome::Complete) {
        return Ok(Answer::Complete);
    }
    let is_catching_up = places.iter().any(|place| place.catch_up.is_some());
    Ok(Answer::Topics(TopicReader {
        log: log_index,
        places,
        pending: Vec::new(),
        owes_reset: match outcome {
            Some(Outcome::Reset(reason)) => Some(reason),
            _ => None,
        },
        owes_position: outcome == Some(Outcome::Fresh) && !is_catching_up,
        awaits,
    }))
}

/// Whether a client that is not reset has all that there will be.
fn is_complete((outcome, place): &(Outcome, Place), log: &TopicLog) -> bool {
    let is_conflated = place.catch_up.is_some_and(|catch_up| !catch_up.keys_only);
    log.ending.is_some()
        && matches!(outcome, Outcome::Fresh | Outcome::Resumed)
        && !is_conflated
        && place.can_skip_to(log.len(), log)
}

/// What can become of a client at a place that the log knows.
fn known(
    place: Place,
    start: Place,
    log: &TopicLog,
    settings: &TopicSettings,
) -> Vec<(Outcome, Place)> {
    let (lacks, may) = (place.lacks(log, true), place.may_seem_to_lack(log));
    let mut expected = Vec::new();
    if !lacks {
        expected.push((Outcome::Resumed, place.clone()));
    }
    if lacks || may {
        let is_latest = matches!(settings.lag, LagPolicy::Latest { .. });
        let can_conflate = is_latest && settings.has_keys && !place.lacks(log, false);
        if can_conflate {
            let catch_up = CatchUp { until: log.len(), keys_only: false, is_open: false };
            expected.push((Outcome::Resumed, Place { catch_up: Some(catch_up), ..place }));
        }
        if !can_conflate || may {
            expected.push((Outcome::Reset(ResetReason::Expired), start));
        }
    }
    expected
}

/// Where a new client starts.
fn start(
    log: &TopicLog,
    wanted: Option<Vec<(&'static str, usize)>>,
    settings: &TopicSettings,
) -> Place {
    let mut start = Place::new(log.len(), wanted);
    start.next = match settings.start {
        StartAt::LatestPerKey if settings.has_keys => {
            let until = log.len();
            start.catch_up = Some(CatchUp { until, keys_only: true, is_open: false });
            0
        }
        StartAt::Oldest => log.first,
        StartAt::Last(n) => {
            let events = (0..log.len()).rev();
            let mut events = events.filter(|at| log.is_available(*at) && start.wants(*at, log));
            let nth = usize::try_from(n).unwrap_or(usize::MAX).saturating_sub(1);
            events.nth(nth).unwrap_or(log.first).max(log.first)
        }
        _ => log.len(),
    };
    start
}
