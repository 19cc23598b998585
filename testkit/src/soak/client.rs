//! A client of a soak: it connects, receives events, leaves in one of many ways, and returns.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lasse_core::{Decoded, Decoder};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::Outcome;
use crate::sim::Random;
use crate::sim::http::{Part, ResponseReader};

/// What all clients have received.
#[derive(Debug, Default)]
pub(super) struct Totals {
    connects: AtomicU64,
    events: AtomicU64,
    resets: AtomicU64,
    breaches: Mutex<Vec<String>>,
}

impl Totals {
    pub(super) fn outcome(&self, kib_at_start: u64, kib_at_end: u64) -> Outcome {
        Outcome {
            connects: self.connects.load(Relaxed),
            events: self.events.load(Relaxed),
            resets: self.resets.load(Relaxed),
            kib_at_start,
            kib_at_end,
            breaches: self.breaches.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    fn breach(&self, what: String) {
        let mut breaches = self.breaches.lock().unwrap_or_else(PoisonError::into_inner);
        if breaches.len() < 10 {
            breaches.push(what);
        }
    }
}

pub(super) struct Client {
    addresses: Arc<[SocketAddr]>,
    totals: Arc<Totals>,
    random: Random,
    last_id: String,
    /// The number of the last event. None, if the next one can have any.
    last: Option<u64>,
}

impl Client {
    pub(super) fn new(addresses: Arc<[SocketAddr]>, totals: Arc<Totals>, random: Random) -> Self {
        Self { addresses, totals, random, last_id: String::new(), last: None }
    }

    pub(super) async fn run(mut self) {
        loop {
            // Now and then for so long that its events are no longer held.
            let most = if self.random.one_in(20) { 60_000 } else { 2_000 };
            sleep(self.random.millis(0..most)).await;
            let stay = self.random.millis(200..20_000);
            // An error of the connection is one more way to leave.
            let _ = timeout(stay, self.receive()).await;
        }
    }

    /// Receives events until the connection ends.
    async fn receive(&mut self) -> io::Result<()> {
        let is_http10 = self.random.one_in(3);
        let address = self.random.pick(&self.addresses);
        let mut socket = TcpStream::connect(address).await?;
        self.totals.connects.fetch_add(1, Relaxed);
        if self.random.one_in(3) {
            SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
        }
        self.send_request(&mut socket, is_http10).await?;
        if self.random.one_in(50) {
            // A client that reads nothing, for longer than the write timeout.
            sleep(Duration::from_secs(6)).await;
        }
        let (mut response, mut decoder) = (ResponseReader::new(is_http10, false), Decoder::new());
        let mut space = [0; 4096];
        loop {
            let n = socket.read(&mut space).await?;
            if n == 0 {
                return Ok(());
            }
            response.handle_bytes(&space[..n]);
            while let Some(part) = self.next_part(&mut response) {
                match part {
                    Part::Head(_) => {}
                    Part::Body(bytes) => self.decode(&mut decoder, &bytes),
                    Part::End => return Ok(()),
                }
            }
            if self.random.one_in(400) {
                socket.shutdown().await?;
            }
        }
    }

    /// Sends the request, now and then so slowly that the server gives up.
    async fn send_request(&mut self, socket: &mut TcpStream, is_http10: bool) -> io::Result<()> {
        let version = u8::from(!is_http10);
        let mut request =
            format!("GET / HTTP/1.{version}\r\nhost: soak\r\naccept: text/event-stream\r\n");
        if !self.last_id.is_empty() {
            request.push_str(&format!("last-event-id: {}\r\n", self.last_id));
        }
        request.push_str("\r\n");
        if !self.random.one_in(20) {
            return socket.write_all(request.as_bytes()).await;
        }
        for byte in request.as_bytes() {
            socket.write_all(&[*byte]).await?;
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    fn next_part(&self, response: &mut ResponseReader) -> Option<Part> {
        response.next_part().unwrap_or_else(|what| {
            self.totals.breach(what);
            None
        })
    }

    fn decode(&mut self, decoder: &mut Decoder, bytes: &[u8]) {
        let mut input = bytes;
        loop {
            match decoder.decode(&mut input) {
                Ok(None) => return,
                Ok(Some(Decoded::Message(message))) => {
                    let (name, data) = (message.name(), message.data());
                    let breach = check(&self.totals, &mut self.last, name, data).err();
                    self.last_id = message.last_event_id().into();
                    breach.into_iter().for_each(|what| self.totals.breach(what));
                }
                Ok(Some(_)) => {}
                Err(error) => self.totals.breach(error.to_string()),
            }
        }
    }
}

/// Checks that an event is the next one.
fn check(totals: &Totals, last: &mut Option<u64>, name: &str, data: &str) -> Result<(), String> {
    if name == "reset" {
        totals.resets.fetch_add(1, Relaxed);
        *last = None;
        return Ok(());
    }
    if name != "message" {
        return Ok(());
    }
    totals.events.fetch_add(1, Relaxed);
    let number = data.split(' ').next().and_then(|number| number.parse::<u64>().ok());
    let number = number.ok_or_else(|| format!("an event without a number: {data:?}"))?;
    let before = last.replace(number);
    match before {
        Some(before) if before + 1 != number => Err(format!("event {number} follows {before}")),
        _ => Ok(()),
    }
}
