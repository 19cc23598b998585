//! One request and its response.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::{Request, Response, Uri};
use http_body::Body;
use http_body_util::Full;
use tower_service::Service;

use super::BoxError;

/// One request and its response: the future `F` returns the response `R`.
#[expect(clippy::large_enum_variant, reason = "each client has one, and does not move it")]
pub(super) enum Exchange<F, R> {
    /// The request waits until the service is ready.
    Due(Request<Full<Bytes>>),
    /// The request was sent.
    Sent(Pin<Box<F>>),
    /// The body of the response is read.
    Open(R),
    /// The response was refused. The beginning of its body is read.
    Refused(R, Vec<u8>),
    Over,
}

/// What became of an exchange.
pub(super) enum Progress<B> {
    Sent(Uri),
    Head(Response<B>),
    Bytes(Bytes),
    /// The body of a refused response.
    RefusedBody(Bytes),
    Ended,
    Failed(BoxError),
}

impl<F, B> Exchange<F, Response<B>>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    /// Polls for progress. An exchange that is over is pending for ever.
    pub(super) fn poll<S>(&mut self, service: &mut S, cx: &mut Context<'_>) -> Poll<Progress<B>>
    where
        S: Service<Request<Full<Bytes>>, Response = Response<B>, Future = F>,
        F: Future<Output = Result<Response<B>, S::Error>>,
        S::Error: Into<BoxError>,
    {
        let progress = match self {
            Self::Due(request) => match ready!(service.poll_ready(cx)) {
                Ok(()) => {
                    let request = mem::take(request);
                    let uri = request.uri().clone();
                    *self = Self::Sent(Box::pin(service.call(request)));
                    return Poll::Ready(Progress::Sent(uri));
                }
                Err(error) => Progress::Failed(error.into()),
            },
            Self::Sent(response) => match ready!(response.as_mut().poll(cx)) {
                Ok(response) => Progress::Head(response),
                Err(error) => Progress::Failed(error.into()),
            },
            Self::Open(response) => match ready!(poll_bytes(response.body_mut(), cx)) {
                Some(Ok(bytes)) => return Poll::Ready(Progress::Bytes(bytes)),
                Some(Err(error)) => Progress::Failed(error.into()),
                None => Progress::Ended,
            },
            Self::Refused(response, body) => {
                ready!(poll_beginning(response.body_mut(), body, cx));
                Progress::RefusedBody(mem::take(body).into())
            }
            Self::Over => return Poll::Pending,
        };
        *self = Self::Over;
        Poll::Ready(progress)
    }

    /// Reads a body whose response was refused.
    pub(super) fn refuse(&mut self, response: Response<B>) {
        *self = Self::Refused(response, Vec::new());
    }

    /// Stops reading a refused body, and returns the part that has arrived. `None` if there is no
    /// such body.
    pub(super) fn take_refused(&mut self) -> Option<Bytes> {
        let Self::Refused(_, body) = self else { return None };
        let body = mem::take(body);
        *self = Self::Over;
        Some(body.into())
    }
}

/// Reads into `beginning` until it is full, or the body ends or fails.
fn poll_beginning<B: Body + Unpin>(
    body: &mut B,
    beginning: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    while beginning.len() < MOST_REFUSED {
        let Some(Ok(bytes)) = ready!(poll_bytes(body, cx)) else { break };
        let room = MOST_REFUSED - beginning.len();
        beginning.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
    }
    Poll::Ready(())
}

/// The next bytes of a body. Trailers are ignored.
fn poll_bytes<B: Body + Unpin>(
    body: &mut B,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, B::Error>>> {
    loop {
        let Some(frame) = ready!(Pin::new(&mut *body).poll_frame(cx)?) else {
            return Poll::Ready(None);
        };
        if let Ok(mut data) = frame.into_data() {
            return Poll::Ready(Some(Ok(data.copy_to_bytes(data.remaining()))));
        }
    }
}

/// How many bytes of a refused body are kept.
const MOST_REFUSED: usize = 8 * 1024;
