//! The events of a server as they come, until it says enough (204) or Ctrl-C.
//!
//! ```text
//! cargo run --release --example tail -- http://127.0.0.1:4000/news
//! cargo run --release --example tail -- URL --json --last-event-id ID
//! ```
//!
//! `--json` prints `{"type","data","lastEventId"}`, one event a line;
//! `--last-event-id` starts after an event that was heard earlier. What becomes
//! of the connection goes to stderr.

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
use lasse_hyper::lasse_core::{Client, EventId};
use lasse_hyper::{ClientEvent, EventSource, MessageEvent};
use serde_json::Value;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

#[tokio::main]
async fn main() -> ExitCode {
    // Not a branch of a select: a stdout that is stuck must not keep us.
    tokio::spawn(async {
        if tokio::signal::ctrl_c().await.is_ok() {
            exit(0);
        }
    });
    match tail().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tail: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn tail() -> Result<(), Box<dyn Error>> {
    let (client, is_json) = read_args()?;
    let mut http = legacy::Client::builder(TokioExecutor::new());
    http.timer(TokioTimer::new()).http2_keep_alive_interval(Duration::from_secs(30));
    let mut source = EventSource::new(client, http.build(connector()));
    let mut place = Uri::default();
    let mut was_open = false;
    while let Some(heard) = source.next_event().await {
        match heard? {
            ClientEvent::Message(event) => print(&event, is_json)?,
            ClientEvent::Connecting(uri) => place = uri,
            ClientEvent::Open(_) if was_open => match source.last_event_id() {
                "" => eprintln!("resumed: {place}"),
                id => eprintln!("resumed: {place}, after {id:?}"),
            },
            ClientEvent::Open(_) => {
                was_open = true;
                eprintln!("connected: {place}");
            }
            ClientEvent::Lost { why, wait } => {
                eprintln!("lost: {why}; again in {:.1} s", wait.as_secs_f64());
            }
            _ => {}
        }
    }
    eprintln!("over: the server has no more to say");
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
            _ if url.is_some() => return Err(format!("{arg} is one URL too many").into()),
            _ => url = Some(arg),
        }
    }
    let url = url.ok_or("what is missing is the URL: tail URL [--last-event-id ID] [--json]")?;
    let uri: Uri = url.parse().map_err(|error| format!("{url:?} is no URL: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(format!("{url:?} does not begin with http:// or https://").into());
    }
    let client = Client::new(Request::get(uri).body(Bytes::new())?);
    Ok((id.iter().fold(client, Client::with_last_event_id), is_json))
}

/// HTTP and HTTPS, as far as this machine knows authorities to trust.
fn connector() -> HttpsConnector<HttpConnector> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    // Finds out that a server has vanished which sends no keep-alives.
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
            Value::from(event.name()),
            Value::from(event.data()),
            Value::from(event.last_event_id()),
        )?;
    } else {
        writeln!(stdout, "{}: {}", event.name(), event.data())?;
    }
    stdout.flush()
}
