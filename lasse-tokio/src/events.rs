//! A `Stream` of events in a mailbox's place.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use lasse_core::{Event, Frame, Handler, Next};

use crate::mailbox::Mail;

/// A stream of events as the mail of a [`Relay`]. The response ends cleanly when
/// the stream does, and is aborted when it yields an `Err`: a client must not
/// take what it has for all there is. The stream is dropped when the response
/// is over, which cancels whatever feeds it.
#[derive(Debug)]
pub struct Events<S>(Pin<Box<S>>);

impl<S> Events<S> {
    /// The events of `stream`, each an [`Event`], a [`Frame`] or a `Result` of
    /// one.
    pub fn new(stream: S) -> Self {
        Self(Box::pin(stream))
    }
}

impl<S: Stream<Item: Into<Said>>> Stream for Events<S> {
    type Item = Mail<Relay>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Mail<Relay>>> {
        let item = self.get_mut().0.as_mut().poll_next(cx);
        item.map(|item| item.map(|said| Mail::Notify(said.into())))
    }
}

/// What a stream of events yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said(Next);

impl Said {
    /// A frame after which the response ends cleanly, whatever the stream would
    /// yield: what an error becomes, where the client should be told of it.
    pub fn last(frame: impl Into<Frame>) -> Self {
        Self(Next::last(frame))
    }
}

impl From<Frame> for Said {
    fn from(frame: Frame) -> Self {
        Self(Next::Send(frame))
    }
}

impl From<Event<'_>> for Said {
    fn from(event: Event<'_>) -> Self {
        Self(Next::send(event))
    }
}

impl<T: Into<Self>, E> From<Result<T, E>> for Said {
    fn from(item: Result<T, E>) -> Self {
        item.map_or(Self(Next::Abort), Into::into)
    }
}

/// The handler of a stream of events: sends what it is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relay;

impl Handler for Relay {
    type Notify = Said;
    type Info = ();

    fn handle_notify(&mut self, Said(next): Said) -> Next {
        next
    }

    fn handle_end(&mut self) -> Next {
        Next::Stop
    }
}
