//! Threads that block.

#[path = "../../../lasse-core/examples/threads/server.rs"]
mod server;

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use lasse_core::{Accept, Source};

use crate::Driver;
use crate::connection::Service;

struct Threads;

impl Driver for Threads {
    fn serve<S: Accept + Source + Send + 'static>(
        service: Service<impl Fn() -> S::Args + Clone + Send + Sync + 'static>,
    ) -> Result<SocketAddr, Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let Service { config, streams, args } = service;
        thread::spawn(move || server::serve::<S>(&listener, &config, &streams, args));
        Ok(address)
    }
}

#[test]
fn threads_pass_the_server_checks() -> Result<(), Box<dyn Error>> {
    crate::check::<Threads>()
}

#[test]
fn a_message_reaches_its_stream() -> Result<(), Box<dyn Error>> {
    crate::notify::<Threads>()
}

#[test]
fn a_channel_wakes_its_stream() -> Result<(), Box<dyn Error>> {
    crate::publish::<Threads>()
}
