//! A node's answers, each checked against the decision that the record of all that was published leads to.

use std::sync::Arc;

use http::{Method, Response, StatusCode};
use lasse_core::{Channel, Event, EventName, Init, LastEventId, RequestHead, Subscription};
use lasse_tokio::{Endpoint, Gate, RejectReason, now};

use super::accept::Visit;
use super::channel_settings::ChannelSettings;
use super::decision::{decide, held_from};
use super::node::Node;
use super::reader::Answer;
use super::settings::Route;
use super::source::{AnySource, Mail, Tokens, Watched};
use super::world::{Part, State, World};

impl World {
    /// What becomes of an admitted request.
    pub(super) fn init(
        self: &Arc<Self>,
        visit: Visit,
        head: &RequestHead<'_>,
        channel: &Channel,
    ) -> Init<AnySource> {
        let connection = visit.connection;
        let random = self.random(Part::Source(connection.unwrap_or_default()));
        match (visit.route, connection) {
            (Route::Tokens, Some(connection)) => {
                Init::Stream(Tokens::source(self, connection, random), Vec::new())
            }
            (Route::Mail, Some(connection)) => {
                Init::Stream(Mail::source(self, connection, random), Vec::new())
            }
            (Route::Topics, Some(connection)) => {
                self.subscribe_to_topics(connection, head, channel)
            }
            _ => {
                channel.advance(now());
                let subscription = match self.settings.channel.has_snapshots {
                    true => subscribe_with_snapshot(channel, head.last_event_id()),
                    false => channel.subscribe(head.last_event_id()),
                };
                subscription.into_init(head, |reader| Watched::source(reader, self, connection))
            }
        }
    }

    /// Answers a request by `subscribe`, which also returns whether the answer is a stream, and checks
    /// the decision.
    pub(super) fn answer<B>(
        &self,
        visit: Visit,
        request: &RequestHead<'_>,
        subscribe: impl FnOnce(&Endpoint, &Channel) -> (Response<B>, bool),
    ) -> Response<B> {
        self.renew(visit.node, visit.feed);
        let (endpoint, channel, before) = {
            let node = &self.state().nodes[visit.node];
            let channel = match (&node.topics, visit.route) {
                (Some(topics), Route::Topics) => topics.channel.clone(),
                _ => node.channel(visit.feed),
            };
            (node.endpoint.clone(), channel, Before::of(node, visit.feed))
        };
        let (response, is_stream) = subscribe(&endpoint, &channel);
        let state = &mut *self.state();
        let node = &mut state.nodes[visit.node];
        if request.method() == Method::HEAD {
            return response;
        }
        node.admitted += u64::from(is_stream);
        let Some(connection) = visit.connection else { return response };
        let full_at = match visit.route {
            Route::Feed => self.settings.channel.max_subscribers,
            _ => usize::MAX,
        };
        let admission = Admission::of(node, &before, full_at);
        let expected = state.expected(visit, connection, &channel, &self.settings.channel);
        let (answer, problem) = admission.check(expected, response.status(), is_stream);
        let requested = state.clients[visit.client].requested.clone();
        state.note(format_args!("connection {connection}: {requested:?} is answered {answer:?}"));
        state.readers[connection].answer = Some(answer);
        state.hold(connection, problem.map_or(Ok(()), Err));
        response
    }
}

impl State {
    /// The answer that a request must get once it is admitted.
    fn expected(
        &mut self,
        visit: Visit,
        connection: usize,
        channel: &Channel,
        settings: &ChannelSettings,
    ) -> Answer {
        match visit.route {
            Route::Feed => {
                let log_index = self.nodes[visit.node].feeds[visit.feed].log;
                let log = &self.logs[log_index];
                let requested = &self.clients[visit.client].requested;
                decide(requested, log_index, log, held_from(channel, log), settings)
            }
            Route::Tokens | Route::Mail => Answer::Sequence,
            // Without a decision, the request did not reach the channel.
            Route::Topics => self.readers[connection].decided.take().unwrap_or(Answer::Sequence),
        }
    }
}

/// Subscribes a client that gets a snapshot if it cannot resume. Its data is the id after which the
/// events follow.
fn subscribe_with_snapshot(channel: &Channel, last: &LastEventId) -> Subscription {
    let Some(id) = channel.last_id() else { return channel.subscribe(last) };
    let snapshot = Event::new(id.as_str().to_owned()).with_name(EventName::from_static("snapshot"));
    let subscription = channel.subscribe_with_snapshot(last);
    let subscription =
        subscription.or_snapshot(|pending| pending.with_snapshot([snapshot.encode()], &id));
    subscription.expect("nothing was published since the id was the newest")
}

/// Why a request can be refused.
struct Admission {
    is_full: bool,
    is_at_limit: bool,
    may_be_refused: bool,
    /// How often the gate refused this request.
    refused: u64,
}

impl Admission {
    fn of(node: &Node, before: &Before, full_at: usize) -> Self {
        let is_at_limit = before.open >= node.settings.limit || node.is_shut();
        Self {
            is_full: before.subscribers >= full_at,
            is_at_limit,
            may_be_refused: is_at_limit || node.settings.limit_per_client.is_some(),
            refused: refusals(&node.gate) - before.refused,
        }
    }

    /// Compares the answer with the expected one. Returns the answer, and the difference.
    fn check(
        &self,
        expected: Answer,
        status: StatusCode,
        is_stream: bool,
    ) -> (Answer, Option<String>) {
        let Self { is_full, is_at_limit, may_be_refused, refused } = *self;
        match (expected, status, is_stream) {
            (_, StatusCode::OK, false) if refused > 0 && may_be_refused => (Answer::Refused, None),
            _ if refused > 0 || is_at_limit => {
                (Answer::Refused, Some(format!("{refused} refusals, at the limit: {is_at_limit}")))
            }
            (Answer::Complete, StatusCode::NO_CONTENT, false) => (Answer::Complete, None),
            (Answer::Stream(_), StatusCode::OK, false) if is_full => (Answer::Refused, None),
            (Answer::Stream(position), StatusCode::OK, true) if !is_full => {
                (Answer::Stream(position), None)
            }
            (expected @ (Answer::Sequence | Answer::Topics(_)), StatusCode::OK, true) => {
                (expected, None)
            }
            (expected, ..) => {
                let what = format!("{status}, a stream: {is_stream}; not {expected:?}");
                (expected, Some(what))
            }
        }
    }
}

/// The state of a node before it answers a request.
struct Before {
    open: usize,
    refused: u64,
    subscribers: usize,
}

impl Before {
    fn of(node: &Node, feed: usize) -> Self {
        Self {
            open: node.gate.stats().open,
            refused: refusals(&node.gate),
            subscribers: node.channel(feed).stats().subscribers,
        }
    }
}

fn refusals(gate: &Gate) -> u64 {
    let stats = gate.stats();
    RejectReason::all().iter().map(|reason| stats.rejected(*reason)).sum()
}
