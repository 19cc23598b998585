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
    let mut options = options()?;
    let mut printer = Printer { out: io::stdout().lock(), retry: None, status: ExitCode::SUCCESS };
    let mut stdin = io::stdin().lock();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let len = match stdin.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            len => len?,
        };
        if len == 0 {
            break;
        }
        for chunk in buffer[..len].chunks(options.chunk_len) {
            printer.print(chunk, &mut options)?;
        }
        printer.out.flush()?;
    }
    let last_event_id = Value::from(options.decoder.last_event_id());
    let retry = Value::from(printer.retry);
    writeln!(printer.out, r#"{{"retry":{retry},"lastEventId":{last_event_id}}}"#)?;
    Ok(printer.status)
}

struct Options {
    decoder: Decoder,
    chunk_len: usize,
    shows_comments: bool,
}

/// Reads the arguments.
fn options() -> Result<Options, Box<dyn Error>> {
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
    Ok(Options { decoder, chunk_len, shows_comments })
}

struct Printer<W> {
    out: W,
    /// The newest reconnection time, in milliseconds.
    retry: Option<u64>,
    status: ExitCode,
}

impl<W: Write> Printer<W> {
    /// Prints all that a chunk decodes to.
    fn print(&mut self, mut chunk: &[u8], options: &mut Options) -> io::Result<()> {
        while let Some(decoded) = options.decoder.decode(&mut chunk).transpose() {
            match decoded {
                Ok(Decoded::Message(message)) => writeln!(
                    self.out,
                    r#"{{"type":{},"data":{},"lastEventId":{}}}"#,
                    Value::from(message.name()),
                    Value::from(message.data()),
                    Value::from(message.last_event_id()),
                )?,
                Ok(Decoded::Comment(text)) if options.shows_comments => {
                    writeln!(self.out, r#"{{"comment":{}}}"#, Value::from(text))?;
                }
                Ok(Decoded::Retry(delay)) => self.retry = u64::try_from(delay.as_millis()).ok(),
                Ok(_) => {}
                Err(error) => {
                    eprintln!("{error}");
                    self.status = ExitCode::FAILURE;
                }
            }
        }
        Ok(())
    }
}
