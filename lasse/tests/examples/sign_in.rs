//! The example `sign_in`.

use crate::events::{Event, Events};
use crate::program::{Program, Response};

/// The fields of a browser's `EventSource`.
const BROWSER: &str = "accept: text/event-stream\r\ncache-control: no-cache\r\n";
const ORIGIN: &str = "https://app.example";

#[test]
fn a_feed_is_for_its_user() {
    let app = Program::start("sign_in", &[]);
    let [ada, bob] = ["ada", "bob"].map(|user| log_in(&app, user));
    let mut feed = open(&app, &ada);
    assert_eq!(app.request("POST /feeds/ada", &bob, "hello").status, 204);
    assert_eq!(next(&mut feed), ["", "bob: hello"]);
    assert_eq!(app.request("GET /feeds/ada", &bob, "").status, 403);
    for line in ["POST /feeds/ada", "POST /tickets", "DELETE /streams", "POST /logout"] {
        assert_eq!(app.request(line, "", "").status, 401, "{line}");
    }
}

#[test]
fn a_client_that_must_sign_in_is_notified_in_its_dialect() {
    let app = Program::start("sign_in", &[]);
    let browser = app.request("GET /feeds/ada", BROWSER, "");
    assert_eq!(browser.status, 200);
    assert!(browser.body.contains("event: unauthorized\n"), "{browser:?}");
    let retry = browser.body.lines().find_map(|line| line.strip_prefix("retry: ")).unwrap();
    assert!((60_000..=75_000).contains(&retry.parse::<u64>().unwrap()), "{retry}");
    let other = app.request("GET /feeds/ada", "", "");
    assert_eq!(other.status, 401);
    assert!(other.head.contains("\r\nwww-authenticate: "), "{other:?}");
}

#[test]
fn every_answer_to_another_origin_admits_its_credentials() {
    let app = Program::start("sign_in", &[("ORIGINS", ORIGIN)]);
    let user = log_in(&app, "ada");
    let from = format!("{user}{BROWSER}origin: {ORIGIN}\r\nsec-fetch-site: cross-site\r\n");
    let streams: Vec<_> = (0..3).map(|_| open(&app, &from)).collect();
    let refused = app.request("GET /feeds/ada", &from, "");
    assert!(refused.body.contains("event: refused\n"), "{refused:?}");
    let unauthorized = from.replace(&user, "");
    let unauthorized = app.request("GET /feeds/ada", &unauthorized, "");
    let published = app.request("POST /feeds/ada", &from, "text");
    assert_eq!(app.request("DELETE /feeds/ada", &from, "").status, 204);
    drop(streams);
    let complete = complete(&app, &from);
    assert_eq!(complete.status, 204);
    for response in [refused, unauthorized, published, complete] {
        assert!(admits_credentials(&response), "{response:?}");
    }
    let foreign = from.replace(ORIGIN, "https://evil.example");
    let foreign = app.request("GET /feeds/ada", &foreign, "");
    assert_eq!(foreign.status, 403);
    assert!(!foreign.head.contains("access-control-allow-origin"), "{foreign:?}");
}

#[test]
fn a_sign_out_ends_the_streams_of_its_session_at_once() {
    let app = Program::start("sign_in", &[]);
    let [here, elsewhere] = ["ada", "ada"].map(|user| log_in(&app, user));
    let [mut ended, mut other] = [&here, &elsewhere].map(|session| open(&app, session));
    assert_eq!(app.request("POST /logout", &here, "").status, 204);
    assert_eq!(ended.next().unwrap().name, "revoked");
    assert_eq!(ended.next(), None);
    assert!(
        app.request("GET /feeds/ada", &format!("{here}{BROWSER}"), "")
            .body
            .contains("unauthorized")
    );
    assert_eq!(
        app.request("GET /streams", &elsewhere, "")
            .body
            .lines()
            .filter(|line| line.contains('s'))
            .count(),
        1
    );
    assert_eq!(app.request("DELETE /streams", &elsewhere, "").status, 200);
    assert_eq!(other.next().unwrap().name, "revoked");
}

