//! Prints the events of a server, until it has no more of them (204) or Ctrl-C.
//!
//! ```text
//! cargo run --release --example tail -- http://127.0.0.1:4000/news
//! cargo run --release --example tail -- URL --json --last-event-id ID
//! ```
//!
//! `--json` prints `{"type","data","lastEventId"}`, one event a line.
//! `--last-event-id` starts after an event that was received earlier. Notices about
//! the connection go to stderr. Control characters are escaped, so that a server
//! cannot control the terminal.

use std::env;
use std::error::Error;
use std::io::{self, Write};
use std::process::{ExitCode, exit};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lasse::{Client, ClientEvent, EventId, EventSource, EventSourceError, MessageEvent};
use serde_json::Value;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

#[tokio::main]
async fn main() -> ExitCode {
    // Not a branch of a select: Ctrl-C must also work while a write to stdout blocks.
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            exit(0);
        }
    });
    match tail().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tail: {}", escaped(&error.to_string()));
            if let Some(EventSourceError::Closed { body, .. }) = error.downcast_ref() {
                eprint!("{}", escaped(&String::from_utf8_lossy(body)));
            }
            ExitCode::FAILURE
        }
    }
}

async fn tail() -> Result<(), Box<dyn Error>> {
    let (client, is_json) = read_args()?;
    let mut http = legacy::Client::builder(TokioExecutor::new());
    http.timer(TokioTimer::new()).http2_keep_alive_interval(Duration::from_secs(30));
    let mut source = EventSource::new(client, http.build(connector()));
    let mut uri = Uri::default();
    let mut was_open = false;
    while let Some(event) = source.next_event().await {
        match event {
            Ok(ClientEvent::Message(event)) => print(&event, is_json)?,
            Ok(ClientEvent::Connecting(next)) => uri = next,
            Ok(ClientEvent::Open(_)) if was_open => match source.last_event_id() {
                "" => eprintln!("reconnected: {uri}"),
                id => eprintln!("reconnected: {uri}, after {id:?}"),
            },
            Ok(ClientEvent::Open(_)) => {
                was_open = true;
                eprintln!("connected: {uri}");
            }
            Ok(ClientEvent::Lost { why, wait }) => {
                let why = why.to_string();
                eprintln!("lost: {}; again in {:.1} s", escaped(&why), wait.as_secs_f64());
            }
            Ok(_) => {}
            Err(EventSourceError::TooLarge(error)) => eprintln!("dropped: {error}"),
            Err(error) => return Err(error.into()),
        }
    }
    eprintln!("over: the server has no more events");
    Ok(())
}

fn read_args() -> Result<(Client, bool), Box<dyn Error>> {
    let (mut url, mut id, mut is_json) = (None, None, false);
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => is_json = true,
            "--last-event-id" => {
                id = Some(EventId::new(args.next().ok_or("--last-event-id needs a value")?)?);
            }
            option if option.starts_with("--") => {
                return Err(format!("there is no option {option}").into());
            }
            _ if url.is_some() => return Err(format!("{arg} is a second URL").into()),
            _ => url = Some(arg),
        }
    }
    let url = url.ok_or("the URL is missing: tail URL [--last-event-id ID] [--json]")?;
    let uri: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("{url:?} does not begin with http:// or https://").into());
    }
    let client = Client::new(Request::get(uri).body(Bytes::new())?);
    Ok((id.iter().fold(client, Client::with_last_event_id), is_json))
}

/// HTTP and HTTPS, with the certificate authorities that this machine trusts.
fn connector() -> HttpsConnector<HttpConnector> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Notices a server that vanished, even if it sends no keep-alives.
    tcp.set_keepalive(Some(Duration::from_secs(30)));
    let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
    https.enable_all_versions().wrap_connector(tcp)
}

fn print(event: &MessageEvent, is_json: bool) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if is_json {
        writeln!(
            stdout,
            r#"{{"type":{},"data":{},"lastEventId":{}}}"#,
            json(event.name()),
            json(event.data()),
            json(event.last_event_id()),
        )?;
    } else {
        writeln!(stdout, "{}: {}", escaped(event.name()), escaped(event.data()))?;
    }
    stdout.flush()
}

/// The text without control characters, except LF and tab.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// The text as a JSON string without control characters and line separators. JSON itself escapes
/// only those below U+0020.
fn json(text: &str) -> String {
    let escape = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    };
    Value::from(text).to_string().chars().map(escape).collect()
}
