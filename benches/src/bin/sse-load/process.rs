//! What the kernel counts for processes, in `/proc`.

use std::fs::{read_dir, read_to_string};

use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// What some processes have used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    /// The same, but what processes share is divided among them.
    pub(crate) proportional: u64,
    /// Time on a CPU, in nanoseconds.
    pub(crate) run_nanos: u64,
}

/// These processes and all their descendants.
pub(crate) fn family(pids: &[u32]) -> Vec<u32> {
    let mut all = pids.to_vec();
    let mut next = 0;
    while let Some(pid) = all.get(next) {
        for thread in read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let children = read_to_string(thread.path().join("children")).unwrap_or_default();
            all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
        }
        next += 1;
    }
    all
}

/// What the processes have used so far.
pub(crate) fn usage(pids: &[u32]) -> Usage {
    let mut usage = Usage { resident: resident(pids), ..Usage::default() };
    for pid in pids {
        let memory = read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        usage.proportional += field(&memory, "Pss:") * 1024;
        for thread in read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let times = read_to_string(thread.path().join("schedstat")).unwrap_or_default();
            usage.run_nanos += first_number(&times);
        }
    }
    usage
}

/// The resident memory of the processes, in bytes.
pub(crate) fn resident(pids: &[u32]) -> u64 {
    let sizes = pids.iter().map(|pid| {
        let status = read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        field(&status, "VmRSS:") * 1024
    });
    sizes.sum()
}

/// How long a CPU was busy since the start of the machine, in hundredths of a second.
pub(crate) fn busy_ticks(cpu: usize) -> u64 {
    let stat = read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{cpu} ");
    let line = stat.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or_default();
    let times = line.split_whitespace().map(|time| time.parse::<u64>().unwrap_or_default());
    // All but idle and waiting for a disk; the last two are part of the first two.
    times.enumerate().filter(|(nth, _)| ![3, 4, 8, 9].contains(nth)).map(|(_, time)| time).sum()
}

/// The time of the clock by which servers stamp events, in nanoseconds.
pub(crate) fn now() -> u64 {
    nanos(ClockId::Monotonic)
}

/// The CPU time of this process, in nanoseconds.
pub(crate) fn own_run_nanos() -> u64 {
    nanos(ClockId::ProcessCPUTime)
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

/// Keeps this thread on one CPU.
pub(crate) fn pin(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    // A run that is not pinned is still a run, only less steady.
    let _ = sched_setaffinity(None, &cpus);
}

fn field(text: &str, name: &str) -> u64 {
    text.lines().find_map(|line| line.strip_prefix(name)).map_or(0, first_number)
}

fn first_number(text: &str) -> u64 {
    text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default()
}
