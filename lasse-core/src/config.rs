//! The settings of streams.

#[cfg(feature = "http")]
mod http;

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::dialect::Dialect;
use crate::end::EndReason;
use crate::event::Event;
use crate::frame::Frame;
#[cfg(feature = "http")]
use crate::request::Responses;

/// The settings of streams. A clone shares them.
///
/// | setting | default |
/// |---|---|
/// | keep-alive | `:` and a line feed, after 15 seconds without a write; after 4 seconds in the dialects `Fetch` and `DataOnly` |
/// | write timeout | 30 seconds |
/// | maximum age | none |
/// | first byte | sent with the head |
/// | finite | no |
/// | dialect | [`Dialect::EventSource`](crate::Dialect::EventSource) |
/// | last event, in the dialect `DataOnly` | none: an incomplete end |
///
/// Where a duration is optional, `None` turns the setting off. A duration below a
/// millisecond counts as a millisecond; the longest durations never elapse.
///
/// A stream queues at most 16 KiB and one frame more: its source is polled again
/// only when the client has read. So memory is bounded without a setting.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use lasse_core::{Event, EventName, StreamConfig};
///
/// const PING: EventName = EventName::from_static("ping");
///
/// let config = StreamConfig::new()
///     .with_keep_alive(Duration::from_secs(10))
///     .with_keep_alive_frame(Event::new("").with_name(PING))?
///     .with_write_timeout(None)
///     .with_max_age(Duration::from_secs(3600));
/// # Ok::<(), lasse_core::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct StreamConfig(Arc<Settings>);

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// None: as the dialect has it. Some of none: no keep-alive.
    keep_alive: Option<Option<Duration>>,
    pub(crate) keep_alive_frame: Frame,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) first_byte: bool,
    pub(crate) finite: bool,
    pub(crate) dialect: Dialect,
    pub(crate) last_event: Option<LastEvent>,
    #[cfg(feature = "http")]
    pub(crate) responses: Responses,
}

