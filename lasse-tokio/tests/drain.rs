//! A server that shuts down, as its clients see it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use lasse_core::{Config, Init};
use lasse_tokio::{
    DrainPlan, Gate, Listener, Relay, Route, ServeConfig, Silence, respond_with, serve,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// All that a client is sent, until its socket is closed.
async fn listen(server: SocketAddr) -> io::Result<String> {
    let mut client = TcpStream::connect(server).await?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: me\r\n\r\n").await?;
    let mut said = String::new();
    client.read_to_string(&mut said).await?;
    Ok(said)
}

#[tokio::test]
async fn every_client_is_told_to_come_back_and_its_socket_is_closed() -> io::Result<()> {
    let gate = Gate::default();
    let route = Route::new(Config::new()).with_gate(&gate);
    let listener = Listener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = serve(listener, ServeConfig::new(), move |request| {
        let answer =
            respond_with(&request, &route, |_| (Init::Stream(Relay, vec![]), Silence::new()));
        async { answer }
    });
    let server = tokio::spawn(server.with_gate(&gate).into_future());
    let clients: Vec<_> = (0..100).map(|_| tokio::spawn(listen(address))).collect();
    while gate.figures().open < clients.len() {
        tokio::task::yield_now().await;
    }

    gate.drain(&DrainPlan::new().with_window(Duration::from_millis(300)));
    timeout(Duration::from_secs(5), server).await??;
    assert_eq!(gate.figures().open, 0);
    for client in clients {
        let said = timeout(Duration::from_secs(5), client).await???;
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        assert!(said.contains("retry: "), "{said}");
        assert!(said.ends_with("\r\n0\r\n\r\n"), "{said}");
    }
    Ok(())
}
