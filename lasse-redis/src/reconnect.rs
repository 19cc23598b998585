//! The delays between the attempts of a reader to connect.

use std::time::Duration;

use lasse_core::Backoff;
use tokio::time::sleep;

use crate::config::BackplaneConfig;
use crate::shared::random;

/// The delays between the attempts of a reader to connect.
pub(crate) struct Reconnect {
    backoff: Backoff,
    /// Failures in a row.
    failures: u32,
}

impl Reconnect {
    pub(crate) fn new(config: &BackplaneConfig) -> Self {
        let backoff = Backoff::new().with_floor(FIRST_DELAY).with_ceiling(config.max_backoff / 2);
        Self { backoff: backoff.with_jitter(100), failures: 0 }
    }

    /// The connection was of use.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    /// Waits after a failure.
    pub(crate) async fn wait(&mut self) {
        self.failures = self.failures.saturating_add(1);
        sleep(self.backoff.delay(Duration::ZERO, self.failures, random())).await;
    }
}

/// The delay after the first failure.
const FIRST_DELAY: Duration = Duration::from_millis(25);
