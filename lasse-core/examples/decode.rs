//! Decodes an event stream on stdin to JSON lines on stdout.
//!
//!     curl -sN https://example.org/events | cargo run --release --example decode
//!
//! `--chunk N` decodes N bytes at a time, `--last-event-id ID` starts with an id,
//! `--comments` also prints comments. The last line has the reconnection time and the
//! id with which a client would reconnect.

use std::error::Error;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use lasse_core::{Decoded, Decoder, EventId};
use serde_json::Value;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (mut chunk_len, mut shows_comments) = (usize::MAX, false);
    let mut decoder = Decoder::new();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "--chunk" => chunk_len = value()?.parse::<std::num::NonZeroUsize>()?.get(),
            "--last-event-id" => {
                decoder = decoder.with_last_event_id(&EventId::new(value()?)?);
            }
            "--comments" => shows_comments = true,
            _ => return Err(format!("unknown option {arg}").into()),
        }
    }

    let mut status = ExitCode::SUCCESS;
    let mut retry = None;
    let (mut stdin, mut stdout) = (io::stdin().lock(), io::stdout().lock());
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let len = match stdin.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            len => len?,
        };
        if len == 0 {
            break;
        }
        for mut input in buffer[..len].chunks(chunk_len) {
            while let Some(decoded) = decoder.decode(&mut input).transpose() {
                match decoded {
                    Ok(Decoded::Message(message)) => writeln!(
                        stdout,
                        r#"{{"type":{},"data":{},"lastEventId":{}}}"#,
                        Value::from(message.name()),
                        Value::from(message.data()),
                        Value::from(message.last_event_id()),
                    )?,
                    Ok(Decoded::Comment(text)) if shows_comments => {
                        writeln!(stdout, r#"{{"comment":{}}}"#, Value::from(text))?;
                    }
                    Ok(Decoded::Retry(delay)) => retry = u64::try_from(delay.as_millis()).ok(),
                    Ok(_) => {}
                    Err(error) => {
                        eprintln!("{error}");
                        status = ExitCode::FAILURE;
                    }
                }
            }
        }
        stdout.flush()?;
    }
    let last_event_id = Value::from(decoder.last_event_id());
    writeln!(stdout, r#"{{"retry":{},"lastEventId":{last_event_id}}}"#, Value::from(retry))?;
    Ok(status)
}
