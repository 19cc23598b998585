//! A channel and a client, and all that can go wrong between them, in a world whose
//! time and chance a seed decides.
//!
//! The connection is cut, in the middle of a byte stream and with or without the
//! server's knowing; either side stalls; the server restarts, and forgets; the
//! client is too slow for what the channel keeps. The law holds all the same: in
//! order, no repeat, no silent gap.

mod dice;
mod link;
mod witness;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use lasse_core::{
    Channel, ChannelConfig, Client, ClientOutput, Close, Connection, Drain, Epoch, Event, EventId,
    Instant, LagPolicy, PositionNotice, Retention, StartAt, StreamConfig, Subscriber,
};

use dice::Dice;
use link::Link;
use witness::Witness;

/// What came to pass under a seed.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// How many events were published, and how many the client heard.
    pub said: u64,
    /// How many events the client heard.
    pub heard: u64,
    /// How often the client connected.
    pub connects: u64,
    /// How often the client was told of a gap, by reason.
    pub resets: BTreeMap<String, u64>,
    /// Why streams ended, as far as the server lived to see it.
    pub reasons: BTreeMap<&'static str, u64>,
}

/// Lives through the story of a seed.
///
/// # Errors
///
/// When the law is broken, with what broke it.
pub fn run(seed: u64) -> Result<Story, String> {
    let mut world = World::new(seed)?;
    for _ in 0..world.dice.within(20..300) {
        world.let_something_happen()?;
    }
    world.end_well()?;
    Ok(world.story())
}

struct World {
    now: Instant,
    dice: Dice,
    channels: ChannelConfig,
    streams: StreamConfig,
    channel: Channel,
    /// Whether events have ids of their own.
    has_own_ids: bool,
    client: Client,
    client_deadline: Option<Instant>,
    /// The client's connection.
    link: Option<Link>,
    /// Those it has left, as far as the server has not noticed.
    ghosts: Vec<Link>,
    /// Until when the client does not read.
    stalled_until: Instant,
    /// Whether the client will not come back.
    is_over: bool,
    witness: Witness,
    connects: u64,
    reasons: BTreeMap<&'static str, u64>,
}

impl World {
    fn new(seed: u64) -> Result<Self, String> {
        let mut dice = Dice::new(seed);
        let now = Instant::from_nanos(0);
        let channels = ChannelConfig::new()
            .with_retention(Retention::new().with_events(dice.pick(&[3, 20, u64::MAX])))
            .with_start(dice.pick(&[StartAt::Now, StartAt::Oldest, StartAt::Last(3)]))
            .with_lag_policy(dice.pick(&[LagPolicy::Disconnect, LagPolicy::Skip]))
            .with_position(PositionNotice::default())
            .with_backfill(dice.once_in(2))
            .with_read_budget(dice.pick(&[1, 500, 16 * 1024]));
        let streams = StreamConfig::new().with_max_age(Duration::from_secs(dice.within(20..600)));
        let request =
            Request::get("/events").body(Bytes::new()).map_err(|error| error.to_string())?;
        let client = Client::new(request).with_read_timeout(Duration::from_secs(60));
        let mut witness = Witness::default();
        let has_own_ids = dice.once_in(4);
        let channel = open(&channels, &mut witness, &mut dice);
        Ok(Self {
            now,
            dice,
            channels,
            streams,
            channel,
            has_own_ids,
            client,
            client_deadline: None,
            link: None,
            ghosts: Vec::new(),
            stalled_until: now,
            is_over: false,
            witness,
            connects: 0,
            reasons: BTreeMap::new(),
        })
    }

    fn let_something_happen(&mut self) -> Result<(), String> {
        match self.dice.within(0..100) {
            0..20 => self.publish()?,
            20..80 => self.converse()?,
            80..91 => self.pass_time(),
            91..93 => self.cut()?,
            93..94 => self.lose(),
            94..96 => self.stalled_until = self.now + self.seconds(1..120),
            96..98 => self.drain(),
            98..99 => self.restart(),
            _ => self.serve(),
        }
        self.ask_client();
        Ok(())
    }

    fn publish(&mut self) -> Result<(), String> {
        for _ in 0..self.dice.within(1..5) {
            let (n, text) = self.witness.next();
            let mut event = Event::new(text);
            if self.has_own_ids {
                let id = EventId::new(format!("my own {n}")).map_err(|error| error.to_string())?;
                event = event.with_id(id);
            }
            let id = self.channel.publish(&event).map_err(|error| error.to_string())?;
            self.witness.say(&id);
        }
        Ok(())
    }

    fn converse(&mut self) -> Result<(), String> {
        for _ in 0..self.dice.within(1..8) {
            self.serve();
            self.listen()?;
        }
        Ok(())
    }

    /// The server does something for each of its streams.
    fn serve(&mut self) {
        for link in self.link.iter_mut().chain(&mut self.ghosts) {
            if let Some(reason) = link.serve(self.now, &mut self.dice) {
                *self.reasons.entry(reason.as_str()).or_default() += 1;
            }
        }
        self.ghosts.retain(Link::is_served);
    }

    /// The client reads something, unless it stalls.
    fn listen(&mut self) -> Result<(), String> {
        let Some(link) = &mut self.link else { return Ok(()) };
        if self.now < self.stalled_until {
            return Ok(());
        }
        let some = self.dice.up_to(link.pipe.len());
        let chunk: Vec<_> = link.pipe.drain(..some).collect();
        let is_over = link.pipe.is_empty() && link.end.is_some();
        let end = link.end;
        self.hear(&chunk)?;
        if is_over {
            self.link = None;
            match end {
                Some(Close::Clean) => self.client.handle_end(self.now),
                _ => self.client.handle_error(self.now),
            }
        }
        Ok(())
    }

