//! Outcomes of runs as words, as Redis has them.

use lasse_tokio::{RunFailure, RunOutcome};

/// The outcome as a word, and its detail.
pub(super) fn words(outcome: &RunOutcome) -> (&'static str, String) {
    match outcome {
        RunOutcome::Done => ("done", String::new()),
        RunOutcome::Stopped => ("stopped", String::new()),
        RunOutcome::Abandoned => ("abandoned", String::new()),
        RunOutcome::Failed(RunFailure::Producer(error)) => ("failed", format!("error {error}")),
        RunOutcome::Failed(failure) => ("failed", failure.as_str().to_owned()),
        // A later version may have more.
        _ => ("failed", String::new()),
    }
}

/// Reads what [`words`] returned. `None` if the word is empty: the run continues.
pub(super) fn outcome(word: &str, detail: &str) -> Option<RunOutcome> {
    let failure = || match detail.split_once(' ').unwrap_or((detail, "")) {
        ("error", error) => RunFailure::Producer(error.into()),
        ("panicked", _) => RunFailure::Panicked,
        ("too_large", _) => RunFailure::TooLarge,
        ("shutdown", _) => RunFailure::ShutDown,
        _ => RunFailure::Lost,
    };
    match word {
        "" => None,
        "done" => Some(RunOutcome::Done),
        "stopped" => Some(RunOutcome::Stopped),
        "abandoned" => Some(RunOutcome::Abandoned),
        _ => Some(RunOutcome::Failed(failure())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_is_read_as_it_was_written() {
        let failures = [
            RunFailure::Producer("no model: a b".into()),
            RunFailure::Producer("".into()),
            RunFailure::Panicked,
            RunFailure::TooLarge,
            RunFailure::ShutDown,
            RunFailure::Lost,
        ];
        let failed = failures.map(RunOutcome::Failed);
        for wanted in
            [RunOutcome::Done, RunOutcome::Stopped, RunOutcome::Abandoned].into_iter().chain(failed)
        {
            let (word, detail) = words(&wanted);
            assert_eq!(outcome(word, &detail), Some(wanted));
        }
        assert_eq!(outcome("", ""), None);
        assert_eq!(outcome("failed", "later"), Some(RunOutcome::Failed(RunFailure::Lost)));
        assert_eq!(outcome("later", ""), Some(RunOutcome::Failed(RunFailure::Lost)));
    }
}
