//! The events of a producer that Redis does not have yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lasse_core::{AppendError, Event, EventId};
use lasse_tokio::run_log::RunLog;
use lasse_tokio::{RunOutcome, RunWriteError};
use tokio::sync::Notify;

/// The events of a producer that Redis does not have yet, and the outcome that it has asked for.
#[derive(Debug)]
pub(super) struct Queue {
    epoch: String,
    state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    events: VecDeque<Event<'static>>,
    bytes: usize,
    /// The number of the last event.
    number: u64,
    outcome: Option<RunOutcome>,
}

impl Queue {
    pub(super) fn new(epoch: &str) -> Self {
        let (state, changed) = (Mutex::default(), Notify::new());
        Self { epoch: epoch.to_owned(), state, changed }
    }

    /// The first events, and the number of the first.
    pub(super) fn batch(&self) -> (u64, Vec<Event<'static>>) {
        let state = self.lock();
        let mut bytes = 0;
        let fits = |event: &&Event<'static>| {
            let is_first = bytes == 0;
            bytes += event.data().len() + 1;
            is_first || bytes <= BATCH_BYTES
        };
        let events: Vec<_> =
            state.events.iter().take(BATCH_EVENTS).take_while(fits).cloned().collect();
        (state.number + 1 - state.events.len() as u64, events)
    }

    /// Redis has the first `count` events.
    pub(super) fn remove(&self, count: usize) {
        let mut state = self.lock();
        let removed: Vec<_> = state.events.drain(..count).collect();
        state.bytes -= removed.iter().map(size).sum::<usize>();
        drop(state);
    }

    /// The outcome, if Redis has all events before it.
    pub(super) fn outcome(&self) -> Option<RunOutcome> {
        let state = self.lock();
        state.outcome.clone().filter(|_| state.events.is_empty())
    }

    /// Whether an outcome was asked for.
    pub(super) fn is_ending(&self) -> bool {
        self.lock().outcome.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log of a run whose producer is on this node.
pub(super) struct ProducerLog(pub(super) Arc<Queue>);

impl RunLog for ProducerLog {
    fn append(&self, event: Event<'static>) -> Result<EventId, RunWriteError> {
        if event.id().is_some() {
            return Err(RunWriteError::Refused(AppendError::OwnIdInNumberedLog));
        }
        let mut state = self.0.lock();
        if state.outcome.is_some() {
            return Err(RunWriteError::Ended);
        }
        let id = EventId::new(format!("{}-{}", self.0.epoch, state.number + 1));
        let id = id.map_err(|_| RunWriteError::Refused(AppendError::NumbersUsedUp))?;
        state.number += 1;
        state.bytes += size(&event);
        state.events.push_back(event);
        drop(state);
        self.0.changed.notify_one();
        Ok(id)
    }

    fn pending_bytes(&self) -> usize {
        self.0.lock().bytes
    }

    fn end(&self, outcome: RunOutcome) {
        self.0.lock().outcome.get_or_insert(outcome);
        self.0.changed.notify_one();
    }
}

/// About how many bytes an event takes.
fn size(event: &Event<'_>) -> usize {
    event.data().len() + OVERHEAD
}

/// What the name and the id of an event add to its data.
const OVERHEAD: usize = 40;

/// How many events are written at once.
const BATCH_EVENTS: usize = 200;

/// After how many bytes a batch ends.
const BATCH_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn append(log: &ProducerLog, data: &str) -> String {
        log.append(Event::new(data.to_owned())).unwrap().to_string()
    }

    #[test]
    fn events_are_numbered_from_one_and_stay_until_redis_has_them() {
        let log = ProducerLog(Arc::new(Queue::new("e")));
        assert_eq!(log.0.batch(), (1, vec![]));
        assert_eq!((append(&log, "a"), append(&log, "b")), ("e-1".into(), "e-2".into()));
        assert_eq!(log.pending_bytes(), 82);
        assert_eq!(log.0.batch(), (1, vec![Event::new("a"), Event::new("b")]));
        log.0.remove(1);
        append(&log, "c");
        assert_eq!(log.0.batch(), (2, vec![Event::new("b"), Event::new("c")]));
        log.0.remove(2);
        assert_eq!((log.0.batch(), log.pending_bytes()), ((4, vec![]), 0));
    }

    #[test]
    fn an_outcome_waits_for_the_events_before_it_and_refuses_later_ones() {
        let log = ProducerLog(Arc::new(Queue::new("e")));
        append(&log, "a");
        log.end(RunOutcome::Done);
        log.end(RunOutcome::Stopped);
        assert_eq!((log.0.outcome(), log.0.is_ending()), (None, true));
        assert_eq!(log.append(Event::new("b")), Err(RunWriteError::Ended));
        log.0.remove(1);
        assert_eq!(log.0.outcome(), Some(RunOutcome::Done));
    }

    #[test]
    fn a_batch_is_bounded_and_has_at_least_one_event() {
        let log = ProducerLog(Arc::new(Queue::new("e")));
        let large = "x".repeat(BATCH_BYTES * 2);
        append(&log, &large);
        append(&log, "b");
        assert_eq!(log.0.batch().1.len(), 1);
        log.0.remove(1);
        for _ in 0..BATCH_EVENTS {
            append(&log, "c");
        }
        assert_eq!(log.0.batch().1.len(), BATCH_EVENTS);
    }

    #[test]
    fn an_event_with_an_id_of_its_own_is_refused() {
        let log = ProducerLog(Arc::new(Queue::new("e")));
        let refused = log.append(Event::new("a").with_id(7));
        assert_eq!(refused, Err(RunWriteError::Refused(AppendError::OwnIdInNumberedLog)));
        assert_eq!(append(&log, "a"), "e-1");
    }
}