impl StreamConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// A keep-alive for browsers: 15 seconds, as the HTML standard suggests (9.2.7). Proxies close a
    /// silent stream after 10 to 100 seconds.
    pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

    /// A keep-alive for clients with short read timeouts: 4 seconds. The default of httpx is 5
    /// seconds, that of `OkHttp` 10.
    pub const SHORT_KEEP_ALIVE: Duration = Duration::from_secs(4);

    /// Sets after how long without a write a keep-alive is sent:
    /// [`KEEP_ALIVE`](Self::KEEP_ALIVE) by default, and
    /// [`SHORT_KEEP_ALIVE`](Self::SHORT_KEEP_ALIVE) in the dialects `Fetch` and `DataOnly`.
    #[must_use]
    #[doc(alias("keepalive", "heartbeat", "ping"))]
    pub fn with_keep_alive(self, interval: impl Into<Option<Duration>>) -> Self {
        let interval = interval.into().map(at_least_a_millisecond);
        self.change(|settings| settings.keep_alive = Some(interval))
    }

    /// Sends `frame` as the keep-alive. A page can only see it if it is a named
    /// event, since `EventSource` hides comments.
    ///
    /// # Errors
    ///
    /// If `frame` is empty.
    #[doc(alias("keepalive", "heartbeat", "ping"))]
    pub fn with_keep_alive_frame(self, frame: impl Into<Frame>) -> Result<Self, InvalidConfig> {
        let frame = frame.into();
        if frame.is_empty() {
            return Err(InvalidConfig("the keep-alive frame is empty; it needs at least a byte"));
        }
        Ok(self.change(|settings| settings.keep_alive_frame = frame))
    }

    /// Sets how long a client may take no byte while a write is in flight, before the stream
    /// is aborted as [`Stalled`](crate::EndReason::Stalled).
    #[must_use]
    #[doc(alias = "backpressure")]
    pub fn with_write_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        let timeout = timeout.into().map(at_least_a_millisecond);
        self.change(|settings| settings.write_timeout = timeout)
    }

    /// Sets the age at which each stream ends cleanly. The client reconnects.
    #[must_use]
    pub fn with_max_age(self, age: impl Into<Option<Duration>>) -> Self {
        let age = age.into().map(at_least_a_millisecond);
        self.change(|settings| settings.max_age = age)
    }

    /// Sets what a client of [`Dialect::DataOnly`] is sent when the server ends its stream before its
    /// time: an error in the form of the application. The stream then ends cleanly. By default, and
    /// for `None`, it ends incomplete, which such clients report as a lost connection.
    ///
    /// The reasons are [`Shutdown`](EndReason::Shutdown), [`Lagged`](EndReason::Lagged),
    /// [`Expired`](EndReason::Expired), [`CredentialsExpired`](EndReason::CredentialsExpired),
    /// [`Revoked`](EndReason::Revoked) and [`Replaced`](EndReason::Replaced).
    ///
    /// # Examples
    ///
    /// In the form that clients of language models expect:
    ///
    /// ```
    /// use lasse_core::{Dialect, Event, StreamConfig};
    ///
    /// let config = StreamConfig::new().with_dialect(Dialect::DataOnly).with_last_event(|reason| {
    ///     Some(Event::new(format!("{{\"error\":{{\"message\":\"{reason}\"}}}}")))
    /// });
    /// ```
    #[must_use]
    pub fn with_last_event<F>(self, last_event: F) -> Self
    where
        F: Fn(EndReason) -> Option<Event<'static>> + Send + Sync + 'static,
    {
        self.change(|settings| settings.last_event = Some(LastEvent(Arc::new(last_event))))
    }

    /// Whether a comment follows the head at once. Layers that hold back the head until a part of
    /// the body follows then pass it on.
    #[must_use]
    pub fn with_first_byte(self, first_byte: bool) -> Self {
        self.change(|settings| settings.first_byte = first_byte)
    }

    /// Whether streams end by themselves before long. At a shutdown these may
    /// finish, while the others end and their clients reconnect.
    #[must_use]
    pub fn with_finite(self, finite: bool) -> Self {
        self.change(|settings| settings.finite = finite)
    }

    /// Sets what the clients understand: how they are refused, how their streams end, and which
    /// events of the protocol they are sent.
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        self.change(|settings| settings.dialect = dialect)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Settings {
    /// After how long without a write a client of this dialect is sent a keep-alive.
    pub(crate) fn keep_alive(&self, dialect: Dialect) -> Option<Duration> {
        self.keep_alive.unwrap_or(Some(match dialect {
            Dialect::EventSource | Dialect::Auto => StreamConfig::KEEP_ALIVE,
            Dialect::Fetch | Dialect::DataOnly => StreamConfig::SHORT_KEEP_ALIVE,
        }))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_alive: None,
            keep_alive_frame: Frame::keep_alive(),
            write_timeout: Some(Duration::from_secs(30)),
            max_age: None,
            first_byte: true,
            finite: false,
            dialect: Dialect::default(),
            last_event: None,
            #[cfg(feature = "http")]
            responses: Responses::default(),
        }
    }
}

/// Makes the last event of a stream that the server ends.
#[derive(Clone)]
pub(crate) struct LastEvent(Arc<dyn Fn(EndReason) -> Option<Event<'static>> + Send + Sync>);

impl LastEvent {
    pub(crate) fn make(&self, reason: EndReason) -> Option<Event<'static>> {
        (self.0)(reason)
    }
}

impl fmt::Debug for LastEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LastEvent")
    }
}

/// A setting that cannot work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidConfig(pub(crate) &'static str);

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidConfig {}

/// A shorter interval would keep a stream busy without a pause.
fn at_least_a_millisecond(duration: Duration) -> Duration {
    duration.max(Duration::from_millis(1))
}
