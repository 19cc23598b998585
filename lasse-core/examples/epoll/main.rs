//! Notifies every visitor of `http://127.0.0.1:4002/` when another one connects, with one
//! thread over the core.

mod connection;
mod server;

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use connection::Service;
use lasse_core::http1::ServeConfig;
use lasse_core::{
    Accept, Event, Handler, HandlerSource, Init, Next, Notifier, RequestHead, StreamConfig, mailbox,
};
use mio::net::TcpListener;

/// Is notified of each later visitor.
struct Visitor;

impl Accept for Visitor {
    type Args = usize;

    fn init(others: usize, _: &RequestHead<'_>) -> Init<Self> {
        Init::Stream(Self, vec![Event::new(format!("{others} others are here")).encode()])
    }
}

impl Handler for Visitor {
    type Notify = &'static str;
    type Info = ();

    fn handle_notify(&mut self, news: &'static str) -> Next {
        Next::send(Event::new(news))
    }
}

fn main() -> io::Result<()> {
    let visitors = RefCell::new(Vec::<Notifier<Visitor>>::new());
    let args = || {
        let (notifier, mailbox) = mailbox(64);
        let mut visitors = visitors.borrow_mut();
        visitors.retain(|other| other.notify("another one is here").is_ok());
        visitors.push(notifier);
        (visitors.len() - 1, mailbox)
    };
    let listener = TcpListener::bind(([127, 0, 0, 1], 4002).into())?;
    let (config, streams) = (Arc::new(ServeConfig::new()), StreamConfig::new());
    server::serve::<HandlerSource<Visitor>, _>(listener, Service { config, streams, args })
}
