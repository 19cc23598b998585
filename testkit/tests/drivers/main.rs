//! The examples of lasse-core that drive it, under the server checks.

#[path = "../../../lasse-core/examples/epoll/connection.rs"]
mod connection;
mod epoll;
mod smol;
mod threads;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;

use connection::Service;
use lasse_core::http1::ServeConfig;
use lasse_core::{Accept, HandlerSource, Source, Subscriber, mailbox};
use lasse_testkit::checks::{self, Server, StreamRecords, TestHandler};
use lasse_testkit::{is_woken_by_a_channel, lines_of};

/// An example.
trait Driver {
    /// Starts a server.
    fn serve<S: Accept + Source + Send + 'static>(
        service: Service<impl Fn() -> S::Args + Clone + Send + Sync + 'static>,
    ) -> Result<SocketAddr, Box<dyn Error>>;
}

fn serve<D: Driver, S: Accept + Source + Send + 'static>(
    args: impl Fn() -> S::Args + Clone + Send + Sync + 'static,
) -> Result<SocketAddr, Box<dyn Error>> {
    let config = Arc::new(ServeConfig::new().with_head_timeout(checks::HEAD_TIME)?);
    D::serve::<S>(Service { config, streams: checks::config()?, args })
}

/// Runs the server checks.
fn check<D: Driver>() -> Result<(), Box<dyn Error>> {
    let records = StreamRecords::new();
    let args = records.clone();
    let address = serve::<D, HandlerSource<TestHandler>>(move || (args.clone(), mailbox(64).1))?;
    checks::run(&Server { address, records, is_adapter_only: false });
    Ok(())
}

/// Checks that a stream receives a message that is sent to it.
fn notify<D: Driver>() -> Result<(), Box<dyn Error>> {
    let (notifiers, arrivals) = channel();
    let address = serve::<D, HandlerSource<TestHandler>>(move || {
        let (notifier, mailbox) = mailbox(64);
        let _ = notifiers.send(notifier);
        (StreamRecords::new(), mailbox)
    })?;
    let mut lines = lines_of(address, "/quiet")?;
    arrivals.recv()?.notify("hello".into())?;
    assert!(lines.any(|line| line.is_ok_and(|line| line == "data: hello")));
    Ok(())
}

/// Checks that a stream receives published events.
fn publish<D: Driver>() -> Result<(), Box<dyn Error>> {
    is_woken_by_a_channel(|news| serve::<D, Subscriber>(move || news.clone()))
}
