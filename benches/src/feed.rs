//! The events of the servers under load.

use std::fmt::Write;
use std::io::BufRead;
use std::process::exit;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use lasse_core::{
    Channel, ChannelConfig, EndReason, Event, EventId, Frame, Handler, HandlerSource, Init,
    Instant, Next, Notifier, NotifyError, RequestHead, Retention, Source, Subscriber, Topic,
    TopicFilter, mailbox,
};
use lasse_redis::{Backplane, BackplaneConfig, ChannelError, RedisChannel, RedisServer};
use rustix::time::{ClockId, clock_gettime};

use crate::question::{Publication, Question};

/// Where the events come from.
#[derive(Debug)]
pub struct Hub {
    /// The channel that adapters subscribe to.
    pub channel: Channel,
    /// The channel in its place, if the hub is on Redis.
    redis: Option<RedisChannel>,
    notifiers: Mutex<Vec<Notifier<Forward>>>,
    number: AtomicU64,
    costs: Mutex<Vec<u64>>,
}

impl Hub {
    /// A hub whose channel collects events for `linger`.
    pub fn new(linger: Duration) -> Self {
        Self::of(Channel::new(&config(linger)), None)
    }

    /// The same, on the stream `events` of this server of Redis.
    pub fn on_redis(server: RedisServer, linger: Duration) -> Result<Self, ChannelError> {
        let backplane = Backplane::start(server, &BackplaneConfig::new());
        let redis = backplane.channel("events", &config(linger))?;
        // It is not used: the events are in the stream.
        Ok(Self::of(Channel::new(&config(linger)), Some(redis)))
    }

    fn of(channel: Channel, redis: Option<RedisChannel>) -> Self {
        Self {
            channel,
            redis,
            notifiers: Mutex::default(),
            number: AtomicU64::new(0),
            costs: Mutex::default(),
        }
    }

    /// Answers with the channel.
    pub fn subscribe(&self, question: Question, request: &RequestHead<'_>) -> Init<Feed> {
        match question {
            Question::Stream(events, size) => Init::Stream(Feed::own(events, size), vec![]),
            Question::Events(Some(nth)) => {
                let filter = TopicFilter::from(COMMON).with(topic(nth)).unwrap_or_default();
                let last = request.last_event_id();
                let subscription = match &self.redis {
                    Some(redis) => redis.local().subscribe_to(&filter, last),
                    None => self.channel.subscribe_to(&filter, last),
                };
                subscription.into_init(request, Feed::Channel)
            }
            Question::Events(None) | Question::Other => {
                let last = request.last_event_id();
                let subscription = match &self.redis {
                    Some(redis) => redis.local().subscribe(last),
                    None => self.channel.subscribe(last),
                };
                subscription.into_init(request, Feed::Channel)
            }
        }
    }

    /// Answers with messages.
    pub fn enlist(&self, question: Question) -> Init<Feed> {
        if let Question::Stream(events, size) = question {
            return Init::Stream(Feed::own(events, size), vec![]);
        }
        let (notifier, mailbox) = mailbox(1024);
        self.notifiers.lock().unwrap_or_else(PoisonError::into_inner).push(notifier);
        Init::Stream(Feed::Notified(HandlerSource::new(Forward, mailbox)), vec![])
    }

    /// Answers a request that is not for a stream.
    pub fn command<B>(self: &Arc<Self>, request: &Request<B>) -> Response<Bytes> {
        match request.uri().path() {
            "/publish" => {
                let publication = Publication::of(request.uri().query());
                tokio::spawn(self.clone().publish_all(publication));
                Response::new(Bytes::new())
            }
            "/cost" => Response::new(self.cost().into()),
            _ => {
                let mut response = Response::new(Bytes::new());
                *response.status_mut() = StatusCode::NOT_FOUND;
                response
            }
        }
    }

    /// Publishes each line as the data of an event. Ends the process with the input.
    pub fn relay(&self, input: impl BufRead) -> ! {
        for line in input.lines().map_while(Result::ok) {
            let number = line.split(' ').next().and_then(|number| number.parse::<u64>().ok());
            let id = EventId::from(number.unwrap_or_default());
            if let Err(error) = self.channel.publish(Event::new(line).with_id(id)) {
                eprintln!("an event is not published: {error}");
            }
        }
        exit(0)
    }

    async fn publish_all(self: Arc<Self>, publication: Publication) {
        let Publication { rate, events, size, topics } = publication;
        let start = tokio::time::Instant::now();
        // Each topic counts for itself, so that its readers notice what they lack.
        let first = self.number.load(Ordering::Relaxed) + 1;
        for nth in 0..events.saturating_mul(topics.max(1)) {
            if rate > 0.0 {
                tokio::time::sleep_until(start + Duration::from_secs_f64(nth as f64 / rate)).await;
            }
            let cost = match nth.checked_rem(topics) {
                Some(turn) => self.publish_to(&topic(turn), first + nth / topics, size).await,
                None => {
                    let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
                    self.publish(number, size).await
                }
            };
            self.costs.lock().unwrap_or_else(PoisonError::into_inner).push(cost);
        }
        if topics > 0 {
            self.number.fetch_add(events, Ordering::Relaxed);
        }
    }

