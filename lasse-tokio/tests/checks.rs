//! The server, put through the checks that all servers are put through.

use std::error::Error;

use lasse_testkit::checks::{self, Journal, Puppet, Server};
use lasse_tokio::{Endpoint, ServeConfig, respond, serve};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokio_serves_as_it_should() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server =
        Server { address: listener.local_addr()?, journal: Journal::new(), is_guest: false };
    let config = ServeConfig::new().with_head_timeout(checks::HEAD_TIME)?;
    let endpoint = Endpoint::new(checks::config()?);
    let journal = server.journal.clone();
    let serving = serve(listener, config, move |request| {
        let response = respond::<Puppet>(&request, &endpoint, |_| journal.clone());
        async { response }
    });
    tokio::spawn(serving.into_future());
    tokio::task::spawn_blocking(move || checks::run(&server)).await?;
    Ok(())
}
