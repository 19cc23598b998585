//! One thread, whose sockets do not block.

#[path = "../../../lasse-core/examples/epoll/server.rs"]
mod server;

use std::error::Error;
use std::net::SocketAddr;
use std::thread;

use lasse_core::{Accept, Source};
use mio::net::TcpListener;

use crate::Driver;
use crate::connection::Service;

struct Epoll;

impl Driver for Epoll {
    fn serve<S: Accept + Source + Send + 'static>(
        service: Service<impl Fn() -> S::Args + Clone + Send + Sync + 'static>,
    ) -> Result<SocketAddr, Box<dyn Error>> {
        let listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
        let address = listener.local_addr()?;
        thread::spawn(move || server::serve::<S, _>(listener, service));
        Ok(address)
    }
}

#[test]
fn one_thread_passes_the_server_checks() -> Result<(), Box<dyn Error>> {
    crate::check::<Epoll>()
}

#[test]
fn a_message_reaches_its_stream() -> Result<(), Box<dyn Error>> {
    crate::notify::<Epoll>()
}

#[test]
fn a_channel_wakes_its_stream() -> Result<(), Box<dyn Error>> {
    crate::publish::<Epoll>()
}
