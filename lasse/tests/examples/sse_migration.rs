//! The example `sse_migration`.

use crate::program::Program;

#[test]
fn the_stream_repeats_an_event_with_keep_alives_between() {
    let program = Program::start("sse_migration", &[]);
    let mut lines = program
        .stream("/sse", "")
        .filter(|line| line.starts_with("data:") || line.starts_with(':'));
    assert_eq!(lines.next().unwrap(), ":", "the first byte");
    assert_eq!(lines.next().unwrap(), "data: hi!");
    assert_eq!(lines.next().unwrap(), ":", "a keep-alive");
    assert!(lines.any(|line| line == "data: hi!"), "the event is repeated");
}

#[test]
fn other_methods_are_refused() {
    let program = Program::start("sse_migration", &[]);
    assert_eq!(program.request("DELETE /sse", "", "").status, 405);
}
