//! An append-only file of lines that survives a crash and a full disk.
//!
//! - A line that [`Store::append`] accepted is in the file after a crash of the
//!   program, and after a power failure: it is synced before `append` returns.
//!   That costs one `fdatasync` a line, which suits posts, not a stream of tokens.
//! - A line that `append` refused is not in the file. If the disk is full in the
//!   middle of a line, the file is cut back to the end of the line before.
//! - If the program is killed in the middle of a line, the next start drops what
//!   there is of the line.
//!
//! The file grows without limit. Only one process can have it open.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// What a store needs of a file.
pub(crate) trait Medium {
    /// Writes all of `bytes` at the end, or a part of them and fails.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Returns once all that was written is on the disk.
    fn sync(&mut self) -> io::Result<()>;
    /// Removes all bytes from the byte `len` on.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// An append-only file of lines.
#[derive(Debug)]
pub(crate) struct Store<F = File> {
    file: F,
    /// The length of the accepted lines, in bytes.
    len: u64,
    /// Whether the file may hold bytes after them.
    is_torn: bool,
}

impl Store {
    /// Opens the file and reads its lines. A line that `read` refuses is skipped
    /// and reported on stderr. A last line without its line end is removed.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened, read or repaired, or if another process has
    /// it open.
    pub(crate) fn open(
        path: &Path,
        read: impl FnMut(&str) -> Result<(), Box<dyn Error>>,
    ) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        // A new file is on the disk when its folder is.
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;

        let (len, torn) = read_lines(&file, path, read)?;
        if torn > 0 {
            eprintln!("{}: removed an unfinished line of {torn} bytes", path.display());
        }
        let mut store = Self { is_torn: torn > 0, ..Self::new(file, len) };
        store.repair()?;
        Ok(store)
    }
}

/// Returns the length of the lines, and that of a last line without its line end.
fn read_lines(
    file: &File,
    path: &Path,
    mut read: impl FnMut(&str) -> Result<(), Box<dyn Error>>,
) -> io::Result<(u64, u64)> {
    let mut lines = Lines::new(BufReader::new(file));
    let mut skipped = Skipped::default();
    while let Some(line) = lines.next_line()? {
        let outcome = line.and_then(&mut read);
        outcome.unwrap_or_else(|problem| skipped.report(path, lines.number, &*problem));
    }
    skipped.report_total(path);
    Ok((lines.len, lines.torn))
}

impl<F: Medium> Store<F> {
    /// A store that appends after the first `len` bytes of `file`, all that it has.
    pub(crate) fn new(file: F, len: u64) -> Self {
        Self { file, len, is_torn: false }
    }

    /// Appends a line, then calls `publish`. If either fails, the file is as it
    /// was before. `line` must not contain a line end.
    ///
    /// # Errors
    ///
    /// If the line cannot be written and synced, or the error of `publish`.
    pub(crate) fn append<T>(
        &mut self,
        line: &str,
        publish: impl FnOnce() -> Result<T, Box<dyn Error>>,
    ) -> Result<T, Box<dyn Error>> {
        self.repair()?;
        self.is_torn = true;
        let outcome = self.write(line).map_err(Into::into).and_then(|()| publish());
        if outcome.is_ok() {
            self.len += line.len() as u64 + 1;
            self.is_torn = false;
        } else if let Err(error) = self.repair() {
            // The next append tries again before it writes.
            eprintln!("the file cannot be cut back to {} bytes: {error}", self.len);
        }
        outcome
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        self.file.append(format!("{line}\n").as_bytes())?;
        self.file.sync()
    }

    /// Removes the rest of a refused line.
    fn repair(&mut self) -> io::Result<()> {
        if self.is_torn {
            self.file.truncate(self.len)?;
            self.is_torn = false;
            self.file.sync()?;
        }
        Ok(())
    }
}

impl Medium for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// The lines of a file, in bounded memory.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
    /// The number of the last line, from 1.
    number: u64,
    /// The length of all lines so far, in bytes.
    len: u64,
    /// The length of the last line, if its line end is missing.
    torn: u64,
}

impl<R: BufRead> Lines<R> {
    fn new(input: R) -> Self {
        Self { input, line: Vec::new(), number: 0, len: 0, torn: 0 }
    }

    /// The next line that has a line end, or why it cannot be one of ours.
    fn next_line(&mut self) -> io::Result<Option<Result<&str, Box<dyn Error>>>> {
        self.line.clear();
        let mut len = self.read_piece()?;
        let is_too_long = len == LONGEST_LINE && !self.line.ends_with(b"\n");
        while len > 0 && !self.line.ends_with(b"\n") {
            self.line.clear();
            match self.read_piece()? {
                0 => {
                    self.torn = len;
                    return Ok(None);
                }
                more => len += more,
            }
        }
        if len == 0 {
            return Ok(None);
        }
        self.len += len;
        self.number += 1;
        if is_too_long {
            return Ok(Some(Err(format!("{len} bytes, more than {LONGEST_LINE}").into())));
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(std::str::from_utf8(line).map_err(Into::into)))
    }

    fn read_piece(&mut self) -> io::Result<u64> {
        let len = (&mut self.input).take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        Ok(len as u64)
    }
}

/// Reports the first few lines that are skipped, then only how many there are.
#[derive(Default)]
struct Skipped(u64);

impl Skipped {
    fn report(&mut self, path: &Path, number: u64, problem: &dyn Error) {
        self.0 += 1;
        if self.0 <= REPORTS {
            eprintln!("{}: line {number} is skipped: {problem}", path.display());
        }
    }

    fn report_total(&self, path: &Path) {
        if self.0 > REPORTS {
            eprintln!("{}: {} lines are skipped in all", path.display(), self.0);
        }
    }
}

/// In bytes, with the line end.
const LONGEST_LINE: u64 = 1 << 20;

/// How many skipped lines are reported one by one.
const REPORTS: u64 = 10;