    fn hear(&mut self, mut chunk: &[u8]) -> Result<(), String> {
        loop {
            match self.client.handle_bytes(&mut chunk, self.now) {
                Ok(Some(decoded)) => self.witness.hear(decoded)?,
                Ok(None) => return Ok(()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    /// Time passes: to the next thing that is to happen, or not so far.
    fn pass_time(&mut self) {
        let (now, a_while) = (self.now, self.now + self.seconds(0..20));
        let next = self.next_deadline().filter(|_| self.dice.once_in(2));
        self.now = next.unwrap_or(a_while).max(now);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let links = self.link.iter().chain(&self.ghosts).filter_map(Link::deadline);
        links.chain(self.client_deadline).min()
    }

    /// The connection breaks, and both sides learn of it. Some of what was on its
    /// way still arrives.
    fn cut(&mut self) -> Result<(), String> {
        let Some(mut link) = self.link.take() else { return Ok(()) };
        let some = self.dice.up_to(link.pipe.len());
        let chunk: Vec<_> = link.pipe.drain(..some).collect();
        self.hear(&chunk)?;
        self.client.handle_error(self.now);
        if let Some(stream) = link.stream() {
            match self.dice.once_in(2) {
                true => stream.handle_peer_closed(),
                false => stream.handle_write_error("broken pipe"),
            }
        }
        self.ghosts.push(link);
        Ok(())
    }

    /// The connection breaks, and only the client learns of it.
    fn lose(&mut self) {
        self.client.handle_error(self.now);
        self.ghosts.extend(self.link.take());
    }

    /// The server tells its streams to go.
    fn drain(&mut self) {
        let end_at = self.now + self.seconds(0..10);
        let drain =
            Drain { end_at, retry: self.seconds(0..9), abort_at: end_at + self.seconds(0..9) };
        for stream in self.link.iter_mut().chain(&mut self.ghosts).filter_map(Link::stream) {
            stream.handle_drain(drain);
        }
    }

    /// The server dies, and another comes, who knows nothing.
    fn restart(&mut self) {
        self.ghosts.clear();
        self.link.iter_mut().for_each(Link::kill);
        self.channel = open(&self.channels, &mut self.witness, &mut self.dice);
    }

    /// The client does what it wants to do now.
    fn ask_client(&mut self) {
        self.client_deadline = None;
        match self.client.poll_output(self.now, self.dice.roll()) {
            ClientOutput::Connect(request) => self.connect(&request),
            ClientOutput::Listen(until) => self.client_deadline = until,
            ClientOutput::Wait(until) => {
                self.client_deadline = Some(until);
                self.ghosts.extend(self.link.take());
            }
            ClientOutput::Closed(_) => self.is_over = true,
        }
    }

    fn connect(&mut self, request: &Request<Bytes>) {
        self.ghosts.extend(self.link.take());
        self.connects += 1;
        let args = || self.channel.clone();
        let response = Connection::<Subscriber>::accept(request, args, &self.streams, self.now);
        let (head, body) = response.into_parts();
        self.client.handle_head(&http::Response::from_parts(head, ()), self.now);
        self.link = Some(Link::new(body, self.dice.pick(&[50, 1_000, 100_000])));
    }

    /// Nothing goes wrong any more. The client catches up, and what is said then it
    /// hears at once; when all is said it is told not to come back.
    fn end_well(&mut self) -> Result<(), String> {
        self.stalled_until = self.now;
        let has_caught_up = |world: &Self| {
            let is_served = world.link.as_ref().is_some_and(Link::is_served);
            is_served && world.witness.at == Some(world.witness.said)
        };
        self.go_on_until(has_caught_up)?;
        self.publish()?;
        for _ in 0..500 {
            self.serve();
            self.listen()?;
        }
        if self.link.as_ref().is_some_and(Link::is_served) && !has_caught_up(self) {
            return Err(format!("it is not told what comes after {:?}", self.witness.at));
        }
        self.channel.finish();
        self.go_on_until(|world| world.is_over)?;
        match self.witness {
            Witness { at: Some(at), said, .. } if at == said => Ok(()),
            Witness { at, said, .. } => Err(format!("it is sent away after {at:?} of {said}")),
        }
    }

    fn go_on_until(&mut self, is_so: impl Fn(&Self) -> bool) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            if is_so(self) {
                return Ok(());
            }
            self.serve();
            self.listen()?;
            self.ask_client();
            let is_idle = self.link.as_ref().is_none_or(|link| link.pipe.is_empty());
            if is_idle && self.dice.once_in(4) {
                self.pass_time();
            }
        }
        let Witness { at, said, .. } = self.witness;
        Err(format!("after {at:?} of {said} it waits for ever"))
    }

    fn story(self) -> Story {
        let Witness { said, heard, resets, .. } = self.witness;
        Story { said, heard, connects: self.connects, resets, reasons: self.reasons }
    }

    fn seconds(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_secs(self.dice.within(range))
    }
}

/// A channel of a new epoch.
fn open(config: &ChannelConfig, witness: &mut Witness, dice: &mut Dice) -> Channel {
    let epoch = Epoch::from(dice.roll());
    witness.begin(&epoch);
    Channel::with_epoch(config, epoch)
}

/// After so many steps without an end there will be none.
const MOST_STEPS: usize = 20_000;
