//! `LogCall`: the calls of a log, as a fuzzer or a property draws them.

use lasse_core::{Ending, StartAt};

/// A call of a log.
#[derive(Clone, Debug)]
pub enum LogCall {
    /// Appends an event of about this many bytes.
    Append(usize),
    /// Appends an event with an id of its own, one of a few.
    AppendOwn(u8),
    /// Appends an event under a number that leaves out this many.
    AppendAs(u64),
    /// Appends an event of a topic, one of a few, of about this many bytes.
    AppendTo(usize, usize),
    /// Appends an event of a topic under a number that leaves out this many.
    AppendToAs(usize, u64),
    /// Deletes a key.
    AppendTombstone(usize),
    /// Declares this many numbers unused.
    Skip(u64),
    /// Appends a hole.
    Hole,
    /// Appends a hole of this many numbers, or of all that are left.
    HoleUpTo(u64),
    /// Begins another epoch.
    BeginEpoch,
    /// Lets a reader read up to this many bytes.
    Read(usize, usize),
    /// Lets a reader start again.
    Connect(usize, LastSeen, StartAt),
    /// Lets a reader of topics read up to this many bytes.
    ReadView(usize, usize),
    /// Lets a reader of topics start again, with these topics, or all.
    ConnectView(usize, Option<Wants>, LastSeen, StartAt),
    /// Changes the topics of a reader.
    ChangeView(usize, Wants),
    /// Lets a reader of topics skip superseded events.
    Conflate(usize),
    /// Lets this many seconds pass.
    Advance(u64),
    /// Drops everything.
    Clear,
    /// Ends the log.
    End(Ending),
}

/// The last event id of a client.
#[derive(Clone, Debug)]
pub enum LastSeen {
    /// None.
    Absent,
    /// That of the entry this many before the newest.
    Entry(usize),
    /// A number of an epoch, counted from the newest: of the current epoch, or of one before.
    Number(i64, usize),
    /// An event's own id.
    Own(u8),
    /// Something else.
    Text(String),
}

/// A filter: patterns, by number, and the events after which they apply, counted from the newest.
pub type Wants = Vec<(usize, Option<usize>)>;

/// The topics of events. Topics that begin with `k.` can be keys.
pub(super) const TOPICS: [&str; 7] = ["a", "a.b", "a.c", "d", "k.x", "k.y", "k.z"];

/// What filters consist of.
pub const PATTERNS: [&str; 10] = ["a", "a.b", "d", "k.x", "k.y", "a.*", "a.>", "k.*", "*", ">"];
