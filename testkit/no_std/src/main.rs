//! A program without std that links the core, and checks a stream, a log and a decoder.
//! Its exit status is zero, or the line of the check that failed.

#![no_std]
#![no_main]

mod host;

use core::ffi::c_int;
use core::task::{Context, Waker};

use lasse_core::log::{Log, Read};
use lasse_core::{
    Close, Connection, Decoded, Decoder, Epoch, Event, Instant, Next, Output, Retention, Source,
    StartAt, StreamConfig,
};

/// A source of one event.
struct Once;

impl Source for Once {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::last(Event::new("hello"))
    }
}

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    let steps = [streams(), logs(), decodes()];
    steps.into_iter().find_map(Result::err).unwrap_or_default()
}

fn streams() -> Result<(), c_int> {
    let now = Instant::from_nanos(0);
    let mut connection = Connection::open(Once, [], &StreamConfig::new(), now);
    let mut cx = Context::from_waker(Waker::noop());
    let expected = b":\ndata: hello\n\n";
    let Output::Write(bytes) = connection.poll_output(now, &mut cx) else {
        return Err(line!() as c_int);
    };
    ensure(bytes == expected.as_slice(), line!())?;
    connection.handle_written(expected.len(), now);
    ensure(connection.poll_output(now, &mut cx) == Output::Close(Close::Clean), line!())
}

fn logs() -> Result<(), c_int> {
    let epoch = Epoch::new("k").map_err(|_| line!() as c_int)?;
    let mut log = Log::new(epoch, Retention::new());
    let mut cursor = log.cursor(StartAt::Now);
    log.append(&Event::new("one")).map_err(|_| line!() as c_int)?;
    let Read::Events(frame) = log.read(&mut cursor, 1024) else { return Err(line!() as c_int) };
    ensure(frame.as_bytes() == b"data: one\nid: k-1\n\n", line!())
}

fn decodes() -> Result<(), c_int> {
    let mut decoder = Decoder::new();
    let mut input = b"data: hello\nid: 7\n\n".as_slice();
    match decoder.decode(&mut input) {
        Ok(Some(Decoded::Message(message))) => {
            ensure(message.data() == "hello" && message.last_event_id() == "7", line!())
        }
        _ => Err(line!() as c_int),
    }
}

fn ensure(is_right: bool, line: u32) -> Result<(), c_int> {
    if is_right { Ok(()) } else { Err(line as c_int) }
}
