//! The encoders of the peers, each through its public API.

use std::convert::Infallible;
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use actix_web::body::MessageBody;
use axum::response::IntoResponse;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream};
use http_body::Body;
use lasse_benches::cases::Case;
use tokio_util::codec::Encoder;

/// axum: a response with endless events, read one frame at a time.
pub(crate) struct Axum(axum::body::Body);

impl Axum {
    pub(crate) fn new(case: &Case) -> Self {
        let case = case.clone();
        let events = iter::repeat_with(move || {
            let mut event = axum::response::sse::Event::default();
            if let Some(name) = case.event {
                event = event.event(name);
            }
            event = event.data(&case.data);
            if let Some(id) = case.id {
                event = event.id(id);
            }
            Ok::<_, Infallible>(event)
        });
        Self(axum::response::Sse::new(stream::iter(events)).into_response().into_body())
    }

    pub(crate) fn encode(&mut self) -> Bytes {
        next_frame(&mut self.0)
    }
}

/// actix-web-lab: the same.
pub(crate) struct Actix(
    actix_web_lab::sse::Sse<BoxStream<'static, Result<actix_web_lab::sse::Event, Infallible>>>,
);

impl Actix {
    pub(crate) fn new(case: &Case) -> Self {
        let case = case.clone();
        let events = iter::repeat_with(move || {
            let mut data = actix_web_lab::sse::Data::new(case.data.as_str());
            if let Some(name) = case.event {
                data = data.event(name);
            }
            if let Some(id) = case.id {
                data = data.id(id);
            }
            Ok::<_, Infallible>(data.into())
        });
        Self(actix_web_lab::sse::Sse::from_stream(Box::pin(stream::iter(events))))
    }

    pub(crate) fn encode(&mut self) -> Bytes {
        match Pin::new(&mut self.0).poll_next(&mut context()) {
            Poll::Ready(Some(Ok(bytes))) => bytes,
            _ => panic!("the events do not end"),
        }
    }
}

/// sse-stream: the same.
pub(crate) struct SseStream(
    sse_stream::SseBody<BoxStream<'static, Result<sse_stream::Sse, Infallible>>>,
);

impl SseStream {
    pub(crate) fn new(case: &Case) -> Self {
        let case = case.clone();
        let events = iter::repeat_with(move || {
            let mut event = sse_stream::Sse::default().data(case.data.as_str());
            if let Some(name) = case.event {
                event = event.event(name);
            }
            if let Some(id) = case.id {
                event = event.id(id);
            }
            Ok::<_, Infallible>(event)
        });
        Self(sse_stream::SseBody::new(Box::pin(stream::iter(events))))
    }

    pub(crate) fn encode(&mut self) -> Bytes {
        next_frame(&mut self.0)
    }
}

/// russe: the encoder of its codec, and an owned string.
pub(crate) struct Russe;

impl Russe {
    pub(crate) fn encode(case: &Case) -> impl AsRef<[u8]> + use<> {
        Self::event(case).into_bytestring().expect("fields of one line")
    }

    pub(crate) fn encode_into(case: &Case, out: &mut BytesMut) {
        let event = Self::event(case);
        russe::Encoder::default().encode(event, out).expect("fields of one line");
    }

    fn event(case: &Case) -> russe::Event {
        russe::Event::Message(russe::Message {
            data: case.data.as_str().into(),
            event: case.event.map(Into::into),
            retry: None,
            id: case.id.map(Into::into),
        })
    }
}

fn next_frame<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Bytes {
    match Pin::new(body).poll_frame(&mut context()) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => panic!("the events do not end"),
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
