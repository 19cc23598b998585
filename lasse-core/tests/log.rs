//! The log against a naive one: a vector of events that are never forgotten.

use std::time::Duration;

use lasse_core::{
    Cursor, Ending, Epoch, Event, EventId, Gap, Instant, LastEventId, Log, Read, Resume, Retention,
    Start,
};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Append { len: usize },
    AppendOwn { name: u8 },
    AppendAs { skip: u64 },
    Read { reader: usize, budget: usize },
    Connect { reader: usize, last: Last, start: Start },
    Advance { seconds: u64 },
    Clear,
    End(Ending),
}

#[derive(Clone, Debug)]
enum Last {
    Absent,
    /// The id of an event, counted back from the newest.
    Event(usize),
    /// A number, counted from the newest.
    Number(i64),
    Own(u8),
    Text(&'static str),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let last = prop_oneof![
        1 => Just(Last::Absent),
        6 => (0..60_usize).prop_map(Last::Event),
        2 => (-60..3_i64).prop_map(Last::Number),
        2 => any::<u8>().prop_map(|name| Last::Own(name % 16)),
        1 => prop::sample::select(vec!["j-1", "k-01", "", "x", "k-"]).prop_map(Last::Text),
    ];
    let start =
        prop_oneof![Just(Start::Now), Just(Start::Oldest), (0..30_u64).prop_map(Start::Last)];
    let op = prop_oneof![
        400 => (0..200_usize).prop_map(|len| Op::Append { len }),
        5 => (0..3000_usize).prop_map(|len| Op::Append { len }),
        60 => any::<u8>().prop_map(|name| Op::AppendOwn { name: name % 16 }),
        20 => (0..5_u64).prop_map(|skip| Op::AppendAs { skip }),
        300 => (0..4_usize, 0..2000_usize).prop_map(|(reader, budget)| Op::Read { reader, budget }),
        100 => (0..4_usize, last, start)
            .prop_map(|(reader, last, start)| Op::Connect { reader, last, start }),
        20 => (0..20_u64).prop_map(|seconds| Op::Advance { seconds }),
        2 => Just(Op::Clear),
        1 => prop::sample::select(vec![Ending::Finished, Ending::Aborted]).prop_map(Op::End),
    ];
    prop::collection::vec(op, 0..400)
}

/// How many events and bytes to keep, and whether some are too old.
fn limits() -> impl Strategy<Value = (u64, usize, bool)> {
    let events = prop_oneof![1..40_u64, Just(u64::MAX)];
    let bytes = prop_oneof![Just(0_usize), 500..20_000_usize, Just(1 << 20)];
    (events, bytes, any::<bool>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_log_says_what_a_naive_one_says((events, bytes, ages) in limits(), ops in ops()) {
        let mut pair = Pair::new(events, bytes, ages);
        for op in ops {
            pair.run(op);
        }
    }
}

/// The log, the naive one, and readers that stand at the same place in both.
struct Pair {
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

struct Said {
    id: String,
    number: u64,
    is_own: bool,
    wire: Vec<u8>,
}

impl Pair {
    fn new(events: u64, bytes: usize, ages: bool) -> Self {
        let retention = Retention::new().with_events(events).with_bytes(bytes);
        let age = Duration::from_secs(64);
        let retention = if ages { retention.with_age(age) } else { retention };
        let log = Log::new(Epoch::new("k").unwrap(), retention);
        let readers = vec![(log.cursor(Start::Now), 0); 4];
        let now = Instant::from_nanos(0);
        Self { log, said: Vec::new(), first: 0, readers, events, bytes, ending: None, now }
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Append { len } => {
                let number = self.newest() + 1;
                self.append(Event::new("x\n".repeat(len / 2)), format!("k-{number}"), number, None);
            }
            Op::AppendOwn { name } => {
                let event = Event::new("own").with_id(id(&format!("own {name}")));
                self.append(event, format!("own {name}"), self.newest() + 1, None);
            }
            Op::AppendAs { skip } => {
                let number = self.newest() + 1 + skip;
                let given = format!("k-{number}");
                self.append(Event::new("given"), given.clone(), number, Some(id(&given)));
            }
            Op::Read { reader, budget } => self.read(reader, budget),
            Op::Connect { reader, last, start } => self.connect(reader, &last, start),
            Op::Advance { seconds } => {
                self.now = self.now + Duration::from_secs(seconds);
                self.log.advance(self.now);
            }
            Op::Clear => self.log.clear(),
            Op::End(ending) => {
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

    fn connect(&mut self, reader: usize, last: &Last, start: Start) {
        let text = match last {
            Last::Absent => None,
            Last::Event(back) => self.said.iter().rev().nth(*back).map(|said| said.id.clone()),
            Last::Number(offset) => {
                Some(format!("k-{}", self.newest().saturating_add_signed(*offset)))
            }
            Last::Own(name) => Some(format!("own {name}")),
            Last::Text(text) => Some((*text).to_string()),
        };
        let last = LastEventId::from_values(text.as_deref().map(str::as_bytes));
        let begin = match start {
            Start::Oldest => self.first,
            Start::Last(n) => self.said.len().saturating_sub(n as usize).max(self.first),
            _ => self.said.len(),
        };
        let expected = match last.id() {
            None => Ok(begin),
            Some(id) => self.after(id.as_str()),
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
    fn after(&self, id: &str) -> Result<usize, Gap> {
        let number = id.strip_prefix("k-").and_then(|digits| digits.parse::<u64>().ok());
        let Some(number) = number.filter(|number| id == format!("k-{number}")) else {
            let mut kept = self.said.iter().enumerate().skip(self.first);
            let found = kept.find(|(_, said)| said.is_own && said.id == id);
            let unheld = if id == "j-1" { Gap::Foreign } else { Gap::Unknown };
            return found.map(|(position, _)| position + 1).ok_or(unheld);
        };
        let gone = match self.first.checked_sub(1) {
            Some(last_gone) => self.said[last_gone].number,
            None => self.said.first().map_or(0, |said| said.number - 1),
        };
        match number {
            _ if number > self.newest() => Err(Gap::Ahead),
            _ if number < gone => Err(Gap::Expired),
            _ => Ok(self.said.iter().take_while(|said| said.number <= number).count()),
        }
    }

    fn newest(&self) -> u64 {
        self.said.last().map_or(0, |said| said.number)
    }
}

fn id(text: &str) -> EventId {
    EventId::new(text.to_string()).unwrap()
}
