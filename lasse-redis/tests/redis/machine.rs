//! How long the machine lets this process stand still: laws of time do not count that.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

/// Measures a time that a law bounds.
pub(crate) struct Stopwatch {
    started: Instant,
    stalls: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), stalls: stalls() }
    }

    /// The time since the start, without that in which the machine did other things.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed().saturating_sub(stalls().saturating_sub(self.stalls))
    }

    /// Checks a law.
    ///
    /// # Panics
    ///
    /// If it took longer.
    pub(crate) fn check(&self, law: Duration) {
        let elapsed = self.elapsed();
        assert!(elapsed < law, "it took {elapsed:?}, and can take {law:?}");
    }
}

/// For how long a thread that slept was not woken, in total.
fn stalls() -> Duration {
    static NANOS: AtomicU64 = AtomicU64::new(0);
    static THREAD: LazyLock<()> = LazyLock::new(|| {
        thread::spawn(|| {
            loop {
                let started = Instant::now();
                thread::sleep(SLEEP);
                let late = started.elapsed().saturating_sub(SLEEP);
                NANOS.fetch_add(u64::try_from(late.as_nanos()).unwrap(), Ordering::Relaxed);
            }
        });
    });
    LazyLock::force(&THREAD);
    Duration::from_nanos(NANOS.load(Ordering::Relaxed))
}

const SLEEP: Duration = Duration::from_millis(20);
