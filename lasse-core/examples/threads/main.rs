//! Sends the lines of its input to every client of `http://127.0.0.1:4001/`, with blocking
//! threads over the core.

#![expect(clippy::disallowed_types, reason = "a driver has sockets")]

mod server;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use lasse_core::http1::ServeConfig;
use lasse_core::{
    Accept, Event, Handler, HandlerSource, Init, Next, Notifier, NotifyError, RequestHead,
    StreamConfig, mailbox,
};

/// Sends each line as an event.
struct Relay;

impl Accept for Relay {
    type Args = ();

    fn init((): (), _: &RequestHead<'_>) -> Init<Self> {
        Init::Stream(Self, vec![])
    }
}

impl Handler for Relay {
    type Notify = String;
    type Info = ();

    fn handle_notify(&mut self, line: String) -> Next {
        Next::send(Event::new(line))
    }
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 4001))?;
    let (new_clients, arrivals) = channel::<Notifier<Relay>>();
    thread::spawn(move || {
        let (config, streams) = (Arc::new(ServeConfig::new()), StreamConfig::new());
        server::serve::<HandlerSource<Relay>>(&listener, &config, &streams, move || {
            let (notifier, mailbox) = mailbox(64);
            let _ = new_clients.send(notifier);
            ((), mailbox)
        });
    });
    let mut clients = Vec::new();
    for line in io::stdin().lines() {
        let line = line?;
        clients.extend(arrivals.try_iter());
        clients.retain(|client| client.notify(line.clone()) != Err(NotifyError::Closed));
    }
    Ok(())
}
