//! Sessions and tickets: secrets of 128 random bits, of which only hashes are kept.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use lasse::{Instant, now};
use ring::digest::{SHA256, digest};

/// All sessions and their tickets.
#[derive(Clone)]
pub(crate) struct Sessions {
    state: Arc<Mutex<State>>,
    lifetime: Duration,
}

/// A session, as an extension of a request.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) user: String,
    pub(crate) expires_at: Instant,
    key: Key,
}

/// A page without cookies, such as one on another site, fetches a ticket with its other credentials
/// and puts it into the URL of its `EventSource`. A URL is logged, so that a ticket is no access
/// token: it opens one feed and nothing else. It serves for reconnects until the session ends.
struct Ticket {
    session: Key,
    feed: String,
}

#[derive(Default)]
struct State {
    sessions: HashMap<Key, Session>,
    tickets: HashMap<Key, Ticket>,
}

/// The hash of a secret.
type Key = [u8; 32];

impl Sessions {
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self { state: Arc::default(), lifetime }
    }

    /// Starts a session, and returns its secret.
    pub(crate) fn start(&self, user: String) -> io::Result<String> {
        let secret = random_secret()?;
        let (key, expires_at) = (hash(&secret), now() + self.lifetime);
        let mut state = self.lock();
        state.remove_where(|session| session.expires_at <= now());
        if state.sessions.len() >= MOST_SESSIONS {
            return Err(io::Error::other("too many users are signed in"));
        }
        state.sessions.insert(key, Session { user, expires_at, key });
        Ok(secret)
    }

    /// The session of this secret.
    pub(crate) fn find(&self, secret: &str) -> Option<Session> {
        self.lock().open(&hash(secret))
    }

    /// The session of this ticket, which is checked at each connect.
    pub(crate) fn find_by_ticket(&self, ticket: &str, feed: &str) -> Option<Session> {
        let state = self.lock();
        let ticket = state.tickets.get(&hash(ticket)).filter(|ticket| ticket.feed == feed)?;
        state.open(&ticket.session)
    }

    /// A new ticket for a feed, unless the session has too many.
    pub(crate) fn new_ticket(&self, session: &Session, feed: String) -> io::Result<Option<String>> {
        let secret = random_secret()?;
        let mut state = self.lock();
        let of_session = state.tickets.values().filter(|ticket| ticket.session == session.key);
        if of_session.count() >= MOST_TICKETS || state.open(&session.key).is_none() {
            return Ok(None);
        }
        state.tickets.insert(hash(&secret), Ticket { session: session.key, feed });
        Ok(Some(secret))
    }

    pub(crate) fn is_open(&self, session: &Session) -> bool {
        self.lock().open(&session.key).is_some()
    }

    pub(crate) fn end(&self, session: &Session) {
        self.lock().remove_where(|other| other.key == session.key);
    }

    pub(crate) fn end_all_of(&self, user: &str) {
        self.lock().remove_where(|session| session.user == user);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&self, key: &Key) -> Option<Session> {
        self.sessions.get(key).filter(|session| session.expires_at > now()).cloned()
    }

    fn remove_where(&mut self, is_over: impl Fn(&Session) -> bool) {
        let Self { sessions, tickets } = self;
        sessions.retain(|_, session| !is_over(session));
        tickets.retain(|_, ticket| sessions.contains_key(&ticket.session));
    }
}

impl Session {
    /// The tags of its streams.
    pub(crate) fn tags(&self) -> Vec<String> {
        vec![self.user_tag(), self.tag()]
    }

    pub(crate) fn user_tag(&self) -> String {
        format!("user:{}", self.user)
    }

    pub(crate) fn tag(&self) -> String {
        format!("session:{}", hex(&self.key))
    }
}

/// As an argument of a handler.
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = SignInFirst;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SignInFirst> {
        parts.extensions.get().cloned().ok_or((StatusCode::UNAUTHORIZED, "sign in first\n"))
    }
}

pub(crate) type SignInFirst = (StatusCode, &'static str);

/// The secret in the cookie.
pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies =
        headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|value| value.split("; ")).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, secret)| secret)
}

/// The ticket in the query.
pub(crate) fn ticket(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("ticket="))
}

fn random_secret() -> io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(hex(&bytes))
}

fn hash(secret: &str) -> Key {
    let mut key = Key::default();
    key.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    key
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) const COOKIE: &str = "session";
const MOST_SESSIONS: usize = 100_000;
const MOST_TICKETS: usize = 16;
