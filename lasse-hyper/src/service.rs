//! A handler as a service of hyper and of tower.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::task::{Context, Poll};

use http::{Request, Response};
use lasse_tokio::{Accept, Endpoint, Handler, Notifier};

use crate::respond::{HandlerBody, respond};

/// Answers every request with [`respond`], as a service of hyper and of tower. axum's
/// `route_service` takes it, too.
///
/// # Examples
///
/// ```
/// # use lasse_hyper::{Accept, Event, Handler, Init, Next, RequestHead};
/// # struct Echo;
/// # impl Handler for Echo {
/// #     type Notify = &'static str;
/// #     type Info = ();
/// #     fn handle_notify(&mut self, text: &'static str) -> Next { Next::send(Event::new(text)) }
/// # }
/// # impl Accept for Echo {
/// #     type Args = ();
/// #     fn init((): (), _: &RequestHead<'_>) -> Init<Self> { Init::Stream(Self, vec![]) }
/// # }
/// use std::sync::Mutex;
/// use lasse_hyper::{Endpoint, EventService, Notifier};
///
/// static SUBSCRIBERS: Mutex<Vec<Notifier<Echo>>> = Mutex::new(Vec::new());
///
/// let service = EventService::<Echo, _>::new(Endpoint::default(), |notifier| {
///     SUBSCRIBERS.lock().unwrap().push(notifier);
/// });
/// let router: axum::Router = axum::Router::new().route_service("/events", service);
/// ```
pub struct EventService<H, F> {
    endpoint: Endpoint,
    args: F,
    handler: PhantomData<fn() -> H>,
}

impl<H: Handler + Accept, F: Fn(Notifier<H>) -> H::Args> EventService<H, F> {
    /// A service whose streams share `endpoint`. `args` makes the arguments of
    /// [`Accept::init`], and receives the notifier of the new stream.
    pub fn new(endpoint: impl Into<Endpoint>, args: F) -> Self {
        Self { endpoint: endpoint.into(), args, handler: PhantomData }
    }

    fn answer<B>(&self, request: &Request<B>) -> Answered<H> {
        ready(Ok(respond(request, &self.endpoint, &self.args)))
    }
}

impl<H, F, B> hyper::service::Service<Request<B>> for EventService<H, F>
where
    H: Handler + Accept,
    F: Fn(Notifier<H>) -> H::Args,
{
    type Response = Response<HandlerBody<H>>;
    type Error = Infallible;
    type Future = Answered<H>;

    fn call(&self, request: Request<B>) -> Answered<H> {
        self.answer(&request)
    }
}

impl<H, F, B> tower_service::Service<Request<B>> for EventService<H, F>
where
    H: Handler + Accept,
    F: Fn(Notifier<H>) -> H::Args,
{
    type Response = Response<HandlerBody<H>>;
    type Error = Infallible;
    type Future = Answered<H>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answered<H> {
        self.answer(&request)
    }
}

impl<H, F: Clone> Clone for EventService<H, F> {
    fn clone(&self) -> Self {
        Self { endpoint: self.endpoint.clone(), args: self.args.clone(), handler: PhantomData }
    }
}

impl<H, F> fmt::Debug for EventService<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventService").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

type Answered<H> = Ready<Result<Response<HandlerBody<H>>, Infallible>>;
