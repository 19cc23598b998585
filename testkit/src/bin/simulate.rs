//! Runs simulations from the command line: `simulate --seed S --seeds N --seconds T`, or prints all that
//! happens in one: `simulate --trace S`.
//!
//! Runs the seeds from S on, at most N of them, for at most T seconds. Prints one line of JSON: how many
//! seeds and steps were run, and the faults by kind. If a seed breaks the law, prints the smallest
//! scenario found that still does, its trace and the seed, and exits with status 1. With `--no-shrink`,
//! prints the seed and the breach alone.

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lasse_testkit::sim::{self, Report};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::from_args()?;
    if let Some(seed) = options.trace {
        println!("{}", sim::trace(seed));
        return Ok(ExitCode::SUCCESS);
    }
    let (start, mut total) = (now(), Total::default());
    for seed in options.seed..options.seed.saturating_add(options.seeds) {
        if now() - start >= options.time {
            break;
        }
        match sim::run(seed) {
            Ok(report) => total.add(&report),
            Err(breach) => {
                if !options.shrinks {
                    println!("seed {seed}: {}", breach.what);
                    return Ok(ExitCode::FAILURE);
                }
                eprintln!("seed {seed}: {}; making it smaller", breach.what);
                let breach = sim::shrink(seed).unwrap_or(*breach);
                println!("{breach}");
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    println!("{}", total.json(now() - start));
    Ok(ExitCode::SUCCESS)
}

#[expect(clippy::disallowed_methods, reason = "how long to simulate is real time")]
fn now() -> Instant {
    Instant::now()
}

struct Options {
    seed: u64,
    seeds: u64,
    time: Duration,
    shrinks: bool,
    trace: Option<u64>,
}

impl Options {
    fn from_args() -> Result<Self, Box<dyn Error>> {
        let time = Duration::MAX;
        let mut options = Self { seed: 0, seeds: u64::MAX, time, shrinks: true, trace: None };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            if arg == "--no-shrink" {
                options.shrinks = false;
                continue;
            }
            let value = args.next().ok_or_else(|| format!("{arg} needs a number"))?;
            match arg.as_str() {
                "--seed" => options.seed = value.parse()?,
                "--seeds" => options.seeds = value.parse()?,
                "--seconds" => options.time = Duration::from_secs(value.parse()?),
                "--trace" => options.trace = Some(value.parse()?),
                _ => {
                    let known = "--seed, --seeds, --seconds, --no-shrink, --trace";
                    return Err(format!("{arg} is not an option: {known}").into());
                }
            }
        }
        if options.seeds == u64::MAX && options.time == Duration::MAX {
            options.seeds = 1;
        }
        Ok(options)
    }
}

#[derive(Default)]
struct Total {
    seeds: u64,
    sum: Report,
}

impl Total {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.sum.steps += report.steps;
        self.sum.published += report.published;
        self.sum.delivered += report.delivered;
        self.sum.connects += report.connects;
        self.sum.probes += report.probes;
        merge(&mut self.sum.resets, &report.resets);
        merge(&mut self.sum.faults, &report.faults);
        self.sum.trace_hash = self.sum.trace_hash.wrapping_mul(31).wrapping_add(report.trace_hash);
    }

    fn json(&self, time: Duration) -> String {
        let Report { steps, published, delivered, connects, probes, resets, faults, trace_hash } =
            &self.sum;
        format!(
            "{{\"seeds\":{},\"steps\":{steps},\"seconds\":{:.1},\"published\":{published},\
             \"delivered\":{delivered},\"connects\":{connects},\"probes\":{probes},\
             \"resets\":{},\"faults\":{},\"trace_hash\":\"{trace_hash:016x}\"}}",
            self.seeds,
            time.as_secs_f64(),
            json(resets),
            json(faults),
        )
    }
}

fn merge(sum: &mut BTreeMap<&'static str, u64>, more: &BTreeMap<&'static str, u64>) {
    for (kind, count) in more {
        *sum.entry(kind).or_default() += count;
    }
}

fn json(counts: &BTreeMap<&'static str, u64>) -> String {
    let members: Vec<_> =
        counts.iter().map(|(kind, count)| format!("\"{kind}\":{count}")).collect();
    format!("{{{}}}", members.join(","))
}