    /// Publishes an event of a topic. Returns how many nanoseconds that took.
    async fn publish_to(&self, topic: &Topic, number: u64, size: usize) -> u64 {
        let started = nanos();
        // The ids are those of the channel: an event of a topic has no other.
        let event = Event::new(data(number, size));
        let error = match &self.redis {
            Some(redis) => {
                redis.publish_to(topic, event).await.err().map(|error| error.to_string())
            }
            None => self.channel.publish_to(topic, event).err().map(|error| error.to_string()),
        };
        let cost = nanos() - started;
        error.iter().for_each(|error| eprintln!("an event is not published: {error}"));
        cost
    }

    /// The same, without a topic.
    async fn publish(&self, number: u64, size: usize) -> u64 {
        let started = nanos();
        match &self.redis {
            Some(redis) => {
                if let Err(error) = redis.publish(Event::new(data(number, size))).await {
                    eprintln!("an event is not published: {error}");
                }
            }
            None => self.publish_here(number, size),
        }
        nanos() - started
    }

    fn publish_here(&self, number: u64, size: usize) {
        let event = event(number, size);
        let mut notifiers = self.notifiers.lock().unwrap_or_else(PoisonError::into_inner);
        if notifiers.is_empty() {
            drop(notifiers);
            drop(self.channel.publish(&event));
        } else {
            let frame = event.encode();
            notifiers.retain(|notifier| notifier.notify(frame.clone()) != Err(NotifyError::Closed));
        }
    }

    fn cost(&self) -> String {
        let mut costs =
            std::mem::take(&mut *self.costs.lock().unwrap_or_else(PoisonError::into_inner));
        costs.sort_unstable();
        let median = costs.get(costs.len() / 2).copied().unwrap_or_default();
        format!("{} {median}\n", costs.len())
    }
}

fn config(linger: Duration) -> ChannelConfig {
    ChannelConfig::new()
        .with_retention(Retention::new().with_bytes(64 << 20))
        .with_position(None)
        .with_linger(linger)
}

/// A handler that sends each frame.
#[derive(Debug)]
pub struct Forward;

impl Handler for Forward {
    type Notify = Frame;
    type Info = ();

    fn handle_notify(&mut self, frame: Frame) -> Next {
        Next::Send(frame)
    }
}

/// The source of a stream under load.
#[derive(Debug)]
pub enum Feed {
    /// Reads from a channel.
    Channel(Subscriber),
    /// Sends its messages.
    Notified(HandlerSource<Forward>),
    /// Makes events of its own, as fast as its reader takes them.
    Own {
        /// How many are made.
        made: u64,
        /// How many there will be.
        events: u64,
        /// How large they are.
        size: usize,
    },
}

impl Feed {
    fn own(events: u64, size: usize) -> Self {
        Self::Own { made: 0, events, size }
    }
}

impl Source for Feed {
    fn poll_next(&mut self, now: Instant, cx: &mut Context<'_>) -> Next {
        match self {
            Self::Channel(subscriber) => subscriber.poll_next(now, cx),
            Self::Notified(handler) => handler.poll_next(now, cx),
            Self::Own { made, events, .. } if made == events => Next::Stop,
            Self::Own { made, events, size } => {
                let mut out = BytesMut::with_capacity(SLICE);
                while out.len() + *size + 64 < SLICE && made < events {
                    *made += 1;
                    event(*made, *size).encode_into(&mut out);
                }
                Next::Send(Frame::from_bytes_unchecked(out))
            }
        }
    }

    fn has_more(&self) -> bool {
        matches!(self, Self::Notified(handler) if handler.has_more())
    }

    fn terminate(&mut self, reason: EndReason) {
        match self {
            Self::Channel(subscriber) => subscriber.terminate(reason),
            Self::Notified(handler) => handler.terminate(reason),
            Self::Own { .. } => {}
        }
    }
}

/// The topic of a reader.
fn topic(nth: u64) -> Topic {
    Topic::new(format!("user.{nth}")).unwrap_or(COMMON)
}

fn event(number: u64, size: usize) -> Event<'static> {
    Event::new(data(number, size)).with_id(EventId::from(number))
}

/// The data of an event: its number, the time, and padding.
pub fn data(number: u64, size: usize) -> String {
    let mut data = String::with_capacity(size.max(LONGEST_START));
    // A string takes all that is written.
    let _ = write!(data, "{number} {} ", nanos());
    while let Some(missing) = size.checked_sub(data.len()).filter(|missing| *missing > 0) {
        data.push_str(PADDING.get(..missing).unwrap_or(PADDING));
    }
    data
}

fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The topic that all readers of topics have beside their own.
const COMMON: Topic = Topic::from_static("notices");

/// The longest number and time.
const LONGEST_START: usize = 42;

/// The padding of most events, which is copied at once.
const PADDING: &str = match std::str::from_utf8(&[b'x'; 128]) {
    Ok(padding) => padding,
    Err(_) => "x",
};

/// How many bytes are made at a time.
const SLICE: usize = 32 * 1024;
