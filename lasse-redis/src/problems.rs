//! Why gates and runs of a node cannot use Redis: each has a place of its own.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The problems of the gates and runs of a node.
#[derive(Debug, Default)]
pub(crate) struct Problems(Arc<Mutex<Places>>);

#[derive(Debug, Default)]
struct Places {
    by_number: BTreeMap<u64, String>,
    next: u64,
}

/// The place of one gate, or of runs. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct ProblemPlace {
    places: Arc<Mutex<Places>>,
    number: u64,
    /// Whose it is.
    name: String,
}

impl Problems {
    /// A place for `name`.
    pub(crate) fn place(&self, name: String) -> ProblemPlace {
        let mut places = lock(&self.0);
        places.next += 1;
        ProblemPlace { places: Arc::clone(&self.0), number: places.next, name }
    }

    /// The problems of all, if there are some.
    pub(crate) fn all(&self) -> Option<String> {
        let places = lock(&self.0);
        let problems: Vec<_> = places.by_number.values().map(String::as_str).collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }
}

impl ProblemPlace {
    /// Sets why Redis cannot be used, or that it can.
    pub(crate) fn set(&self, problem: Option<&(impl Display + ?Sized)>) {
        let problem = problem.map(|problem| format!("{}: {problem}", self.name));
        let mut places = lock(&self.places);
        match problem {
            Some(problem) => drop(places.by_number.insert(self.number, problem)),
            None => drop(places.by_number.remove(&self.number)),
        }
    }
}

impl Drop for ProblemPlace {
    fn drop(&mut self) {
        lock(&self.places).by_number.remove(&self.number);
    }
}

/// Poison is ignored, because no panic can leave a change half done.
fn lock(places: &Mutex<Places>) -> MutexGuard<'_, Places> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sets_and_clears_its_own_problem() {
        let problems = Problems::default();
        let (gate, runs) = (problems.place("gate".into()), problems.place("runs".into()));
        assert_eq!(problems.all(), None);
        runs.set(Some("no +spop"));
        gate.set(None::<&str>);
        assert_eq!(problems.all().as_deref(), Some("runs: no +spop"));
        gate.set(Some("away"));
        assert_eq!(problems.all().as_deref(), Some("gate: away; runs: no +spop"));
        runs.set(None::<&str>);
        assert_eq!(problems.all().as_deref(), Some("gate: away"));
        drop(gate);
        assert_eq!(problems.all(), None);
    }
}