#[test]
fn a_ticket_opens_its_feed_until_the_session_ends_and_nothing_else() {
    let app = Program::start("sign_in", &[]);
    let ada = log_in(&app, "ada");
    let issued = app.request("POST /tickets", &ada, "");
    let ticket = issued.body.lines().find(|line| line.len() == 32).unwrap().to_owned();
    let path = format!("/feeds/ada?ticket={ticket}");
    for _ in 0..2 {
        let mut feed = Events::new(app.stream(&path, BROWSER));
        assert_eq!(feed.next().unwrap().name, "position");
    }
    let line = format!("GET /feeds/bob?ticket={ticket}");
    assert_eq!(app.request(&line, "", "").status, 401);
    assert_eq!(app.request(&format!("GET /streams?ticket={ticket}"), "", "").status, 401);
    let mut feed = Events::new(app.stream(&path, BROWSER));
    assert_eq!(feed.next().unwrap().name, "position");
    assert_eq!(app.request("POST /logout", &ada, "").status, 204);
    assert_eq!(feed.next().unwrap().name, "revoked");
    assert_eq!(app.request(&format!("GET {path}"), "", "").status, 401);
}

#[test]
fn a_session_has_a_limited_number_of_tickets() {
    let app = Program::start("sign_in", &[]);
    let ada = log_in(&app, "ada");
    let issue = || app.request("POST /tickets", &ada, "").status;
    assert_eq!((0..16).map(|_| issue()).collect::<Vec<_>>(), [200; 16]);
    assert_eq!(issue(), 429);
}

#[test]
fn a_stream_ends_with_its_session() {
    let app = Program::start("sign_in", &[("SESSION_SECONDS", "1")]);
    let mut feed = open(&app, &log_in(&app, "ada"));
    assert_eq!(feed.next().unwrap().name, "expired");
    assert_eq!(feed.next(), None);
}

#[test]
fn a_fourth_tab_is_refused_or_replaces_the_first() {
    let app = Program::start("sign_in", &[("LIMIT_POLICY", "replace")]);
    let ada = log_in(&app, "ada");
    let mut tabs: Vec<_> = (0..4).map(|_| open(&app, &ada)).collect();
    assert_eq!(tabs[0].next().unwrap().name, "replaced");
    assert_eq!(app.request("POST /feeds/ada", &ada, "on").status, 204);
    for tab in &mut tabs[1..] {
        assert_eq!(next(tab), ["", "ada: on"]);
    }
}

/// Opens the feed of Ada, and reads its position.
fn open(app: &Program, fields: &str) -> Events<impl Iterator<Item = String> + use<>> {
    let accept = if fields.contains("accept:") { "" } else { BROWSER };
    let fields = format!("{fields}{accept}connection: close\r\n");
    let mut feed = Events::new(app.stream("/feeds/ada", &fields));
    assert_eq!(feed.next().unwrap().name, "position");
    feed
}

/// The answer to a client that has all of the finished feed.
fn complete(app: &Program, fields: &str) -> Response {
    let mut feed = Events::new(app.stream("/feeds/ada?lastEventId=x", fields));
    assert_eq!(feed.next().unwrap().name, "reset");
    let last = format!("{fields}last-event-id: {}\r\n", feed.last_id);
    app.request("GET /feeds/ada", &last, "")
}

fn admits_credentials(response: &Response) -> bool {
    let head = response.head.to_lowercase();
    head.contains(&format!("access-control-allow-origin: {ORIGIN}"))
        && head.contains("access-control-allow-credentials: true")
        && head.contains("vary: ")
}

/// Signs a user in, and returns the field of the cookie.
fn log_in(app: &Program, user: &str) -> String {
    let response = app.request("POST /login", "", user);
    let field = response.head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = field.and_then(|field| field.split(';').next()).expect("a session");
    format!("cookie: {cookie}\r\n")
}

/// The name and the data of the next event.
fn next<L: Iterator<Item = String>>(events: &mut Events<L>) -> [String; 2] {
    let Event { name, data } = events.next().expect("an event");
    [name, data]
}
