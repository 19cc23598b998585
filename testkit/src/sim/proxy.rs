//! A reverse proxy in front of a node, which speaks HTTP/1.x to a client and HTTP/2 to the node.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::accept::{Visit, accept};
use super::pipe::{ClientEnd, ServerEnd, pipe};
use super::settings::ClientSettings;
use super::task::spawn;
use super::world::{Part, World};

/// Connects a client to its node over HTTP/2.
pub(super) fn proxy(
    world: &Arc<World>,
    mut front: ServerEnd,
    settings: &ClientSettings,
    visit: Visit,
) {
    let index = visit.connection.unwrap_or_default();
    let (node_end, back) = pipe(&settings.pipe, world.random(Part::Proxy(index)), &world.meter);
    accept(world, node_end, visit);
    let (control, may_lose) = (front.control(), !world.state().is_repaired);
    let is_http10 = settings.is_http10;
    let task = async move {
        match forward(&mut front, back, is_http10).await {
            Ok(()) => drop(front.shutdown().await),
            Err(_) => control.reset(may_lose),
        }
    };
    drop(spawn(task, world.random(Part::Proxy(index)), &world.meter));
}

/// Forwards one request and its response.
async fn forward(front: &mut ServerEnd, back: ClientEnd, is_http10: bool) -> io::Result<()> {
    let request = read_request(front).await?;
    let handshake = h2::client::Builder::new().handshake::<_, Bytes>(back);
    let (mut requests, connection) = handshake.await.map_err(io::Error::other)?;
    let (mut connection, mut exchange) = (
        pin!(connection),
        pin!(async {
            poll_fn(|cx| requests.poll_ready(cx)).await.map_err(io::Error::other)?;
            let (response, _) = requests.send_request(request, true).map_err(io::Error::other)?;
            write_response(front, response.await.map_err(io::Error::other)?, is_http10).await
        }),
    );
    tokio::select! {
        biased;
        result = exchange.as_mut() => return result,
        // The rest of the response can have been read before the end.
        _ = connection.as_mut() => {}
    }
    exchange.await
}

/// Reads the head of a request, which has no body.
async fn read_request(front: &mut ServerEnd) -> io::Result<Request<()>> {
    let invalid = || io::Error::from(ErrorKind::InvalidData);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(front.read_u8().await?);
    }
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let line = String::from_utf8(lines.next().unwrap_or_default().to_vec());
    let line = line.map_err(|_| invalid())?;
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Err(invalid()) };
    let mut request = Request::builder().method(method).uri(format!("http://sim{target}"));
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':').ok_or_else(invalid)?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| invalid())?;
        if name != http::header::HOST {
            let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
            request = request.header(name, value.map_err(|_| invalid())?);
        }
    }
    request.body(()).map_err(io::Error::other)
}

/// Writes a response, and reads from the client to notice that it has left.
async fn write_response(
    front: &mut ServerEnd,
    response: Response<RecvStream>,
    is_http10: bool,
) -> io::Result<()> {
    let (head, mut body) = response.into_parts();
    let has_length = head.headers.contains_key(http::header::CONTENT_LENGTH);
    let is_empty = head.status == StatusCode::NO_CONTENT;
    let is_chunked = !is_http10 && !has_length && !is_empty;
    let mut text = format!("HTTP/1.1 {} x\r\n", head.status.as_u16()).into_bytes();
    for (name, value) in &head.headers {
        text.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let coding: &[u8] = if is_chunked { b"transfer-encoding: chunked\r\n\r\n" } else { b"\r\n" };
    text.extend(coding);
    front.write_all(&text).await?;
    front.flush().await?;
    while let Some(data) = next_data(front, &mut body).await? {
        let len = data.len();
        if is_chunked {
            let chunk = [format!("{len:x}\r\n").as_bytes(), &data, b"\r\n"].concat();
            front.write_all(if len == 0 { b"" } else { &chunk }).await?;
        } else {
            front.write_all(&data).await?;
        }
        front.flush().await?;
        body.flow_control().release_capacity(len).map_err(io::Error::other)?;
    }
    if is_chunked {
        front.write_all(b"0\r\n\r\n").await?;
    }
    front.flush().await
}

/// The next bytes of the body, unless the client leaves first.
async fn next_data(front: &mut ServerEnd, body: &mut RecvStream) -> io::Result<Option<Bytes>> {
    let mut byte = [0];
    tokio::select! {
        biased;
        data = body.data() => data.transpose().map_err(io::Error::other),
        read = front.read(&mut byte) => {
            read?;
            Err(ErrorKind::BrokenPipe.into())
        }
    }
}
