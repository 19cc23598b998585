//! The options of the command line.

use std::borrow::Cow;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: sse-load --url http://127.0.0.1:PORT/PATH [options]
  --mode fanout|stream|idle|storm   (fanout)
      fanout  connect all, make the server publish, check that all receive all
      stream  connect all; each response has --events events of its own
      idle    connect all, wait for --duration, report memory
      storm   like fanout; meanwhile drop all connections and reconnect them with
              Last-Event-ID
  --conns N            connections (1)              --threads N     threads (1)
  --events E           events a connection (100)    --size S        bytes of data (100)
  --rate R             events a second; 0: as fast as possible (0)
  --publish PATH       what to post (/publish?rate={rate}&events={events}&size={size})
  --topics N           give each connection one of N topics in turn (`?topic=0`), and publish --events
                       events to each topic (`&topics=N`); --rate counts those of all topics
  --no-publish         wait for events that are published by others
  --last-event-id ID   of the first requests
  --drops K            storm: how often to drop all connections (1)
  --drop-reset         storm: drop with RST instead of FIN
  --raw-ids            storm: reconnect with the last id field (the number of the last event)
  --leave              close a connection when it has all events
  --stuck K            the first K connections read the response head and nothing more (0)
  --ready-on-request   count a connection as open when its request is sent, for servers
                       that send no response head before the first event
  --duration S         idle: seconds (3)            --settle S      pause before publishing (0.3)
  --timeout S          seconds in all (120)         --stall S       seconds without an event (10)
  --pin A[,B]          CPUs of the threads          --server-cpu C  CPU whose busy time to report
  --server-pid P[,P]   processes to measure, with their children
  --window W           connections that connect at the same time (256)
  --per-address K      connections from each source address (20000)
  --announce           print `connected` when all connections are open
  --latencies          print [nanoseconds, deliveries] for each bucket of the histogram, too
  --json               print one line of JSON";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Fanout,
    Stream,
    Idle,
    Storm,
}

#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) mode: Mode,
    pub(crate) server: SocketAddrV4,
    pub(crate) path: String,
    pub(crate) publish: Option<String>,
    /// How many topics the connections have. None: they receive all events.
    pub(crate) topics: Option<u64>,
    pub(crate) last_event_id: Option<String>,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    pub(crate) events: u64,
    pub(crate) size: usize,
    pub(crate) rate: f64,
    pub(crate) drops: u32,
    pub(crate) drops_by_reset: bool,
    pub(crate) keeps_ids: bool,
    /// Whether a connection is closed when it has all events.
    pub(crate) leaves: bool,
    pub(crate) stuck: usize,
    pub(crate) is_ready_on_request: bool,
    /// In seconds, as are the three after it.
    pub(crate) duration: f64,
    pub(crate) settle: f64,
    pub(crate) timeout: f64,
    pub(crate) stall: f64,
    pub(crate) pins: Vec<usize>,
    pub(crate) server_cpu: Option<usize>,
    pub(crate) server_pids: Vec<u32>,
    pub(crate) window: usize,
    pub(crate) per_address: usize,
    pub(crate) announces: bool,
    pub(crate) has_latencies: bool,
    pub(crate) is_json: bool,
}

