//! One request and its answer, as it comes.

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

/// One request and its answer: `F` brings an `A`.
#[expect(clippy::large_enum_variant, reason = "there is one a client, and it is not moved about")]
pub(super) enum Exchange<F, A> {
    /// To be sent when the service is ready.
    Due(Request<Full<Bytes>>),
    Asked(Pin<Box<F>>),
    /// The body is being read.
    Answered(A),
    Over,
}

/// What came of a request.
pub(super) enum Progress<B> {
    Asked(Uri),
    Answered(Response<B>),
    Bytes(Bytes),
    Ended,
    Failed(BoxError),
}

impl<F, B> Exchange<F, Response<B>>
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    /// What has come of it since. One that ended, failed or gave its answer away
    /// is over, and pending for ever.
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
                    *self = Self::Asked(Box::pin(service.call(request)));
                    return Poll::Ready(Progress::Asked(uri));
                }
                Err(error) => Progress::Failed(error.into()),
            },
            Self::Asked(answer) => match ready!(answer.as_mut().poll(cx)) {
                Ok(response) => Progress::Answered(response),
                Err(error) => Progress::Failed(error.into()),
            },
            Self::Answered(response) => match ready!(poll_bytes(response.body_mut(), cx)) {
                Some(Ok(bytes)) => return Poll::Ready(Progress::Bytes(bytes)),
                Some(Err(error)) => Progress::Failed(error.into()),
                None => Progress::Ended,
            },
            Self::Over => return Poll::Pending,
        };
        *self = Self::Over;
        Poll::Ready(progress)
    }
}

/// The next bytes of a body; its trailers are passed over.
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
