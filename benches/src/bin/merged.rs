//! The cost of an event on a stream of two channels, beside that on a stream of one: `cargo run
//! --release -p lasse-benches --bin merged -- --events 100000 --slice 1`.
//!
//! `--slice` events are published before each read. The events are those of one channel; the other
//! one is quiet. Prints one line of JSON: the nanoseconds of an event, which are a share of a read and
//! of the wait after it. `read_alone` and `read_merged` are functions of their own, so that callgrind
//! counts their instructions.

use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::task::{Context, Waker};

use lasse_core::{
    Channel, ChannelConfig, Event, Instant, LastEventId, MergedSubscription, Next, Source,
    Subscription,
};
use rustix::time::{ClockId, clock_gettime};

fn main() -> ExitCode {
    match run(env::args().skip(1)) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}\nusage: merged [--events N] [--slice N]");
            ExitCode::FAILURE
        }
    }
}

fn run(mut words: impl Iterator<Item = String>) -> Result<String, Box<dyn Error>> {
    let (mut events, mut slice) = (100_000, 1);
    while let Some(option) = words.next() {
        let value = words.next().ok_or_else(|| format!("{option} needs a number"))?;
        let value: u64 = value.parse().map_err(|error| format!("{option}: {error}"))?;
        match option.as_str() {
            _ if value == 0 => return Err(format!("{option} must be at least 1").into()),
            "--events" => events = value,
            "--slice" => slice = value,
            _ => return Err(format!("there is no option {option}").into()),
        }
    }
    let (all, own) = (Channel::new(&ChannelConfig::new()), Channel::new(&ChannelConfig::new()));
    let Subscription::Stream(mut alone) = all.subscribe(&LastEventId::Absent) else {
        return Err("the channel refuses a reader".into());
    };
    let channels = [("me", &own), ("all", &all)];
    let merged = MergedSubscription::of_channels(channels, &LastEventId::Absent)?;
    let MergedSubscription::Stream(mut merged) = merged else {
        return Err("a channel refuses a reader".into());
    };
    alone.first_frames();
    merged.first_frames();

    let event = Event::new("x".repeat(100));
    let (mut nanos_alone, mut nanos_merged) = (0, 0);
    let slices = events.div_ceil(slice);
    for _ in 0..slices {
        for _ in 0..slice {
            all.publish(&event)?;
        }
        let begun = now();
        read_alone(&mut alone);
        let between = now();
        read_merged(&mut merged);
        nanos_alone += between - begun;
        nanos_merged += now() - between;
    }
    let each = |nanos: u64| nanos as f64 / (slices * slice) as f64;
    let (alone, merged) = (each(nanos_alone), each(nanos_merged));
    Ok(format!("{{\"slice\":{slice},\"ns_alone\":{alone:.1},\"ns_merged\":{merged:.1}}}"))
}

#[inline(never)]
fn read_alone(reader: &mut impl Source) {
    read_and_wait(reader);
}

#[inline(never)]
fn read_merged(reader: &mut impl Source) {
    read_and_wait(reader);
}

fn read_and_wait(reader: &mut impl Source) {
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match reader.poll_next(Instant::from_nanos(0), &mut cx) {
            Next::Send(_) => {}
            Next::Wait(_) => return,
            next => panic!("the channels are open, but {next:?}"),
        }
    }
}

/// Nanoseconds of a monotonic clock.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
