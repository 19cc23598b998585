//! A thousand connections that send the heads of their requests a byte at a time.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::client::text;
use crate::feed::Feed;
use crate::reader::{Reader, Target};
use crate::server::Stack;

/// The tests; with `prints`, they write what they measured.
pub(crate) fn trials(prints: bool) -> Vec<Trial> {
    [("tokio", Stack::Tokio), ("hyper", Stack::Hyper)]
        .map(|(adapter, stack)| {
            let name = format!("a_thousand_slow_heads_do_not_delay_a_stream, {adapter}");
            crate::trial(name, move || {
                let measured = a_thousand_slow_heads_do_not_delay_a_stream(adapter, stack);
                if prints {
                    println!("{measured}");
                }
            })
        })
        .into()
}

fn a_thousand_slow_heads_do_not_delay_a_stream(adapter: &str, stack: Stack) -> String {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    let feed = Feed::start(adapter);
    let address = feed.address;
    let mut stream = Stream::new(feed, stack);
    let usual = stream.median_delay(|| {});
    let before = stream.feed.resident();

    let mut slow: Vec<_> = (0..1000).map(|_| connect(address)).collect();
    let head = format!("GET / HTTP/1.1\r\nhost: here\r\nx: {}", "a".repeat(ROUNDS));
    let mut bytes = head.as_bytes().chunks(1);
    let besides = stream.median_delay(|| {
        let byte = bytes.next().unwrap();
        slow.iter_mut().for_each(|socket| drop(socket.write(byte)));
    });
    let taken = stream.feed.resident().saturating_sub(before);
    assert!(taken <= 1000 * MEMORY, "{adapter}: {taken} bytes");
    for socket in &mut slow {
        assert!(has_ended(socket), "{adapter}: a head can take for ever");
    }
    stream.receive_next();
    format!("{adapter}: {usual:?} alone, {besides:?} beside them, {taken} bytes for them")
}

/// A client that has been served before.
struct Stream {
    feed: Feed,
    reader: Reader,
    number: u64,
}

impl Stream {
    fn new(feed: Feed, stack: Stack) -> Self {
        let target = Target { stack, address: feed.address };
        Self { feed, reader: Reader::resume(target, Some("store-0")), number: 0 }
    }

    /// Publishes an event, and receives it. The reader panics if it takes ten seconds.
    fn receive_next(&mut self) {
        self.number += 1;
        let data = text(0, self.number);
        self.feed.publish(&format!("store-{}", self.number), &data);
        assert_eq!(self.reader.read_until(&data), []);
    }

    /// How long an event takes, with something else done before each.
    #[expect(clippy::disallowed_methods, reason = "the delay is printed")]
    fn median_delay(&mut self, mut before: impl FnMut()) -> Duration {
        let mut delays: Vec<_> = (0..ROUNDS)
            .map(|_| {
                before();
                let start = Instant::now();
                self.receive_next();
                start.elapsed()
            })
            .collect();
        delays.sort();
        delays[ROUNDS / 2]
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_nodelay(true).unwrap();
    socket.set_read_timeout(Some(TIME_LIMIT)).unwrap();
    socket
}

/// Whether the server has ended a connection, with a response or without.
fn has_ended(socket: &mut TcpStream) -> bool {
    match socket.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
    }
}

const ROUNDS: usize = 100;
/// The most bytes of memory that a connection takes while its head is not complete.
const MEMORY: usize = 32 * 1024;
/// How long to wait for the end of a head that takes too long: three times as long as it may.
const TIME_LIMIT: Duration = Duration::from_secs(30);
