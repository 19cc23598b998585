//! What a client understands.

/// What the clients of an endpoint understand: by
/// [`StreamConfig::with_dialect`](crate::StreamConfig::with_dialect).
///
/// | | `EventSource` | `Fetch` | `DataOnly` |
/// |---|---|---|---|
/// | a refusal | 200, and a stream of `retry` alone | 503 or 429, with `Retry-After` | as `Fetch` |
/// | a [reset](crate::ChannelConfig::with_reset) | an event | an event | 410, with the reset as JSON |
/// | the [position](crate::ChannelConfig::with_position) | an event | an event | not sent |
///
/// `Auto` is one of the first two, as the request looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// The `EventSource` of browsers. After any status but 200, it never
    /// reconnects (HTML 9.2.3).
    #[default]
    EventSource,
    /// Clients over `fetch`, and HTTP libraries, which read statuses and would take an
    /// empty stream for a complete answer.
    Fetch,
    /// Clients of language models, which parse the data of every event as theirs.
    DataOnly,
    /// `EventSource` for requests that look like one of a browser, else `Fetch`: a GET
    /// or HEAD with exactly `Accept: text/event-stream` and `Cache-Control: no-cache`
    /// (HTML 9.2.2), and without the field `HX-Request` of htmx.
    Auto,
}
