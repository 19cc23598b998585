//! Which types can be moved to other threads, and shared between them.

use lasse::channel::{Dispatcher, IdleWatch};
use lasse::hyper::{EventBody, EventService};
use lasse::log::Log;
use lasse::mailbox::{Mailbox, WithSource};
use lasse::{
    Channel, ChannelConfig, Channels, Client, Connection, Decoder, Endpoint, Event, EventSource,
    Frame, Gate, GateConfig, HandlerSource, Listener, Notifier, Permit, Publisher, Run, RunWriter,
    Runs, ServeConfig, Session, StreamConfig, Subscriber,
};
use lasse_testkit::Ticker;

fn is_send<T: Send>() {}

fn is_shared<T: Send + Sync>() {}

#[test]
fn streams_and_what_they_are_made_of_can_move_between_threads() {
    is_send::<Connection<Subscriber>>();
    is_send::<Connection<HandlerSource<Ticker>>>();
    is_send::<Connection<WithSource<Ticker, Subscriber>>>();
    is_send::<Session<Subscriber>>();
    is_send::<EventBody<Subscriber>>();
    is_send::<Mailbox<Ticker>>();
    is_send::<Permit>();
    is_send::<Dispatcher>();
    is_send::<IdleWatch>();
    is_send::<Log>();
    is_send::<Decoder>();
    is_send::<Client>();
    is_send::<EventSource<Http>>();
    is_send::<Listener>();
}

#[test]
fn handles_are_shared_by_threads() {
    is_shared::<Channel>();
    is_shared::<Channels<String>>();
    is_shared::<Publisher>();
    is_shared::<Notifier<Ticker>>();
    is_shared::<Gate>();
    is_shared::<Endpoint>();
    is_shared::<Runs>();
    is_shared::<Run>();
    is_shared::<RunWriter>();
    is_shared::<EventService<Ticker, fn(Notifier<Ticker>)>>();
    is_shared::<(Event<'_>, Frame)>();
    is_shared::<(StreamConfig, ChannelConfig, GateConfig, ServeConfig)>();
}

type Http = hyper_util::client::legacy::Client<
    hyper_util::client::legacy::connect::HttpConnector,
    http_body_util::Full<bytes::Bytes>,
>;
