//! The dialect of a client: which events and responses it understands.

/// What the clients of an endpoint understand: by
/// [`StreamConfig::with_dialect`](crate::StreamConfig::with_dialect).
///
/// | | `EventSource` | `Fetch` | `DataOnly` |
/// |---|---|---|---|
/// | a refusal | 200, and the event `refused` or `unauthorized` with a `retry` | 401, 429 or 503, with `Retry-After` | as `Fetch` |
/// | nothing more for this client | 204 | 200, and the event `complete` | 204 |
/// | the [position](crate::ChannelConfig::with_position) | event `position` | event `position` | |
/// | a [reset](crate::ChannelConfig::with_reset) | event `reset` | event `reset` | 410, with the reset as JSON |
/// | the source stops | clean end | event `complete`, clean end | clean end |
/// | the server shuts down | `retry`, clean end | event `shutdown`, incomplete end | incomplete end |
/// | the client lags, the stream is too old | clean end | incomplete end | incomplete end |
/// | the credentials expire, the stream is revoked or replaced | event `expired`, `revoked` or `replaced`, clean end | the same | incomplete end |
/// | a keep-alive is due | after 15 seconds | after 4 seconds | after 4 seconds |
///
/// An `EventSource` returns after a clean end, and other clients take it for complete: so a stream to
/// which they must return ends incomplete, which is an error to them. A client of `DataOnly` can be sent
/// an error of the application instead: [`with_last_event`](crate::StreamConfig::with_last_event). The data of each of these
/// events is a JSON object. `Auto` is one of the first two, as the request looks.
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
