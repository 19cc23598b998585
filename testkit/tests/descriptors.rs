//! The examples of lasse-core when their process has too many open files. In a process
//! of its own, because it opens as many as it can.
#![cfg(unix)]

#[path = "../../lasse-core/examples/epoll/connection.rs"]
mod connection;
#[path = "../../lasse-core/examples/epoll/server.rs"]
mod server;
#[path = "../../lasse-core/examples/threads/server.rs"]
mod threads;

use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use connection::Service;
use lasse_core::http1::ServeConfig;
use lasse_core::{Channel, StreamConfig, Subscriber};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[test]
fn a_client_that_finds_no_descriptor_is_served_once_there_is_one() -> Result<(), Box<dyn Error>> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(128), maximum })?;
    // A client that leaves would free a descriptor of the server, some time later.
    let mut clients = Vec::new();
    for start in [threads, epoll] {
        let server = start()?;
        // Once it has served a client, it has all the files that it needs itself.
        clients.push(get(server)?);
        assert_eq!(read_status(&clients)?, OK);
        let mut files = Vec::new();
        open_all(&mut files);
        connect_without_response(server, &mut files, &mut clients)?;
        drop(files);
        assert_eq!(read_status(&clients)?, OK);
    }
    Ok(())
}

/// Connects clients until one gets no response, because `files` take all descriptors that
/// are left. A server that blocks in `accept` has a descriptor for the next client already.
fn connect_without_response(
    server: SocketAddr,
    files: &mut Vec<File>,
    clients: &mut Vec<TcpStream>,
) -> Result<(), Box<dyn Error>> {
    for _ in 0..5 {
        files.pop();
        let Ok(client) = get(server) else { continue };
        open_all(files);
        client.set_read_timeout(Some(Duration::from_millis(300)))?;
        let has_response = client.peek(&mut [0]).is_ok();
        clients.push(client);
        if !has_response {
            return Ok(());
        }
    }
    Err("the server does not need a descriptor".into())
}

fn open_all(files: &mut Vec<File>) {
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
    }
}

fn get(server: SocketAddr) -> io::Result<TcpStream> {
    let mut client = TcpStream::connect(server)?;
    client.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")?;
    Ok(client)
}

/// Reads the first line that the last client receives.
fn read_status(clients: &[TcpStream]) -> io::Result<String> {
    let client = clients.last().ok_or(ErrorKind::NotConnected)?;
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(client).read_line(&mut line)?;
    Ok(line)
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn threads() -> Result<SocketAddr, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let (config, streams) = (Arc::new(ServeConfig::new()), StreamConfig::new());
    let news = Channel::new(&Default::default());
    thread::spawn(move || {
        threads::serve::<Subscriber>(&listener, &config, &streams, move || news.clone());
    });
    Ok(address)
}

fn epoll() -> Result<SocketAddr, Box<dyn Error>> {
    let listener = mio::net::TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    let address = listener.local_addr()?;
    let news = Channel::new(&Default::default());
    let (config, streams) = (Arc::new(ServeConfig::new()), StreamConfig::new());
    let service = Service { config, streams, args: move || news.clone() };
    thread::spawn(move || server::serve::<Subscriber, _>(listener, service));
    Ok(address)
}
