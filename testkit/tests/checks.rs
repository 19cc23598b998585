//! Wrong servers, which must fail the checks.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use lasse_testkit::checks::{self, Server, StreamRecords};

/// The checks that fail for a server with this `serve`.
fn failures(serve: fn(TcpStream) -> io::Result<()>) -> io::Result<BTreeMap<&'static str, String>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            thread::spawn(move || serve(socket));
        }
    });
    let server = Server { address, records: StreamRecords::new(), is_adapter_only: false };
    let failures = checks::failures(&server).into_iter();
    Ok(failures.map(|failure| (failure.check, failure.wrong.to_string())).collect())
}

/// Sends the same response to every client, before a request.
fn respond_first(mut socket: TcpStream) -> io::Result<()> {
    socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")?;
    BufReader::new(socket).lines().try_for_each(|line| line.map(drop))
}

/// Does nearly the right thing for each request.
fn respond_nearly_right(socket: TcpStream) -> io::Result<()> {
    let mut answers = socket.try_clone()?;
    let mut lines = BufReader::new(socket).lines();
    while let Some(request) = lines.next().transpose()? {
        lines.by_ref().take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).count();
        let target = request.split(' ').nth(1).unwrap_or_default();
        let answer = match (request.split_once(' ').unwrap_or_default().0, target) {
            ("POST", _) => "HTTP/1.1 405 No\r\ncontent-length: 0\r\n\r\n",
            (_, "/no-content") => "HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
            (_, "/own-response") => OWN_RESPONSE,
            (_, "/come-back") => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            (_, "/echo") => "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
            _ => STREAM,
        };
        answers.write_all(answer.as_bytes())?;
    }
    Ok(())
}

const OWN_RESPONSE: &str = "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer\r\n\
    x-server: lasse\r\ncontent-length: 3\r\n\r\nwho are you?";

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n\
    1\r\n\n\r\nb\r\ndata: bye\n\n\r\n0\r\n\r\n";

#[test]
fn a_server_that_ignores_its_requests_fails_each_check_but_the_last() -> io::Result<()> {
    let failures = failures(respond_first)?;
    let passed: Vec<_> = checks::names().filter(|name| !failures.contains_key(name)).collect();
    assert_eq!(passed, ["each handler terminates once"]);
    Ok(())
}

#[test]
fn a_failure_describes_the_difference() -> Result<(), Box<dyn Error>> {
    let failures = failures(respond_nearly_right)?;
    for (check, wrong) in [
        (
            "other methods than GET and HEAD are refused",
            "allow is None, and should be Some(\"GET, HEAD\")",
        ),
        ("a HEAD gets the head at once", "the reasons is []"),
        ("a 204 has no body and no framing", "content-length is Some(\"0\"), and should be None"),
        (
            "a response of the handler's own is framed by the adapter",
            "the body is (\"who\", Clean)",
        ),
        ("a refused client receives the time to reconnect", "the status is 503, and should be 200"),
        (
            "a stream over HTTP/1.0 ends with the connection",
            "the framing is Chunked, and should be UntilClose",
        ),
        ("HTTP/1.1 is chunked", "the body is (\"\\ndata: bye\\n\\n\", Clean)"),
        ("the last event id is any field value", "is 400, and should be 200"),
        ("the first byte goes out with the head", "Clean end before \":\\n\""),
        ("a head that is too slow is refused", "the connection is still open"),
    ] {
        let failure = failures.get(check).ok_or(check)?;
        assert!(failure.contains(wrong), "{check}: {failure}");
    }
    Ok(())
}
