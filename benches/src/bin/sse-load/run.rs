//! The steps of a measurement: connect, publish, wait, and count.

#![expect(clippy::disallowed_methods, reason = "a measurement needs the real time")]

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};
use std::{io, iter};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::options::{Mode, Options};
use crate::process::{Usage, busy_ticks, family, own_run_nanos, pin, resident, usage};
use crate::publish::publish;
use crate::tally::Tally;
use crate::worker::{Shared, Worker};

/// What a measurement found.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    /// What went wrong, or nothing.
    pub(crate) problem: String,
    pub(crate) ready: u64,
    pub(crate) retries: u64,
    pub(crate) ended: u64,
    /// How long it took to connect, and to reconnect after each drop.
    pub(crate) connect_time: Duration,
    pub(crate) reconnect_times: Vec<Duration>,
    /// What the server used before the first connection, when the last one was
    /// open, after the pause, and at the end.
    pub(crate) before: Usage,
    pub(crate) connected: Usage,
    pub(crate) settled: Usage,
    pub(crate) end: Usage,
    pub(crate) resident_peak: u64,
    /// While events were delivered, in nanoseconds and hundredths of a second.
    pub(crate) own_run_nanos: u64,
    pub(crate) busy_ticks: u64,
}

impl Outcome {
    /// Whether every connection received everything, in order.
    pub(crate) fn is_ok(&self, options: &Options) -> bool {
        let is_complete = options.mode == Mode::Idle || self.tally.complete == options.readers();
        is_complete && self.tally.faults() == 0 && self.problem.is_empty()
    }
}

/// Runs a measurement.
///
/// # Errors
///
/// If there are not enough files for the connections, or a thread fails.
pub(crate) fn run(options: &Options) -> io::Result<Outcome> {
    raise_file_limit(options.connections as u64 + SPARE_FILES)?;
    let shared = Shared::default();
    thread::scope(|scope| {
        let before = usage(&family(&options.server_pids));
        let start = Instant::now();
        let mut workers = Vec::new();
        let mut first = 0;
        for nth in 0..options.threads {
            let extra = usize::from(nth < options.connections % options.threads);
            let count = options.connections / options.threads + extra;
            let worker = Worker::new(options, &shared, first, count)?;
            let cpu = options.pins.iter().cycle().nth(nth).copied();
            workers.push(scope.spawn(move || worker.run(cpu)));
            first += count;
        }
        options.pins.first().copied().into_iter().for_each(pin);
        let mut run = Run { options, shared: &shared, start, peak: before.resident };
        let outcome = run.measure(before);
        shared.must_stop.store(true, Relaxed);
        let tally = join(workers, options)?;
        let error = shared.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let problems = iter::once(outcome.problem).chain(error).filter(|text| !text.is_empty());
        let problem = problems.collect::<Vec<_>>().join("; ");
        Ok(Outcome { tally, problem, ..outcome })
    })
}

fn join(
    workers: Vec<ScopedJoinHandle<'_, io::Result<Tally>>>,
    options: &Options,
) -> io::Result<Tally> {
    let mut all = Tally::new(options.events);
    for worker in workers {
        all.add(&worker.join().map_err(|_| io::Error::other("a thread panicked"))??);
    }
    Ok(all)
}

struct Run<'a> {
    options: &'a Options,
    shared: &'a Shared,
    start: Instant,
    /// The most resident memory of the server so far.
    peak: u64,
}

