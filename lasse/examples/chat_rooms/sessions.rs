//! The users that are signed in, and the streams of each session.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use lasse::Notifier;

use crate::{Chat, Member};

/// All sessions, by the secret in the cookie of their user.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<String, Entry>>>);

struct Entry {
    user: String,
    streams: Vec<Notifier<Member>>,
}

/// The session of a request.
pub(crate) struct Session {
    pub(crate) user: String,
    token: String,
}

impl Sessions {
    /// Starts a session. Returns its cookie, which scripts and other sites cannot use.
    pub(crate) fn start(&self, user: String) -> Result<String, String> {
        let mut sessions = self.lock();
        if sessions.len() >= MOST_SESSIONS {
            return Err("too many users are signed in\n".into());
        }
        let token = random_token().map_err(|error| error.to_string())?;
        let cookie = format!("{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict");
        sessions.insert(token, Entry { user, streams: Vec::new() });
        Ok(cookie)
    }

    /// Ends a session and its streams. Returns a cookie that replaces its own.
    pub(crate) fn end(&self, session: &Session) -> String {
        let ended = self.lock().remove(&session.token);
        ended.iter().flat_map(|entry| &entry.streams).for_each(Notifier::stop);
        format!("{COOKIE}=; Path=/; Max-Age=0")
    }

    /// Ends a stream with its session.
    pub(crate) fn add_stream(&self, session: &Session, stream: Notifier<Member>) {
        match self.lock().get_mut(&session.token) {
            Some(entry) => {
                entry.streams.retain(|stream| !stream.is_closed());
                entry.streams.push(stream);
            }
            // The session has ended in the meantime.
            None => stream.stop(),
        }
    }

    pub(crate) fn has_user(&self, user: &str) -> bool {
        self.lock().values().any(|entry| entry.user == user)
    }

    fn find(&self, token: &str) -> Option<Session> {
        let user = self.lock().get(token)?.user.clone();
        Some(Session { user, token: token.to_owned() })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As an argument of a handler: 401 without a session. An `EventSource` does not reconnect after
/// it, and the page shows the login.
impl FromRequestParts<Chat> for Session {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, chat: &Chat) -> Result<Self, Self::Rejection> {
        let session = token(&parts.headers).and_then(|token| chat.sessions.find(token));
        session.ok_or((StatusCode::UNAUTHORIZED, "sign in first\n"))
    }
}

/// The secret in the cookie.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let cookies =
        headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs =
        cookies.flat_map(|value| value.split("; ")).filter_map(|pair| pair.split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, token)| token)
}

fn random_token() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

const COOKIE: &str = "session";
const MOST_SESSIONS: usize = 100_000;
