//! Why a client is closed.

use core::error::Error;
use core::fmt;

use http::{HeaderValue, StatusCode};

/// Why a [`Client`](crate::Client) is closed: it never connects again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientClosed {
    /// The server answered 204: no more events will follow (HTML 9.2.3).
    NoContent,
    /// The server answered with a status that is neither 200 nor a redirect.
    Status(StatusCode),
    /// The response is not `text/event-stream`, but of this type.
    ContentType(Option<HeaderValue>),
    /// The stream is compressed, which this client cannot read. A service that
    /// decompresses responses also removes their `Content-Encoding`.
    ContentEncoding(HeaderValue),
    /// A redirect has no location, two different ones, or one outside HTTP.
    Location(Option<HeaderValue>),
    /// More redirects in a row than allowed.
    Redirects(u32),
    /// As many attempts in a row failed as allowed.
    Failures(u32),
    /// The response ended, and the client does not reconnect
    /// ([`Client::once`](crate::Client::once)).
    Ended,
    /// The connection was lost, and the client does not reconnect
    /// ([`Client::once`](crate::Client::once)).
    Disconnected,
}

impl fmt::Display for ClientClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoContent => f.write_str("the server has no more events (204)"),
            Self::Status(status) => write!(f, "the server answered {status}, not 200"),
            Self::ContentType(Some(value)) => {
                write!(f, "the content type is {value:?}; it must be text/event-stream")
            }
            Self::ContentType(None) => {
                f.write_str("there is no content type; it must be text/event-stream")
            }
            Self::ContentEncoding(value) => {
                write!(f, "the content encoding is {value:?}; it must be identity")
            }
            Self::Location(Some(value)) => write!(
                f,
                "the redirect to {value:?} cannot be followed; it must lead to http or https"
            ),
            Self::Location(None) => f.write_str("the redirect has no location"),
            Self::Redirects(most) => write!(f, "there were more than {most} redirects in a row"),
            Self::Failures(count) => write!(f, "{count} attempts in a row failed"),
            Self::Ended => f.write_str("the response ended"),
            Self::Disconnected => f.write_str("the connection was lost"),
        }
    }
}

impl Error for ClientClosed {}