impl Run<'_> {
    /// Does everything but to join the threads.
    fn measure(&mut self, before: Usage) -> Outcome {
        let Options { mode, connections, .. } = *self.options;
        let count = connections as u64;
        let (mut problem, mut reconnect_times) = (String::new(), Vec::new());
        while self.opened() < count && !self.is_late() {
            thread::sleep(TICK);
        }
        if self.options.announces {
            println!("connected");
        }
        let (ready, connect_time) = (self.shared.ready.load(Relaxed), self.start.elapsed());
        let connected = self.usage();
        if mode != Mode::Stream {
            thread::sleep(Duration::from_secs_f64(self.options.settle));
        }
        let (settled, run_nanos, ticks) = (self.usage(), own_run_nanos(), self.busy_ticks());
        if ready < count {
            problem = format!("only {ready} of {count} connections were opened");
        } else if mode == Mode::Idle {
            self.idle();
        } else {
            let path = self.options.publish_path().filter(|_| mode != Mode::Stream);
            let published = path.map_or(Ok(()), |path| publish(self.options.server, &path));
            let delivered = published.map_err(|error| error.to_string());
            let delivered = delivered.and_then(|()| self.wait_for_events(&mut reconnect_times));
            problem = delivered.err().unwrap_or_default();
        }
        let end = self.usage();
        Outcome {
            tally: Tally::new(0),
            problem,
            ready,
            retries: self.shared.retries.load(Relaxed),
            ended: self.shared.ended.load(Relaxed),
            connect_time,
            reconnect_times,
            before,
            connected,
            settled,
            end,
            resident_peak: self.peak,
            own_run_nanos: own_run_nanos() - run_nanos,
            busy_ticks: self.busy_ticks() - ticks,
        }
    }

    fn idle(&mut self) {
        let until = Instant::now() + Duration::from_secs_f64(self.options.duration);
        while Instant::now() < until && !self.is_late() {
            thread::sleep(LOOK_AT_MEMORY);
            self.look_at_memory();
        }
    }

    /// Waits until every connection has all events, and meanwhile drops and
    /// reconnects them as often as it must.
    fn wait_for_events(&mut self, reconnect_times: &mut Vec<Duration>) -> Result<(), String> {
        let Options { mode, connections, events, .. } = *self.options;
        let (readers, count) = (self.options.readers(), connections as u64);
        let wanted = readers * events;
        let (mut seen, mut moved_at, mut looked_at) = (0, Instant::now(), Instant::now());
        let mut drop: Option<(Instant, u64)> = None;
        loop {
            let delivered = self.shared.delivered.load(Relaxed);
            if delivered != seen {
                (seen, moved_at) = (delivered, Instant::now());
            }
            let all_ended = mode == Mode::Stream && self.shared.ended.load(Relaxed) >= count;
            let has_all = self.shared.complete.load(Relaxed) >= readers || all_ended;
            // Where events come faster than connections, all can be there before the last drop.
            let is_connected = mode != Mode::Storm
                || drop.is_none() && self.shared.drops.load(Relaxed) == self.options.drops;
            if has_all && is_connected {
                return Ok(());
            }
            match drop {
                Some((dropped_at, ready)) if self.shared.ready.load(Relaxed) >= ready => {
                    reconnect_times.push(dropped_at.elapsed());
                    (drop, moved_at) = (None, Instant::now());
                }
                None if mode == Mode::Storm => drop = self.drop_if_due(delivered, wanted),
                _ => {}
            }
            if moved_at.elapsed().as_secs_f64() > self.options.stall || self.is_late() {
                let what = if self.is_late() { "timeout" } else { "stalled" };
                return Err(format!("{what} at {delivered} of {wanted} deliveries"));
            }
            thread::sleep(self.options.tick());
            if looked_at.elapsed() > LOOK_AT_MEMORY {
                looked_at = Instant::now();
                self.look_at_memory();
            }
        }
    }

    /// Drops all connections if enough is delivered, and if each has an event after which it can
    /// resume. Returns when that was, and how many connections must have been opened before all are
    /// connected again.
    fn drop_if_due(&self, delivered: u64, wanted: u64) -> Option<(Instant, u64)> {
        let drops = self.shared.drops.load(Relaxed);
        let share = f64::from(drops + 1) / f64::from(self.options.drops + 1);
        let can_resume = self.shared.begun.load(Relaxed) >= self.options.readers();
        if drops == self.options.drops || !can_resume || (delivered as f64) < wanted as f64 * share
        {
            return None;
        }
        let ready = self.shared.ready.load(Relaxed);
        self.shared.drops.store(drops + 1, Relaxed);
        Some((Instant::now(), ready + self.options.connections as u64))
    }

    fn opened(&self) -> u64 {
        self.shared.ready.load(Relaxed) + self.shared.failed.load(Relaxed)
    }

    fn is_late(&self) -> bool {
        self.start.elapsed().as_secs_f64() > self.options.timeout
    }

    fn usage(&mut self) -> Usage {
        let usage = usage(&family(&self.options.server_pids));
        self.peak = self.peak.max(usage.resident);
        usage
    }

    fn look_at_memory(&mut self) {
        self.peak = self.peak.max(resident(&family(&self.options.server_pids)));
    }

    fn busy_ticks(&self) -> u64 {
        self.options.server_cpu.map_or(0, busy_ticks)
    }
}

/// Allows this process so many open files.
fn raise_file_limit(files: u64) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let has_room = |limit: Option<u64>| limit.is_none_or(|limit| limit >= files);
    if has_room(limit.current) {
        return Ok(());
    }
    let maximum = if has_room(limit.maximum) { limit.maximum } else { Some(files) };
    setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum }).map_err(|error| {
        io::Error::other(format!("{files} files cannot be open at a time: {error}"))
    })
}

/// How often the counts are looked at.
const TICK: Duration = Duration::from_millis(1);

const LOOK_AT_MEMORY: Duration = Duration::from_millis(100);

/// Files that are not connections.
const SPARE_FILES: u64 = 64;
