//! The example `ticker`.

use std::process::Command;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::program::{Program, path_of};

#[test]
fn five_thousand_readers_receive_every_price_in_order() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 6000 && exec \"$0\""]).arg(path_of("ticker"));
    let ticker = Program::spawn(command.env("EVERY", "0.2")).unwrap();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut readers = JoinSet::new();
        for _ in 0..READERS {
            let socket = TcpStream::connect(ticker.address).await.unwrap();
            readers.spawn(timeout(TIME_LIMIT, read(socket)));
        }
        while let Some(read) = readers.join_next().await {
            read.unwrap().expect("a reader receives its prices in time");
        }
    });
    let stats = ticker.request("GET /stats", "", "");
    assert_eq!(stats.status, 200);
    assert!(stats.body.ends_with(" prices\n"), "{stats:?}");
}

/// Reads prices, whose ids must count up by one.
async fn read(mut socket: TcpStream) {
    socket.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut lines = BufReader::with_capacity(1024, socket).lines();
    let (mut last, mut prices) = (None, 0);
    while prices < PRICES {
        let line = lines.next_line().await.unwrap().expect("the stream goes on");
        assert!(!line.starts_with("event: reset"), "a price is missing");
        prices += u32::from(line.starts_with("event: price"));
        let Some(id) = line.strip_prefix("id: ") else { continue };
        let number: u64 = id.rsplit('-').next().unwrap().parse().unwrap();
        // The first price of a new reader may have the id of its position.
        let is_next = last.is_none_or(|last| number == last + 1 || prices <= 1);
        assert!(is_next, "{number} follows {last:?}");
        last = Some(number);
    }
}

const READERS: usize = 5_000;
const PRICES: u32 = 20;
const TIME_LIMIT: Duration = Duration::from_secs(60);
