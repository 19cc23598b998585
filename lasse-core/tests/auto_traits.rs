//! Which types can be moved to other threads, and shared between them.

use lasse_core::mailbox::{Mailbox, WithSource};
use lasse_core::*;

fn is_send<T: Send>() {}
fn is_send_and_sync<T: Send + Sync>() {}

/// A handler whose messages can be sent, and not shared.
struct Counter;

impl Handler for Counter {
    type Notify = std::cell::Cell<usize>;
    type Info = ();
}

#[test]
fn streams_and_their_sources_can_be_moved_to_other_threads() {
    is_send::<Connection<Subscriber>>();
    is_send::<Connection<HandlerSource<Counter>>>();
    is_send::<Connection<WithSource<Counter, Subscriber>>>();
    is_send::<Connection<Box<dyn Source + Send>>>();
    is_send::<Mailbox<Counter>>();
    is_send::<Connection<channel::MergedSubscriber>>();
    is_send::<Init<Subscriber>>();
    is_send::<Body<Connection<Subscriber>>>();
}

#[test]
fn notifiers_channels_and_settings_can_be_shared_between_threads() {
    is_send_and_sync::<Notifier<Counter>>();
    is_send_and_sync::<mailbox::Closed<Counter>>();
    is_send_and_sync::<Channel>();
    is_send_and_sync::<Channels<String>>();
    is_send_and_sync::<StreamConfig>();
    is_send_and_sync::<Frame>();
    is_send_and_sync::<Next>();
    is_send_and_sync::<SendError>();
}
