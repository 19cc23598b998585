//! A client of merged streams receives what naive lists have, from its place in each.

use lasse_core::log::Resume;
use lasse_core::{LagPolicy, MergedId, ResumeOutcome, StartAt};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    Publish(usize, u64),
    Hole(usize),
    BeginEpoch(usize),
    Clear(usize),
    Finish(usize),
    /// The client connects to these channels, in this order.
    Connect(Vec<usize>),
    /// The client receives events, and is cut off after so many.
    Receive(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let channel = 0..NAMES.len();
    let order = Just((0..NAMES.len()).collect::<Vec<_>>()).prop_shuffle();
    let set = (order, 1..=NAMES.len()).prop_map(|(order, count)| order[..count].to_vec());
    let step = prop_oneof![
        40 => (channel.clone(), 1..6_u64).prop_map(|(channel, count)| Step::Publish(channel, count)),
        2 => channel.clone().prop_map(Step::Hole),
        2 => channel.clone().prop_map(Step::BeginEpoch),
        1 => channel.clone().prop_map(Step::Clear),
        1 => channel.prop_map(Step::Finish),
        15 => set.prop_map(Step::Connect),
        30 => prop_oneof![0..12_usize, Just(usize::MAX)].prop_map(Step::Receive),
    ];
    prop::collection::vec(step, 0..120)
}

fn config() -> impl Strategy<Value = ChannelConfig> {
    let policy = prop::sample::select(vec![LagPolicy::Disconnect, LagPolicy::Skip]);
    let start = prop::sample::select(vec![StartAt::Now, StartAt::Oldest, StartAt::Last(2)]);
    (1..12_u64, policy, start, 1..60_usize).prop_map(|(events, policy, start, budget)| {
        keeping(events).with_lag_policy(policy).with_start(start).with_read_budget(budget)
    })
}

/// A channel, and the naive list of what was ever published there.
struct Listed {
    channel: Channel,
    entries: Vec<Entry>,
    epochs: usize,
    /// The id of the place where each epoch begins, and how many entries come before.
    starts: Vec<(String, usize)>,
}

struct Entry {
    id: String,
    /// None, if the event is missing.
    text: Option<String>,
}

impl Listed {
    fn new(nth: usize, config: &ChannelConfig) -> Self {
        let channel = channel(NAMES[nth], config);
        Self { channel, entries: Vec::new(), epochs: 0, starts: Vec::new() }
    }

    fn publish(&mut self) {
        let text = format!("{} {}", self.channel.epoch(), self.entries.len());
        if let Ok(id) = self.channel.publish(Event::new(text.as_str())) {
            self.entries.push(Entry { id: id.to_string(), text: Some(text) });
        }
    }

    fn hole(&mut self) {
        if let Ok(Some(id)) = self.channel.publish_hole() {
            self.entries.push(Entry { id: id.to_string(), text: None });
        }
    }

    fn begin_epoch(&mut self, nth: usize) {
        self.epochs += 1;
        let epoch = Epoch::new(&format!("{}_{}", NAMES[nth], self.epochs)).unwrap();
        if self.channel.begin_epoch(epoch).is_ok() {
            self.starts.push((format!("{epoch}-0"), self.entries.len()));
        }
    }

    /// How many entries there are up to the place of this id.
    fn place(&self, id: &str) -> usize {
        let start = || self.starts.iter().find(|(start, _)| start == id).map_or(0, |(_, len)| *len);
        self.entries.iter().position(|entry| entry.id == id).map_or_else(start, |nth| nth + 1)
    }
}

/// What a client has of a channel.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    /// Nothing.
    New,
    /// It does not know where it is.
    Unknown,
    /// This many entries, up to this id.
    After(usize, String),
}

impl Place {
    /// As the ids of merged streams have it.
    fn text(&self, name: &str) -> Option<String> {
        match self {
            Self::New => Some(name.into()),
            Self::Unknown => None,
            Self::After(_, id) => {
                let (epoch, number) = id.rsplit_once('-').unwrap();
                Some(format!("{name}.{epoch}-{}", in_base_62(number.parse().unwrap())))
            }
        }
    }
}

fn in_base_62(number: u64) -> String {
    let digits: Vec<char> = ('0'..='9').chain('A'..='Z').chain('a'..='z').collect();
    let last = digits[usize::try_from(number % 62).unwrap()];
    if number < 62 { last.into() } else { format!("{}{last}", in_base_62(number / 62)) }
}

struct World {
    channels: Vec<Listed>,
    stream: Option<MergedSubscriber>,
    /// The channels of the stream, in order, and what the client has of each.
    places: Vec<(usize, Place)>,
    last: LastEventId,
    /// The places that the last event id has.
    last_places: Vec<(usize, Place)>,
}

