//! Tasks of smol.

#[path = "../../../lasse-core/examples/smol/server.rs"]
mod server;

use std::error::Error;
use std::net::SocketAddr;

use lasse_core::{Accept, Source};
use smol::net::TcpListener;

use crate::Driver;
use crate::connection::Service;

struct Smol;

impl Driver for Smol {
    fn serve<S: Accept + Source + Send + 'static>(
        service: Service<impl Fn() -> S::Args + Clone + Send + Sync + 'static>,
    ) -> Result<SocketAddr, Box<dyn Error>> {
        let listener = smol::block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        smol::spawn(server::serve::<S, _>(listener, service)).detach();
        Ok(address)
    }
}

#[test]
fn tasks_pass_the_server_checks() -> Result<(), Box<dyn Error>> {
    crate::check::<Smol>()
}

#[test]
fn a_message_reaches_its_stream() -> Result<(), Box<dyn Error>> {
    crate::notify::<Smol>()
}

#[test]
fn a_channel_wakes_its_stream() -> Result<(), Box<dyn Error>> {
    crate::publish::<Smol>()
}
