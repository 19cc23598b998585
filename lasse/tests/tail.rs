//! The example `tail`, run as a program.

#![allow(dead_code, unreachable_pub, reason = "each test uses some of the shared code")]

#[path = "../../lasse-hyper/tests/client/foreign_server.rs"]
mod foreign_server;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use foreign_server::{Foreign, Language};

fn start(args: &[&str]) -> Child {
    let test = std::env::current_exe().unwrap();
    let tail = test.parent().and_then(|deps| deps.parent()).unwrap().join("examples/tail");
    Command::new(&tail)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{}, by `cargo build --example tail`: {error}", tail.display())
        })
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = start(args).wait_with_output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn events_are_printed_to_stdout_and_notices_to_stderr() {
    let server = Foreign::start(Language::Node);
    let uri = server.uri("/once");
    let (status, stdout, stderr) = run(&[&uri]);
    assert_eq!((status, stdout.as_str()), (Some(0), "message: 1\n"), "{stderr}");
    let (connected, rest) = stderr.split_once('\n').unwrap();
    assert_eq!(connected, format!("connected: {uri}"));
    assert!(rest.starts_with("lost: the server ended the stream; again in 0."), "{rest}");
    assert!(rest.ends_with(" s\nover: the server has no more events\n"), "{rest}");
}

#[test]
fn an_error_is_printed_and_sets_the_exit_status() {
    let server = Foreign::start(Language::Python);
    let uri = server.uri("/broken");
    let refused = "tail: the server answered 500 Internal Server Error, not 200\n";
    assert_eq!(run(&[&uri]), (Some(1), String::new(), refused.to_owned()));
    let wrong = "tail: \"ftp://a/\" does not begin with http:// or https://\n";
    assert_eq!(run(&["ftp://a/"]), (Some(1), String::new(), wrong.to_owned()));
}

#[test]
fn a_refusal_is_printed_with_its_body() {
    let server = Foreign::start(Language::Node);
    let (status, stdout, stderr) = run(&[&server.uri("/forbidden")]);
    let expected = "tail: the server answered 403 Forbidden, not 200\n\
        {\"error\":\"\\u{1b}[2Jno\"}\n";
    assert_eq!((status, stdout.as_str(), stderr.as_str()), (Some(1), "", expected));
}

#[test]
fn an_event_over_the_limit_is_reported_and_the_next_one_is_printed() {
    let server = Foreign::start(Language::Node);
    let (status, stdout, stderr) = run(&[&server.uri("/large")]);
    assert_eq!((status, stdout.as_str()), (Some(0), "message: 1\n"), "{stderr}");
    assert!(
        stderr.contains("\ndropped: an event is larger than the limit of 1048576 bytes\n"),
        "{stderr}"
    );
}

#[test]
fn control_characters_are_escaped() {
    let server = Foreign::start(Language::Node);
    let uri = server.uri("/controls");
    let (status, stdout, stderr) = run(&[&uri]);
    let plain = "\\u{1b}[1mbold: a\tb\\u{1b}[2J\\u{7f}\nc\u{2028}\n";
    assert_eq!((status, stdout.as_str()), (Some(0), plain), "{stderr}");
    let (status, stdout, stderr) = run(&[&uri, "--json"]);
    let json =
        r#"{"type":"\u001b[1mbold","data":"a\tb\u001b[2J\u007f\nc\u2028","lastEventId":"\u009b"}"#;
    assert_eq!((status, stdout.trim_end()), (Some(0), json), "{stderr}");
    assert!(!stderr.contains('\u{9b}'), "{stderr}");
}

#[test]
fn events_are_printed_as_json_until_ctrl_c() {
    let server = Foreign::start(Language::Node);
    let mut tail = start(&["--json", "--last-event-id", "7", &server.uri("/events")]);
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    for id in [8, 9, 10] {
        let expected = format!(r#"{{"type":"message","data":"{id}","lastEventId":"{id}"}}"#);
        assert_eq!(lines.next().unwrap().unwrap(), expected);
    }
    let pid = tail.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(tail.wait().unwrap().code(), Some(0));
}
