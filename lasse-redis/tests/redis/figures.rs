//! The measurements of tests. They are printed after the run, and only with `--nocapture`, so that
//! nothing stands between the name of a test and its outcome.

use std::sync::Mutex;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps a line for the end of the run.
pub(crate) fn keep(line: String) {
    LINES.lock().unwrap().push(line);
}

/// Prints what the tests have kept.
pub(crate) fn print() {
    LINES.lock().unwrap().drain(..).for_each(|line| println!("{line}"));
}
