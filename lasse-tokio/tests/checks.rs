//! The server under the server checks.

use std::error::Error;

use lasse_testkit::checks::{self, Server, StreamRecords, TestHandler};
use lasse_tokio::{Endpoint, ServeConfig, respond, serve};
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokio_passes_the_server_checks() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = Server {
        address: listener.local_addr()?,
        records: StreamRecords::new(),
        is_adapter_only: false,
    };
    let config = ServeConfig::new().with_head_timeout(checks::HEAD_TIME)?;
    let endpoint = Endpoint::new(checks::config()?);
    let records = server.records.clone();
    let serving = serve(listener, config, move |request| {
        let response = respond::<TestHandler>(&request, &endpoint, |_| records.clone());
        async { response }
    });
    tokio::spawn(serving.into_future());
    tokio::task::spawn_blocking(move || checks::run(&server)).await?;
    Ok(())
}
