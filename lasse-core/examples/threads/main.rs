//! Relays the lines of its input to every client of `http://127.0.0.1:4001/`, by
//! the core alone, in blocking threads.

#![expect(clippy::disallowed_types, reason = "who does the I/O has the sockets")]

mod server;

use std::io;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

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
    let (newcomers, arrivals): (Sender<Notifier<Relay>>, Receiver<_>) = channel();
    thread::spawn(move || {
        let (head_time, config) = (Duration::from_secs(10), StreamConfig::new());
        server::serve::<HandlerSource<Relay>>(&listener, head_time, &config, move || {
            let (notifier, mailbox) = mailbox(64);
            let _ = newcomers.send(notifier);
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
