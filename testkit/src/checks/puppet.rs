//! The handler of every server under test: it does what the path says.

use std::panic::resume_unwind;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use lasse_core::{
    Accept, EndReason, Event, Frame, Handler, Init, Instant, LastEventId, Next, RequestHead,
    SendError,
};

use super::journal::Journal;

/// A handler that does what the path of its request says, and writes down what
/// becomes of it under the query's `tag`. What it is notified of it says, too.
///
/// | path | what it does |
/// |---|---|
/// | `/quiet` | says nothing |
/// | `/echo` | says the last event id that it was told, then nothing |
/// | `/stop` | says one event and stops |
/// | `/ticks` | says three events, 50 ms apart, then nothing |
/// | `/brief` | says three events, 50 ms apart, and stops |
/// | `/flood` | says 64 KiB whenever it may |
/// | `/panic` | says one event, and panics |
/// | `/abort` | says one event, and aborts |
/// | `/no-content` | does not stream: 204 |
/// | `/own-response` | does not stream: 401, badly framed |
/// | `/come-back` | does not stream: come back in 1,234 ms |
#[derive(Debug)]
pub struct Puppet {
    part: Part,
    tag: String,
    journal: Journal,
}

#[derive(Debug)]
enum Part {
    Quiet,
    Stop,
    Ticks { said: u32, next: Option<Instant>, stops: bool },
    Flood(Frame),
    Panic,
    Abort,
}

impl Part {
    fn ticks(stops: bool) -> Self {
        Self::Ticks { said: 0, next: Some(Instant::from_nanos(0)), stops }
    }
}

impl Accept for Puppet {
    type Args = Journal;

    fn init(journal: Journal, request: &RequestHead<'_>) -> Init<Self> {
        let part = match request.uri().path() {
            "/quiet" | "/echo" => Part::Quiet,
            "/stop" => Part::Stop,
            "/ticks" => Part::ticks(false),
            "/brief" => Part::ticks(true),
            "/flood" => Part::Flood(Event::new("x".repeat(64 * 1024)).encode()),
            "/panic" => Part::Panic,
            "/abort" => Part::Abort,
            "/no-content" => return Init::NoContent,
            "/own-response" => return badly_framed().map_or(Init::NoContent, Init::Respond),
            "/come-back" => return Init::refuse(Duration::from_millis(1234)),
            _ => return not_found().map_or(Init::NoContent, Init::Respond),
        };
        let first = match request.uri().path() {
            "/echo" => vec![Event::new(describe(request.last_event_id())).encode()],
            "/panic" | "/abort" => vec![Event::new("careful").encode()],
            _ => vec![],
        };
        let tag = tag(request.uri().query().unwrap_or_default()).to_owned();
        journal.note(&tag, |entry| entry.made += 1);
        Init::Stream(Self { part, tag, journal }, first)
    }
}

impl Handler for Puppet {
    type Notify = String;
    type Info = ();

    fn handle_notify(&mut self, text: String) -> Next {
        Next::send(Event::new(text))
    }

    fn handle_tick(&mut self, now: Instant) -> Next {
        match &mut self.part {
            Part::Quiet => Next::Wait(None),
            Part::Abort => Next::Abort,
            Part::Stop => Next::last(Event::new("bye")),
            Part::Flood(frame) => Next::Send(frame.clone()),
            // Unlike `panic!`, this does not run the panic hook.
            Part::Panic => resume_unwind(Box::new("as told")),
            Part::Ticks { next: Some(next), .. } if now < *next => Next::Wait(Some(*next)),
            Part::Ticks { said, next: next @ Some(_), .. } => {
                *said += 1;
                *next = (*said < 3).then(|| now + Duration::from_millis(50));
                Next::send(Event::new(format!("tick {said}")))
            }
            Part::Ticks { next: None, stops: true, .. } => Next::Stop,
            Part::Ticks { next: None, stops: false, .. } => Next::Wait(None),
        }
    }

    fn handle_error(&mut self, unsent: &[Frame], _: &SendError) {
        self.journal.note(&self.tag, |entry| entry.unsent += unsent.len());
    }

    fn terminate(&mut self, reason: EndReason) {
        self.journal.note(&self.tag, |entry| entry.reasons.push(reason));
    }
}

/// How a last event id is told to the check.
pub(super) fn describe(id: &LastEventId) -> String {
    match id {
        LastEventId::Absent => "absent".into(),
        LastEventId::Empty => "empty".into(),
        LastEventId::Id(id) => format!("id {id}"),
        LastEventId::Invalid(_) => "unknown".into(),
    }
}

/// What a handler says that knows no better: its framing must not go out.
fn badly_framed() -> http::Result<Response<Bytes>> {
    Response::builder()
        .status(401)
        .header("www-authenticate", "Bearer")
        .header("content-length", "3")
        .header("transfer-encoding", "chunked")
        .header("connection", "upgrade")
        .body(Bytes::from_static(OWN_BODY.as_bytes()))
}

fn not_found() -> http::Result<Response<Bytes>> {
    Response::builder().status(404).body(Bytes::new())
}

fn tag(query: &str) -> &str {
    query.split('&').find_map(|pair| pair.strip_prefix("tag=")).unwrap_or_default()
}

/// The body of `/own-response`.
pub(super) const OWN_BODY: &str = "who are you?";
