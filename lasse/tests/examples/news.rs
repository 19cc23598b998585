//! The example `news`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::events::Events;
use crate::program::{Program, path_of};

#[test]
fn acknowledged_posts_survive_a_kill_and_clients_resume() {
    let file = Scratch::new("kill");
    let news = start(&file);
    let ids: Vec<_> = ["a", "b", "c"].map(|title| post(&news, title).unwrap()).into();
    news.kill();

    let news = start(&file);
    assert_eq!(post(&news, "d").unwrap(), next_id(&ids[2]), "the numbers go on");
    let resumed = events(&news, &format!("last-event-id: {}\r\n", ids[0]), 3);
    assert_eq!(resumed, ["b", "c", "d"]);
}

#[test]
fn a_refused_post_does_not_exist_and_the_next_one_is_whole() {
    let file = Scratch::new("full");
    let news = start_with_file_limit(&file, "trap '' XFSZ");
    let mut accepted = fill(&news);
    assert!(post(&news, "long").is_err(), "the disk is still full");
    // A shorter one still fits.
    accepted.push("short".into());
    let short = r#"{"title":"short","content":""}"#;
    let response = news.request("POST /news", "", short);
    assert_eq!(response.status, 201, "{response:?}");
    news.kill();

    let text = fs::read_to_string(&file.0).unwrap();
    assert!(text.ends_with('\n'), "{text:?}");
    let news = start(&file);
    assert_eq!(events(&news, "", accepted.len()), accepted, "the same after a restart");
    post(&news, "last").unwrap();
    accepted.push("last".into());
    drop(news);
    assert_eq!(events(&start(&file), "", accepted.len()), accepted);
}

#[test]
fn a_server_killed_in_the_middle_of_a_write_starts_without_that_post() {
    let file = Scratch::new("torn");
    // Without the trap, SIGXFSZ kills the server after a part of the line.
    let news = start_with_file_limit(&file, "");
    let mut accepted = fill(&news);
    assert!(!news.wait().success());
    assert!(!fs::read_to_string(&file.0).unwrap().ends_with('\n'), "a line is torn");

    let news = start(&file);
    assert!(news.next_error().contains("removed an unfinished line"));
    post(&news, "last").unwrap();
    accepted.push("last".into());
    assert_eq!(events(&news, "", accepted.len()), accepted);
}

#[test]
fn an_invalid_line_is_reported_and_skipped() {
    let file = Scratch::new("invalid");
    let item = |title: &str| format!(r#"{{"title":"{title}","content":""}}"#);
    let (a, b) = (item("a"), item("b"));
    let text = format!("k-1 {a}\nhalf a li\nk-2\nk-2 {{}}\nother-2 {b}\nk-1 {b}\nk-3 {b}\n");
    fs::write(&file.0, text).unwrap();
    let news = start(&file);
    for line in 2..=6 {
        let error = news.next_error();
        assert!(error.contains(&format!("line {line} is skipped: ")), "{error}");
    }
    // The event between them is lost, and a reset reports it.
    assert_eq!(events(&news, "", 3), ["a", "reset", "b"]);
    assert_eq!(post(&news, "c").unwrap(), "k-4");
}

#[test]
fn a_file_is_used_by_one_server_at_a_time() {
    let file = Scratch::new("lock");
    let _first = start(&file);
    let mut command = Command::new(path_of("news"));
    let second = Program::spawn(command.env("NEWS", &file.0));
    assert!(second.is_err_and(|stderr| stderr.contains("WouldBlock")));
}

#[test]
fn pages_of_other_origins_cannot_post() {
    let news = Program::start("news", &[]);
    let host = news.address;
    let item = r#"{"title":"","content":""}"#;
    let status = |fields: &str| news.request("POST /news", fields, item).status;
    for fields in [
        "content-type: text/plain\r\norigin: http://evil.example\r\n".into(),
        "origin: null\r\n".into(),
        format!("origin: http://{host}.evil.example\r\n"),
        format!("origin: ftp://{host}\r\n"),
        "sec-fetch-site: cross-site\r\n".into(),
        // Another port of this host, such as another server's.
        format!("sec-fetch-site: same-site\r\norigin: http://{host}\r\n"),
    ] {
        assert_eq!(status(&fields), 403, "{fields}");
    }
    for fields in [
        String::new(),
        format!("origin: http://{host}\r\n"),
        format!("origin: https://{host}\r\n"),
        format!("sec-fetch-site: same-origin\r\norigin: http://{host}\r\n"),
        "sec-fetch-site: none\r\n".into(),
    ] {
        assert_eq!(status(&fields), 201, "{fields}");
    }
}

fn start(file: &Scratch) -> Program {
    Program::start("news", &[("NEWS", file.0.to_str().unwrap())])
}

/// Starts the server in a shell that bounds the size of its files, as a full disk
/// does: a write that does not fit writes a part, and the next one fails.
fn start_with_file_limit(file: &Scratch, shell: &str) -> Program {
    let mut command = Command::new("sh");
    let script = format!("{shell}\nulimit -f {BLOCKS}\nexec \"$0\"");
    command.args(["-c", &script]).arg(path_of("news")).env("NEWS", &file.0);
    Program::spawn(&mut command).unwrap()
}

/// Posts until a post fails, and returns the titles that were accepted.
fn fill(news: &Program) -> Vec<String> {
    let titles = (1..100).map(|number| number.to_string());
    let accepted: Vec<_> = titles.take_while(|title| post(news, title).is_ok()).collect();
    assert!((2..20).contains(&accepted.len()), "{accepted:?}");
    accepted
}

/// Posts an item of some 200 bytes, and returns its id, or the status if it was
/// not accepted.
fn post(news: &Program, title: &str) -> Result<String, u16> {
    let item = format!(r#"{{"title":"{title}","content":"{}"}}"#, "x".repeat(160));
    let response = news.request("POST /news", "", &item);
    let id = response.body.trim().strip_prefix(r#"{"id":""#).and_then(|id| id.strip_suffix("\"}"));
    match response.status {
        201 => Ok(id.unwrap().to_owned()),
        status => Err(status),
    }
}

/// The titles of the first events of a new stream, and `reset` for a reset.
fn events(news: &Program, fields: &str, count: usize) -> Vec<String> {
    let events = Events::new(news.stream("/news", fields));
    let titles = events.filter(|event| event.name != "position").map(|event| {
        if !event.name.is_empty() {
            return event.name;
        }
        let item: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        item["title"].as_str().unwrap().to_owned()
    });
    titles.take(count).collect()
}

fn next_id(id: &str) -> String {
    let (epoch, number) = id.rsplit_once('-').unwrap();
    format!("{epoch}-{}", number.parse::<u64>().unwrap() + 1)
}

/// A file in a folder of its own, which is removed with this.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("news-{}-{name}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder.join("posts"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(self.0.parent().unwrap()).unwrap();
    }
}

/// How large the file may become, in the blocks of 512 bytes of a shell.
const BLOCKS: usize = 3;
