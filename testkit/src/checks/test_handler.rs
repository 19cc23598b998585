//! The handler of every server under test.

use std::panic::resume_unwind;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use lasse_core::{
    Accept, EndReason, Event, Frame, Handler, Init, Instant, LastEventId, Next, RequestHead,
    SendError,
};

use super::stream_records::StreamRecords;

/// A handler whose behaviour depends on the path of its request. It records how its stream
/// ends, under the query parameter `tag`, and sends each text that it is notified of.
///
/// | path | behaviour |
/// |---|---|
/// | `/quiet` | sends nothing |
/// | `/echo` | sends the last event id of the request, then nothing |
/// | `/stop` | sends one event and stops |
/// | `/ticks` | sends three events, 50 ms apart, then nothing |
/// | `/brief` | sends three events, 50 ms apart, and stops |
/// | `/flood` | sends 64 KiB whenever it is polled |
/// | `/panic` | sends one event, and panics |
/// | `/abort` | sends one event, and aborts |
/// | `/no-content` | does not stream: 204 |
/// | `/own-response` | does not stream: 401, with wrong framing fields |
/// | `/come-back` | refuses the stream: reconnect in 1,234 ms |
#[derive(Debug)]
pub struct TestHandler {
    script: Script,
    tag: String,
    records: StreamRecords,
}

#[derive(Debug)]
enum Script {
    Quiet,
    Stop,
    Ticks { sent: u32, next: Option<Instant>, stops: bool },
    Flood(Frame),
    Panic,
    Abort,
}

impl Script {
    fn ticks(stops: bool) -> Self {
        Self::Ticks { sent: 0, next: Some(Instant::from_nanos(0)), stops }
    }
}

impl Accept for TestHandler {
    type Args = StreamRecords;

    fn init(records: StreamRecords, request: &RequestHead<'_>) -> Init<Self> {
        let script = match request.uri().path() {
            "/quiet" | "/echo" => Script::Quiet,
            "/stop" => Script::Stop,
            "/ticks" => Script::ticks(false),
            "/brief" => Script::ticks(true),
            "/flood" => Script::Flood(Event::new("x".repeat(64 * 1024)).encode()),
            "/panic" => Script::Panic,
            "/abort" => Script::Abort,
            "/no-content" => return Init::Complete,
            "/own-response" => return badly_framed().map_or(Init::Complete, Init::Respond),
            "/come-back" => return Init::refuse(Duration::from_millis(1234)),
            _ => return not_found().map_or(Init::Complete, Init::Respond),
        };
        let first = match request.uri().path() {
            "/echo" => vec![Event::new(describe(request.last_event_id())).encode()],
            "/panic" | "/abort" => vec![Event::new("careful").encode()],
            _ => vec![],
        };
        let tag = tag(request.uri().query().unwrap_or_default()).to_owned();
        records.note(&tag, |entry| entry.made += 1);
        Init::Stream(Self { script, tag, records }, first)
    }
}

impl Handler for TestHandler {
    type Notify = String;
    type Info = ();

    fn handle_notify(&mut self, text: String) -> Next {
        Next::send(Event::new(text))
    }

    fn handle_tick(&mut self, now: Instant) -> Next {
        match &mut self.script {
            Script::Quiet => Next::Wait(None),
            Script::Abort => Next::Abort,
            Script::Stop => Next::last(Event::new("bye")),
            Script::Flood(frame) => Next::Send(frame.clone()),
            // Unlike `panic!`, this does not run the panic hook.
            Script::Panic => resume_unwind(Box::new("as requested")),
            Script::Ticks { next: Some(next), .. } if now < *next => Next::Wait(Some(*next)),
            Script::Ticks { sent, next: next @ Some(_), .. } => {
                *sent += 1;
                *next = (*sent < 3).then(|| now + Duration::from_millis(50));
                Next::send(Event::new(format!("tick {sent}")))
            }
            Script::Ticks { next: None, stops: true, .. } => Next::Stop,
            Script::Ticks { next: None, stops: false, .. } => Next::Wait(None),
        }
    }

    fn handle_error(&mut self, unsent: &[Frame], _: &SendError) {
        self.records.note(&self.tag, |entry| entry.unsent += unsent.len());
    }

    fn terminate(&mut self, reason: EndReason) {
        self.records.note(&self.tag, |entry| entry.reasons.push(reason));
    }
}

/// The text of a last event id.
pub(super) fn describe(id: &LastEventId) -> String {
    match id {
        LastEventId::Absent => "absent".into(),
        LastEventId::Empty => "empty".into(),
        LastEventId::Id(id) => format!("id {id}"),
        LastEventId::Invalid(_) => "unknown".into(),
    }
}

/// A response with framing fields, which must not be sent.
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

/// The stream of `/come-back`.
pub(super) const REFUSED: &str =
    "event: refused\ndata: {\"reason\":\"unavailable\",\"retry\":1234}\nretry: 1234\n\n";
