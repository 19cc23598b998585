//! The body of a request, read within limits of size and time.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::StatusCode;
use http_body::Body;
use tokio::time::timeout;

/// Reads a request body of up to `limit` bytes within `deadline`.
///
/// All frames are copied into one buffer. To keep the frames instead can take 4 KiB
/// of memory for each byte: a client that sends single bytes makes hyper produce one
/// frame of each, and a frame keeps the buffer alive that it was read into.
///
/// If an error is returned, send a response with its [`status`](BodyError::status).
/// The rest of the body is not read, and the server closes the connection after the
/// response.
///
/// # Errors
///
/// If the body is larger than `limit`, takes longer than `deadline`, or is cut off or
/// malformed.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use hyper::body::Incoming;
/// use lasse_hyper::collect_body;
///
/// async fn post(request: Request<Incoming>) -> Response<String> {
///     let body = collect_body(request.into_body(), 64 * 1024, Duration::from_secs(10)).await;
///     let (status, text) = match body {
///         Ok(bytes) => (StatusCode::OK, format!("{} bytes\n", bytes.len())),
///         Err(error) => (error.status(), format!("{error}\n")),
///     };
///     let mut response = Response::new(text);
///     *response.status_mut() = status;
///     response
/// }
/// ```
#[doc(alias = "limit")]
#[doc(alias = "timeout")]
pub async fn collect_body<B>(body: B, limit: usize, deadline: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    match timeout(deadline, collect(body, limit)).await {
        Ok(collected) => collected,
        Err(_) => Err(BodyError::TimedOut(deadline)),
    }
}

async fn collect<B>(body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    // The announced length is not allocated before its bytes have arrived.
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLarge(limit));
    }
    let (mut body, mut collected) = (pin!(body), BytesMut::new());
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let frame = frame.map_err(|error| BodyError::Broken(error.into()))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.remaining() > limit - collected.len() {
            return Err(BodyError::TooLarge(limit));
        }
        collected.put(data);
    }
    Ok(collected.freeze())
}

/// Why the body of a request was not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// It has more bytes than this limit.
    TooLarge(usize),
    /// It was not complete within this time.
    TimedOut(Duration),
    /// It was cut off, or its framing is malformed.
    Broken(Box<dyn Error + Send + Sync>),
}

impl BodyError {
    /// The status of a response to the request: 413, 408 or 400.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TimedOut(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(limit) => {
                write!(f, "the request body has more than {limit} bytes, which is the limit")
            }
            Self::TimedOut(deadline) => {
                write!(f, "the request body was not complete within {deadline:?}")
            }
            Self::Broken(_) => f.write_str("the request body was cut off or is malformed"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::TooLarge(_) | Self::TimedOut(_) => None,
            Self::Broken(error) => Some(&**error),
        }
    }
}
