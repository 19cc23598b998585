//! An HTTP/2 client that returns the data of each frame.

use std::future::poll_fn;

use bytes::Bytes;
use h2::RecvStream;
use h2::client::SendRequest;
use http::{Method, Request, Response};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Server, TIME_LIMIT};

/// A client with a large window for the connection, and `stream_window` for each stream.
pub async fn connect(server: &Server, stream_window: u32) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(server.addr).await.unwrap();
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(1 << 30).initial_window_size(stream_window);
    let (client, connection) = builder.handshake(socket).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    client.ready().await.unwrap()
}

/// Sends a request, and returns the head of the response.
pub async fn ask(
    client: &mut SendRequest<Bytes>,
    method: Method,
    path: &str,
) -> Response<RecvStream> {
    poll_fn(|cx| client.poll_ready(cx)).await.unwrap();
    let uri = format!("http://lasse.example{path}");
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    let (response, _) = client.send_request(request, true).unwrap();
    timeout(TIME_LIMIT, response).await.expect("no answer").unwrap()
}

/// The next data of a stream, or `None` at its end, which can be an empty frame.
pub async fn data(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    loop {
        let data = timeout(TIME_LIMIT, body.data()).await.expect("no data")?;
        match &data {
            Ok(bytes) if bytes.is_empty() => continue,
            Ok(bytes) => body.flow_control().release_capacity(bytes.len()).unwrap(),
            Err(_) => {}
        }
        return Some(data);
    }
}

/// Reads until the text ends with `end`.
pub async fn read_until(body: &mut RecvStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let data = data(body).await.expect("the stream goes on").unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
    }
    text
}
