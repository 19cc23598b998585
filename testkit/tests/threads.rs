//! The example `threads` of lasse-core, put through the checks.

#[path = "../../lasse-core/examples/threads/server.rs"]
mod server;

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;

use lasse_testkit::checks::{self, Journal, Puppet, Server};
use server::Notifier;

#[test]
fn threads_serve_as_they_should() -> Result<(), Box<dyn Error>> {
    let journal = Journal::new();
    let args = journal.clone();
    let address = serve(move |_| args.clone())?;
    checks::run(&Server { address, journal, is_guest: false });
    Ok(())
}

#[test]
fn a_thread_passes_messages_on() -> Result<(), Box<dyn Error>> {
    let (notifiers, arrivals) = channel();
    let address = serve(move |notifier| {
        let _ = notifiers.send(notifier);
        Journal::new()
    })?;
    let mut client = TcpStream::connect(address)?;
    client.write_all(b"GET /quiet HTTP/1.1\r\nhost: here\r\n\r\n")?;
    assert!(arrivals.recv()?.notify("hello".into()));
    let mut lines = BufReader::new(client).lines();
    assert!(lines.any(|line| line.is_ok_and(|line| line == "data: hello")));
    Ok(())
}

/// Starts a server of puppets.
fn serve(
    args: impl Fn(Notifier<Puppet>) -> Journal + Clone + Send + 'static,
) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, config) = (listener.local_addr()?, checks::config()?);
    thread::spawn(move || server::serve(&listener, checks::HEAD_TIME, &config, args));
    Ok(address)
}
