//! A log that is compared, call by call, with one too simple to be wrong: a vector
//! of events that are never forgotten.

use std::time::Duration;

use lasse_core::{
    Cursor, Ending, Epoch, Event, EventId, Instant, LastEventId, Log, Read, ResetReason, Resume,
    Retention, StartAt,
};

/// Something to do with a log.
#[derive(Clone, Debug)]
pub enum LogCall {
    /// Appends an event of so many bytes.
    Append(usize),
    /// Appends an event with an id of its own, of few that there are.
    AppendOwn(u8),
    /// Appends under a number from outside, which skips so many.
    AppendAs(u64),
    /// Has a reader read up to so many bytes.
    Read(usize, usize),
    /// Has a reader start anew.
    Connect(usize, LastSeen, StartAt),
    /// Lets so many seconds pass.
    Advance(u64),
    /// Lets go of everything.
    Clear,
    /// Ends the log.
    End(Ending),
}

/// What a client says it has seen last.
#[derive(Clone, Debug)]
pub enum LastSeen {
    /// Nothing.
    Absent,
    /// The event that is so many before the newest.
    Event(usize),
    /// A number, counted from the newest.
    Number(i64),
    /// An event's own id.
    Own(u8),
    /// Something else.
    Text(String),
}

/// How many readers there are.
pub const READERS: usize = 4;

/// The log, the naive one, and readers that stand at the same place in both.
#[derive(Debug)]
pub struct CheckedLog {
    log: Log,
    said: Vec<Said>,
    /// How many have been forgotten. Only the log knows when; the naive one sees
    /// to it that it neither takes any back nor keeps any too long.
    first: usize,
    readers: Vec<(Cursor, usize)>,
    events: u64,
    bytes: usize,
    ending: Option<Ending>,
    now: Instant,
}

#[derive(Debug)]
struct Said {
    id: String,
    number: u64,
    is_own: bool,
    wire: Vec<u8>,
}

impl CheckedLog {
    /// A log that keeps so many events and bytes, and for 64 seconds or for ever.
    pub fn new(events: u64, bytes: usize, ages: bool) -> Self {
        let retention = Retention::new().with_events(events).with_bytes(bytes);
        let age = Duration::from_secs(64);
        let retention = if ages { retention.with_age(age) } else { retention };
        let log = Log::new(Epoch::new("k").unwrap(), retention);
        let readers = vec![(log.cursor(StartAt::Now), 0); READERS];
        let now = Instant::from_nanos(0);
        Self { log, said: Vec::new(), first: 0, readers, events, bytes, ending: None, now }
    }

    /// Makes a call on both.
    ///
    /// # Panics
    ///
    /// When they do not say the same.
    pub fn call(&mut self, call: LogCall) {
        match call {
            LogCall::Append(len) => {
                let number = self.newest() + 1;
                self.append(Event::new("x\n".repeat(len / 2)), format!("k-{number}"), number, None);
            }
            LogCall::AppendOwn(name) => {
                let event = Event::new("own").with_id(id(&format!("own {name}")));
                self.append(event, format!("own {name}"), self.newest() + 1, None);
            }
            LogCall::AppendAs(skip) => {
                let number = self.newest() + 1 + skip;
                let given = format!("k-{number}");
                self.append(Event::new("given"), given.clone(), number, Some(id(&given)));
            }
            LogCall::Read(reader, budget) => self.read(reader, budget),
            LogCall::Connect(reader, last, start) => self.connect(reader, &last, start),
            LogCall::Advance(seconds) => {
                self.now = self.now + Duration::from_secs(seconds);
                self.log.advance(self.now);
            }
            LogCall::Clear => self.log.clear(),
            LogCall::End(ending) => {
                match ending {
                    Ending::Finished => self.log.finish(),
                    Ending::Aborted => self.log.abort(),
                }
                self.ending.get_or_insert(ending);
            }
        }
        let first = self.said.len() - usize::try_from(self.log.len()).unwrap();
        assert!(first >= self.first, "what is forgotten does not come back");
        self.first = first;
    }

    fn append(&mut self, event: Event<'_>, id: String, number: u64, given: Option<EventId>) {
        let appended = match &given {
            Some(given) => self.log.append_as(given, &event),
            None => self.log.append(&event),
        };
        if let Some(ending) = self.ending {
            assert_eq!(appended.unwrap_err().ending(), Some(ending));
            return;
        }
        let sent = appended.unwrap();
        assert_eq!(sent.as_str(), id);
        let is_own = event.id().is_some();
        let wire = event.with_id(sent).encode().as_bytes().to_vec();
        let segment = wire.len().max(self.bytes / 4).max(256);
        self.said.push(Said { id, number, is_own, wire });
        assert!((1..=self.events).contains(&self.log.len()));
        assert!(self.log.memory() <= self.bytes + segment + 4096, "{}", self.log.memory());
    }

