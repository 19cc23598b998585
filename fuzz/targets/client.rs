//! No sequence of calls panics, makes a client loop, or makes a closed one come
//! back.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use http::{HeaderValue, Request, Response};
use lasse_core::{Backoff, Client, ClientOutput, Decoder, EventId, Instant};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Call<'a> {
    Poll(u64),
    Sleep(u32),
    Head { status: u16, kind: Option<&'a [u8]>, location: Option<&'a [u8]>, after: Option<u32> },
    Stream,
    Bytes(&'a [u8]),
    End,
    Error,
}

#[derive(Arbitrary, Debug)]
struct Story<'a> {
    id: Option<String>,
    read_timeout: Option<u16>,
    retries_statuses: bool,
    jitter: u32,
    max_failures: Option<u8>,
    calls: Vec<Call<'a>>,
}

const FLOOR: Duration = Duration::from_millis(500);

fuzz_target!(|story: Story<'_>| {
    let mut client = client(&story);
    let mut now = Instant::from_nanos(1 << 62);
    let mut is_closed = false;
    // When a stream was last asked for, but by a redirect.
    let mut asked = None;
    let mut is_redirected = false;
    for call in &story.calls {
        match call {
            Call::Sleep(millis) => now = now + Duration::from_millis((*millis).into()),
            Call::Poll(random) => match client.poll_output(now, *random) {
                ClientOutput::Connect(request) => {
                    assert!(!is_closed);
                    assert!(request.uri().authority().is_some());
                    let is_early =
                        asked.is_some_and(|then| now.saturating_duration_since(then) < FLOOR);
                    assert!(is_redirected || !is_early, "a tight loop");
                    asked = Some(now);
                    is_redirected = false;
                }
                ClientOutput::Listen(until) => assert!(until.is_none_or(|until| until > now)),
                ClientOutput::Wait(until) => assert!(until > now && !is_closed),
                ClientOutput::Closed(reason) => {
                    is_closed = true;
                    assert!(!reason.to_string().is_empty());
                }
            },
            Call::Head { status, kind, location, after } => {
                let fields = [("content-type", kind), ("location", location)];
                let Some(mut head) = head(*status, fields) else { continue };
                if let Some(seconds) = after {
                    head.headers_mut().insert("retry-after", (*seconds).into());
                }
                is_redirected |= head.status().is_redirection();
                client.handle_head(&head, now);
            }
            Call::Stream => {
                let kind: &[u8] = b"text/event-stream";
                let head = head(200, [("content-type", &Some(kind))]).unwrap();
                client.handle_head(&head, now);
            }
            Call::Bytes(bytes) => {
                let mut input = *bytes;
                while let Some(_heard) = client.handle_bytes(&mut input, now).transpose() {}
                assert!(input.is_empty());
            }
            Call::End => client.handle_end(now),
            Call::Error => client.handle_error(now),
        }
    }
});

fn client(story: &Story<'_>) -> Client {
    let request = Request::post("http://localhost/a/b?c").body("body".into()).unwrap();
    let mut client = Client::new(request)
        .with_decoder(Decoder::new().with_limit(64))
        .with_backoff(Backoff::new().with_floor(FLOOR).with_jitter(story.jitter));
    if let Some(id) = story.id.clone().and_then(|id| EventId::new(id).ok()) {
        client = client.with_last_event_id(&id);
    }
    if let Some(millis) = story.read_timeout {
        client = client.with_read_timeout(Duration::from_millis(u64::from(millis) + 1));
    }
    if let Some(attempts) = story.max_failures {
        client = client.with_max_failures(attempts.into());
    }
    if story.retries_statuses { client.with_retried_statuses() } else { client }
}

fn head<const N: usize>(
    status: u16,
    fields: [(&'static str, &Option<&[u8]>); N],
) -> Option<Response<()>> {
    let mut head = Response::builder().status(status).body(()).ok()?;
    for (name, value) in fields {
        if let Some(value) = value.and_then(|bytes| HeaderValue::from_bytes(bytes).ok()) {
            head.headers_mut().insert(name, value);
        }
    }
    Some(head)
}