impl Options {
    /// Reads the arguments of the program.
    ///
    /// # Errors
    ///
    /// If an option is unknown, or its value is.
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self::default();
        while let Some(name) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{name} needs a value"));
            match name.as_str() {
                "--url" => options.set_url(&value()?)?,
                "--mode" => options.mode = mode(&value()?)?,
                "--conns" => options.connections = number(&value()?)?,
                "--threads" => options.threads = number(&value()?)?,
                "--events" => options.events = number(&value()?)?,
                "--size" => options.size = number(&value()?)?,
                "--rate" => options.rate = number(&value()?)?,
                "--publish" => options.publish = Some(value()?),
                "--topics" => options.topics = Some(number(&value()?)?),
                "--no-publish" => options.publish = None,
                "--last-event-id" => options.last_event_id = Some(value()?),
                "--drops" => options.drops = number(&value()?)?,
                "--drop-reset" => options.drops_by_reset = true,
                "--raw-ids" => options.keeps_ids = true,
                "--leave" => options.leaves = true,
                "--stuck" => options.stuck = number(&value()?)?,
                "--ready-on-request" => options.is_ready_on_request = true,
                "--duration" => options.duration = number(&value()?)?,
                "--settle" => options.settle = number(&value()?)?,
                "--timeout" => options.timeout = number(&value()?)?,
                "--stall" => options.stall = number(&value()?)?,
                "--pin" => options.pins = numbers(&value()?)?,
                "--server-cpu" => options.server_cpu = Some(number(&value()?)?),
                "--server-pid" => options.server_pids = numbers(&value()?)?,
                "--window" => options.window = number(&value()?)?,
                "--per-address" => options.per_address = number(&value()?)?,
                "--announce" => options.announces = true,
                "--latencies" => options.has_latencies = true,
                "--json" => options.is_json = true,
                _ => return Err(format!("unknown option {name}")),
            }
        }
        options.check()
    }

    fn set_url(&mut self, url: &str) -> Result<(), String> {
        let rest = url.strip_prefix("http://").ok_or("a URL that does not start with http://")?;
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        self.server =
            server.parse().map_err(|_| format!("{server} is no IPv4 address and port"))?;
        self.path = format!("/{path}");
        Ok(())
    }

    fn check(self) -> Result<Self, String> {
        if self.server.port() == 0 {
            return Err("--url is missing".into());
        }
        if !self.server.ip().is_loopback() {
            return Err(format!("{} is not a loopback address", self.server.ip()));
        }
        let times = [self.rate, self.duration, self.settle, self.timeout, self.stall];
        if times.iter().any(|time| !(0.0..=1e6).contains(time)) {
            return Err("times and rates are numbers from 0 to 1,000,000".into());
        }
        if [self.connections, self.threads, self.window, self.per_address].contains(&0) {
            return Err("--conns, --threads, --window and --per-address are at least 1".into());
        }
        if self.topics == Some(0) {
            return Err("--topics is at least 1".into());
        }
        Ok(self)
    }

    /// The path of the request of a connection.
    pub(crate) fn path_of(&self, connection: usize) -> Cow<'_, str> {
        match self.topics {
            Some(topics) => {
                let separator = if self.path.contains('?') { '&' } else { '?' };
                format!("{}{separator}topic={}", self.path, connection as u64 % topics).into()
            }
            None => Cow::Borrowed(&self.path),
        }
    }

    /// The path of the request that makes the server publish.
    pub(crate) fn publish_path(&self) -> Option<String> {
        let path = self.publish.as_ref()?;
        let topics = self.topics.map(|topics| format!("&topics={topics}")).unwrap_or_default();
        let path = path
            .replace("{rate}", &self.rate.to_string())
            .replace("{events}", &self.events.to_string())
            .replace("{size}", &self.size.to_string());
        Some(path + &topics)
    }

    /// How often counts and orders are looked at: rarely, if others publish, since there can be
    /// many load clients then.
    pub(crate) fn tick(&self) -> Duration {
        Duration::from_millis(if self.publish.is_some() { 1 } else { 50 })
    }

    /// How many connections must receive all events.
    pub(crate) fn readers(&self) -> u64 {
        self.connections.saturating_sub(self.stuck) as u64
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Fanout,
            server: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0),
            path: String::new(),
            publish: Some("/publish?rate={rate}&events={events}&size={size}".into()),
            topics: None,
            last_event_id: None,
            connections: 1,
            threads: 1,
            events: 100,
            size: 100,
            rate: 0.0,
            drops: 1,
            drops_by_reset: false,
            keeps_ids: false,
            leaves: false,
            stuck: 0,
            is_ready_on_request: false,
            duration: 3.0,
            settle: 0.3,
            timeout: 120.0,
            stall: 10.0,
            pins: Vec::new(),
            server_cpu: None,
            server_pids: Vec::new(),
            window: 256,
            per_address: 20_000,
            announces: false,
            has_latencies: false,
            is_json: false,
        }
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "fanout" => Ok(Mode::Fanout),
        "stream" => Ok(Mode::Stream),
        "idle" => Ok(Mode::Idle),
        "storm" => Ok(Mode::Storm),
        _ => Err(format!("unknown mode {text}")),
    }
}

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.replace('_', "").parse().map_err(|_| format!("{text} is not such a number"))
}

fn numbers<T: FromStr>(text: &str) -> Result<Vec<T>, String> {
    text.split(',').map(number).collect()
}
