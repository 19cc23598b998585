//! How streams behave, checked once, when it is built.

#[cfg(feature = "http")]
mod http;

use alloc::sync::Arc;
use core::error::Error;
use core::fmt;
use core::time::Duration;

use crate::frame::Frame;
#[cfg(feature = "http")]
use crate::request::Answers;

/// How streams behave. A clone shares.
///
/// | setting | default |
/// |---|---|
/// | keep-alive | `:` and a line feed, after 15 seconds of silence |
/// | write timeout | 30 seconds from the last byte that the client took |
/// | maximum age | none |
/// | first byte | sent with the head |
/// | finite | no |
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use lasse_core::{StreamConfig, Event, EventName};
///
/// const PING: EventName = EventName::from_static("ping");
///
/// let config = StreamConfig::new()
///     .with_keep_alive(Duration::from_secs(10))?
///     .with_keep_alive_frame(Event::new("").with_name(PING))?
///     .with_max_age(Duration::from_secs(3600))?;
/// # Ok::<(), lasse_core::InvalidConfig>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct StreamConfig(Arc<Settings>);

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) keep_alive_frame: Frame,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) first_byte: bool,
    pub(crate) finite: bool,
    #[cfg(feature = "http")]
    pub(crate) answers: Answers,
}

impl StreamConfig {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Breaks a silence of `interval` by a keep-alive. Proxies give up on a
    /// silent stream after 10 to 100 seconds, so stay below.
    ///
    /// # Errors
    ///
    /// When `interval` is zero.
    pub fn with_keep_alive(self, interval: Duration) -> Result<Self, InvalidConfig> {
        let interval = positive(interval, "a keep-alive interval cannot be zero")?;
        Ok(self.change(|settings| settings.keep_alive = Some(interval)))
    }

    /// Sends no keep-alives.
    #[must_use]
    pub fn without_keep_alive(self) -> Self {
        self.change(|settings| settings.keep_alive = None)
    }

    /// Sends `frame` as keep-alive: a named event, for a page that wants to see
    /// it, since `EventSource` hides comments.
    ///
    /// # Errors
    ///
    /// When `frame` is empty.
    pub fn with_keep_alive_frame(self, frame: impl Into<Frame>) -> Result<Self, InvalidConfig> {
        let frame = frame.into();
        if frame.is_empty() {
            return Err(InvalidConfig("an empty frame keeps nothing alive"));
        }
        Ok(self.change(|settings| settings.keep_alive_frame = frame))
    }

    /// Gives up on a client that takes no byte for `timeout`, though there are
    /// some for it.
    ///
    /// # Errors
    ///
    /// When `timeout` is zero.
    pub fn with_write_timeout(self, timeout: Duration) -> Result<Self, InvalidConfig> {
        let timeout = positive(timeout, "a write timeout cannot be zero")?;
        Ok(self.change(|settings| settings.write_timeout = Some(timeout)))
    }

    /// Waits for slow clients without end.
    #[must_use]
    pub fn without_write_timeout(self) -> Self {
        self.change(|settings| settings.write_timeout = None)
    }

    /// Ends each stream cleanly when it is so old; the client comes back.
    ///
    /// # Errors
    ///
    /// When `age` is zero.
    pub fn with_max_age(self, age: Duration) -> Result<Self, InvalidConfig> {
        let age = positive(age, "a maximum age cannot be zero")?;
        Ok(self.change(|settings| settings.max_age = Some(age)))
    }

    /// Whether the head is followed at once by a comment, so that layers which
    /// hold a head back until there is a body let go of it.
    #[must_use]
    pub fn with_first_byte(self, first_byte: bool) -> Self {
        self.change(|settings| settings.first_byte = first_byte)
    }

    /// Whether streams end by themselves before long. When the server shuts
    /// down, those may finish, and the others are told to come back.
    #[must_use]
    pub fn with_finite(self, finite: bool) -> Self {
        self.change(|settings| settings.finite = finite)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            keep_alive: Some(Duration::from_secs(15)),
            keep_alive_frame: Frame::sign_of_life(),
            write_timeout: Some(Duration::from_secs(30)),
            max_age: None,
            first_byte: true,
            finite: false,
            #[cfg(feature = "http")]
            answers: Answers::default(),
        }
    }
}

/// A setting that could not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidConfig(pub(crate) &'static str);

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for InvalidConfig {}

pub(crate) fn positive(
    duration: Duration,
    problem: &'static str,
) -> Result<Duration, InvalidConfig> {
    if duration.is_zero() { Err(InvalidConfig(problem)) } else { Ok(duration) }
}