    fn read(&mut self, reader: usize, budget: usize) {
        let (cursor, position) = &mut self.readers[reader];
        let is_ready = self.log.is_ready(*cursor);
        let read = self.log.read(cursor, budget);
        assert_eq!(is_ready, read != Read::Wait);
        if *position < self.first {
            assert_eq!(read, Read::Lagged);
        } else if *position == self.said.len() {
            assert_eq!(read, self.ending.map_or(Read::Wait, Read::Over));
        } else {
            let mut expected = Vec::new();
            for said in &self.said[*position..] {
                if !expected.is_empty() && expected.len() + said.wire.len() > budget {
                    break;
                }
                expected.extend_from_slice(&said.wire);
                *position += 1;
            }
            let Read::Events(frame) = read else { panic!("{read:?}") };
            assert_eq!(frame.as_bytes(), expected);
            let name = self.log.id_before(*cursor);
            assert_eq!(name.as_str(), self.said[*position - 1].id);
        }
    }

    fn connect(&mut self, reader: usize, last: &LastSeen, start: StartAt) {
        let text = match last {
            LastSeen::Absent => None,
            LastSeen::Event(back) => self.said.iter().rev().nth(*back).map(|said| said.id.clone()),
            LastSeen::Number(offset) => {
                Some(format!("k-{}", self.newest().saturating_add_signed(*offset)))
            }
            LastSeen::Own(name) => Some(format!("own {name}")),
            LastSeen::Text(text) => Some(text.clone()),
        };
        let last = LastEventId::from_values(text.as_deref().map(str::as_bytes));
        let begin = match start {
            StartAt::Oldest => self.first,
            StartAt::Last(n) => self.said.len().saturating_sub(n as usize).max(self.first),
            _ => self.said.len(),
        };
        let expected = match &last {
            LastEventId::Absent | LastEventId::Empty => Ok(begin),
            LastEventId::Id(id) => self.after(id.as_str()),
            LastEventId::Invalid(_) => Err(ResetReason::Unknown),
        };
        let is_over = |position| self.ending.is_some() && position == self.said.len();
        let (cursor, position) = match (self.log.resume(&last, start), expected) {
            (Resume::Complete, Ok(position)) if is_over(position) => return,
            (Resume::Fresh(cursor), Ok(position)) if last.id().is_none() => (cursor, position),
            (Resume::Resumed(cursor), Ok(position)) if last.id().is_some() => (cursor, position),
            (Resume::Reset(gap, cursor), Err(expected)) if gap == expected => (cursor, begin),
            other => panic!("{other:?} for {last:?}"),
        };
        assert!(self.log.after(&self.log.id_before(cursor)).is_ok());
        self.readers[reader] = (cursor, position);
    }

    /// Where a client goes on that has seen `id`.
    fn after(&self, id: &str) -> Result<usize, ResetReason> {
        let Some(("k", number)) = numbered(id) else {
            let mut kept = self.said.iter().enumerate().skip(self.first);
            let found = kept.find(|(_, said)| said.is_own && said.id == id);
            let unheld =
                if numbered(id).is_some() { ResetReason::Foreign } else { ResetReason::Unknown };
            return found.map(|(position, _)| position + 1).ok_or(unheld);
        };
        let gone = match self.first.checked_sub(1) {
            Some(last_gone) => self.said[last_gone].number,
            None => self.said.first().map_or(0, |said| said.number - 1),
        };
        match number {
            _ if number > self.newest() => Err(ResetReason::Ahead),
            _ if number < gone => Err(ResetReason::Expired),
            _ => Ok(self.said.iter().take_while(|said| said.number <= number).count()),
        }
    }

    fn newest(&self) -> u64 {
        self.said.last().map_or(0, |said| said.number)
    }
}

/// The epoch and the number of an id that a log may have made.
fn numbered(id: &str) -> Option<(&str, u64)> {
    let (epoch, digits) = id.rsplit_once('-')?;
    let is_word = epoch.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let number = digits.parse::<u64>().ok()?;
    let is_it = is_word && (1..=32).contains(&epoch.len()) && digits == number.to_string();
    is_it.then_some((epoch, number))
}

fn id(text: &str) -> EventId {
    EventId::new(text.to_string()).unwrap()
}
