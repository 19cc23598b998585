//! The example `threads` of lasse-core, under the server checks.

#[path = "../../lasse-core/examples/threads/server.rs"]
mod server;

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use lasse_core::http1::ServeConfig;
use lasse_core::{Accept, HandlerSource, Source, Subscriber, mailbox};
use lasse_testkit::checks::{self, Server, StreamRecords, TestHandler};
use lasse_testkit::{is_woken_by_a_channel, lines_of};

#[test]
fn threads_pass_the_server_checks() -> Result<(), Box<dyn Error>> {
    let records = StreamRecords::new();
    let args = records.clone();
    let address = serve::<HandlerSource<TestHandler>>(move || (args.clone(), mailbox(64).1))?;
    checks::run(&Server { address, records, is_adapter_only: false });
    Ok(())
}

#[test]
fn a_message_reaches_its_stream() -> Result<(), Box<dyn Error>> {
    let (notifiers, arrivals) = channel();
    let address = serve::<HandlerSource<TestHandler>>(move || {
        let (notifier, mailbox) = mailbox(64);
        let _ = notifiers.send(notifier);
        (StreamRecords::new(), mailbox)
    })?;
    let mut lines = lines_of(address, "/quiet")?;
    arrivals.recv()?.notify("hello".into())?;
    assert!(lines.any(|line| line.is_ok_and(|line| line == "data: hello")));
    Ok(())
}

#[test]
fn a_channel_wakes_its_stream() -> Result<(), Box<dyn Error>> {
    is_woken_by_a_channel(|news| serve::<Subscriber>(move || news.clone()))
}

/// Starts a server.
fn serve<S: Accept + Source>(
    args: impl Fn() -> S::Args + Clone + Send + 'static,
) -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (address, streams) = (listener.local_addr()?, checks::config()?);
    let config = Arc::new(ServeConfig::new().with_head_timeout(checks::HEAD_TIME)?);
    thread::spawn(move || server::serve::<S>(&listener, &config, &streams, args));
    Ok(address)
}