impl World {
    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(nth, count) => (0..count).for_each(|_| self.channels[nth].publish()),
            Step::Hole(nth) => self.channels[nth].hole(),
            Step::BeginEpoch(nth) => self.channels[nth].begin_epoch(nth),
            Step::Clear(nth) => self.channels[nth].channel.clear(),
            Step::Finish(nth) => self.channels[nth].channel.finish(),
            Step::Connect(set) => self.connect(&set),
            Step::Receive(most) => self.receive(most),
        }
    }

    fn connect(&mut self, set: &[usize]) {
        (self.stream, self.places) = (None, Vec::new());
        let before = &self.last_places;
        let channels = set.iter().map(|nth| (NAMES[*nth], &self.channels[*nth].channel));
        let merged = MergedSubscription::of_channels(channels, &self.last).unwrap();
        let mut expected = Vec::new();
        for nth in set {
            let place = before.iter().find(|(other, _)| other == nth).map(|(_, place)| place);
            let last = match (&self.last, place) {
                (LastEventId::Absent, _) | (_, Some(Place::New)) => LastEventId::Absent,
                (_, Some(Place::After(_, id))) => last(id),
                (_, Some(Place::Unknown) | None) => last(&"x".repeat(257)),
            };
            let resume = self.channels[*nth].channel.resume(&last);
            let (outcome, place) = match (resume, place) {
                (Resume::Complete, place) => (None, place.cloned().unwrap_or(Place::New)),
                (Resume::Fresh(_), _) => (Some(ResumeOutcome::Fresh), Place::New),
                (Resume::Resumed(_), place) => {
                    (Some(ResumeOutcome::Resumed), place.cloned().unwrap())
                }
                (Resume::Reset(reason, _), place) => {
                    let place = place.filter(|place| **place != Place::New);
                    (Some(ResumeOutcome::Reset(reason)), place.cloned().unwrap_or(Place::Unknown))
                }
            };
            expected.push((NAMES[*nth], outcome));
            self.places.push((*nth, place));
        }
        match merged {
            MergedSubscription::Stream(stream) => {
                for (name, outcome) in expected {
                    assert_eq!(stream.outcome(name), outcome, "{name} after {:?}", self.last);
                }
                self.stream = Some(stream);
            }
            MergedSubscription::Complete => {
                assert!(expected.iter().all(|(_, outcome)| outcome.is_none()), "{expected:?}");
            }
            other => panic!("{other:?}"),
        }
    }

    fn receive(&mut self, most: usize) {
        let Some(stream) = &mut self.stream else { return };
        let (sent, next) = read_to_end(stream);
        let mut events = sent.split_inclusive("\n\n");
        events.by_ref().take(most).for_each(|event| self.take(event));
        let is_cut = events.next().is_some();
        let is_over = |nth: usize| self.channels[nth].channel.ending().is_some();
        match next {
            _ if is_cut => {}
            Next::Wait(None) => {
                for (nth, place) in &self.places {
                    let len = self.channels[*nth].entries.len();
                    let has_all = matches!(place, Place::After(count, _) if *count == len);
                    assert!(has_all || (is_over(*nth) && *place == Place::New), "{nth}: {place:?}");
                }
                return;
            }
            Next::Stop => assert!(self.places.iter().all(|(nth, _)| is_over(*nth))),
            next => assert_eq!(next, Next::Lagged),
        }
        self.stream = None;
    }

    /// The client receives an event.
    fn take(&mut self, event: &str) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
        let (data, id) = (field("data: ").unwrap(), field("id: ").expect("each has an id"));
        assert!(id.len() <= MergedId::MAX_LEN);
        match field("event: ") {
            Some("reset") => self.take_reset(data),
            Some("position") => {
                let json: Value = serde_json::from_str(data).unwrap();
                assert_eq!(json["at"], id);
                self.take_position(&MergedId::from(&last(id)));
            }
            name => {
                assert_eq!(name, None);
                self.take_event(data);
            }
        }
        let places = self.places.iter().filter_map(|(nth, place)| place.text(NAMES[*nth]));
        assert_eq!(id, places.collect::<Vec<_>>().join("~"), "{event}");
        (self.last, self.last_places) = (last(id), self.places.clone());
    }

    fn take_reset(&mut self, data: &str) {
        let json: Value = serde_json::from_str(data).unwrap();
        let (nth, place) = self.place_in(json["channel"].as_str().unwrap());
        let at = json["resumed_at"].as_str().unwrap();
        let after = Place::After(self.channels[nth].place(at), at.into());
        if let (Some(requested), Place::After(_, id)) = (json["requested"].as_str(), place) {
            assert_eq!(requested, id);
        }
        self.set_place(nth, after);
    }

    fn take_position(&mut self, id: &MergedId) {
        for (nth, place) in self.places.clone() {
            let LastEventId::Id(id) = id.of_channel(NAMES[nth]) else { continue };
            let after = Place::After(self.channels[nth].place(id.as_str()), id.to_string());
            assert!(place == Place::New || place == after, "{place:?}, {after:?}");
            self.set_place(nth, after);
        }
    }

    /// The event is the next one of its channel.
    fn take_event(&mut self, text: &str) {
        let of_channel = |(nth, _): &&(usize, Place)| {
            let epoch = text.split_once([' ', '_']).unwrap().0;
            NAMES[*nth] == epoch
        };
        let (nth, place) = self.places.iter().find(of_channel).expect("it is of the stream");
        let (nth, entries) = (*nth, &self.channels[*nth].entries);
        let Place::After(count, _) = place else { panic!("{text} is before the position") };
        assert_eq!(entries[*count].text.as_deref(), Some(text), "after {count} of {nth}");
        let after = Place::After(count + 1, entries[*count].id.clone());
        self.set_place(nth, after);
    }

    fn place_in(&self, name: &str) -> (usize, &Place) {
        let (nth, place) = self.places.iter().find(|(nth, _)| NAMES[*nth] == name).unwrap();
        (*nth, place)
    }

    fn set_place(&mut self, nth: usize, place: Place) {
        self.places.iter_mut().filter(|(other, _)| *other == nth).for_each(|(_, old)| {
            *old = place.clone();
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn each_channel_is_received_in_order_and_without_a_loss_or_a_repeat(
        configs in prop::array::uniform4(config()),
        steps in steps(),
    ) {
        let channels = configs.iter().enumerate().map(|(nth, config)| Listed::new(nth, config));
        let channels = channels.collect();
        let last = LastEventId::Absent;
        let mut world = World { channels, stream: None, places: Vec::new(), last, last_places: Vec::new() };
        steps.into_iter().for_each(|step| world.step(step));
        world.receive(usize::MAX);
    }
}

const NAMES: [&str; 4] = ["a", "bb", "c", "d4"];
