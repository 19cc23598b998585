//! What a request can subscribe to: a channel of this process, or one of several nodes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use lasse_core::{Channel, LastEventId, Subscription, TopicFilter};

use crate::clock::now;

/// What a request can subscribe to: a [`Channel`], or one of several nodes, which may need another
/// server to decide whether a client can resume.
///
/// # Examples
///
/// A handler that takes channels of both kinds:
///
/// ```
/// use lasse_tokio::{Endpoint, Subscribable, SessionBody, respond_with};
/// use lasse_tokio::lasse_core::{RequestHead, Subscriber};
///
/// async fn answer(
///     request: &http::Request<()>,
///     endpoint: &Endpoint,
///     channel: &impl Subscribable,
/// ) -> http::Response<SessionBody<Subscriber>> {
///     let last = RequestHead::from(request).last_event_id().clone();
///     let decide = channel.decide(None, &last).made().await;
///     respond_with(request, endpoint, |head| decide().into_init(head, |events| events))
/// }
/// ```
pub trait Subscribable: Send + Sync {
    /// Decides on a client whose last event id is `last`. With a filter, it gets only the events of
    /// these topics.
    fn decide<'a>(&'a self, filter: Option<&'a TopicFilter>, last: &'a LastEventId)
    -> Decision<'a>;
}

impl Subscribable for Channel {
    fn decide<'a>(
        &'a self,
        filter: Option<&'a TopicFilter>,
        last: &'a LastEventId,
    ) -> Decision<'a> {
        Decision::at_once(move || {
            self.advance(now());
            match filter {
                Some(filter) => self.subscribe_to(filter, last),
                None => self.subscribe(last),
            }
        })
    }
}

impl<T: Subscribable + ?Sized> Subscribable for Arc<T> {
    fn decide<'a>(
        &'a self,
        filter: Option<&'a TopicFilter>,
        last: &'a LastEventId,
    ) -> Decision<'a> {
        T::decide(self, filter, last)
    }
}

/// A decision on a client. It is made without waiting when the request has been admitted, or it
/// takes a while.
#[must_use]
pub struct Decision<'a>(Kind<'a>);

enum Kind<'a> {
    AtOnce(Make<'a>),
    Later(Pin<Box<dyn Future<Output = Subscription> + Send + 'a>>),
}

type Make<'a> = Box<dyn FnOnce() -> Subscription + Send + 'a>;

impl<'a> Decision<'a> {
    /// A decision that `make` makes without waiting.
    pub fn at_once(make: impl FnOnce() -> Subscription + Send + 'a) -> Self {
        Self(Kind::AtOnce(Box::new(make)))
    }

    /// A decision that takes a while.
    pub fn later(decide: impl Future<Output = Subscription> + Send + 'a) -> Self {
        Self(Kind::Later(Box::pin(decide)))
    }

    /// Waits for the decision if it takes a while, and returns a function that makes or returns it.
    /// Call that when the request is admitted, so that a refused request does not count.
    pub async fn made(self) -> impl FnOnce() -> Subscription + Send + use<'a> {
        match self.0 {
            Kind::AtOnce(make) => make,
            Kind::Later(decide) => {
                let subscription = decide.await;
                Box::new(move || subscription)
            }
        }
    }
}

impl fmt::Debug for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 {
            Kind::AtOnce(_) => "AtOnce",
            Kind::Later(_) => "Later",
        };
        f.debug_tuple("Decision").field(&kind).finish()
    }
}
