//! The sources of the streams of a simulation: readers of channels, answers that end by themselves, and
//! mailboxes. Each is watched for how it is polled and ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_core::Stream;
use lasse_core::{
    EndReason, Event, Frame, Handler, HandlerSource, Instant, Next, Notifier, SendError, Source,
    mailbox,
};
use lasse_tokio::EventStream;
use tokio::time::{Sleep, sleep};

use super::panics::Planned;
use super::random::Random;
use super::world::World;

/// The source of any stream of a simulation.
pub(super) type AnySource = Box<dyn Source + Send>;

/// Checks that a source is ended once, and not polled afterwards.
pub(super) struct Watched<S> {
    source: S,
    world: Arc<World>,
    connection: Option<usize>,
    has_failed: bool,
    is_over: bool,
}

impl<S: Source + Send + 'static> Watched<S> {
    pub(super) fn source(source: S, world: &Arc<World>, connection: Option<usize>) -> AnySource {
        let world = world.clone();
        Box::new(Self { source, world, connection, has_failed: false, is_over: false })
    }
}

impl<S> Watched<S> {
    fn wrong(&self, what: &str) {
        self.world.state().breach(format!("the source of connection {:?} {what}", self.connection));
    }
}

impl<S: Source> Source for Watched<S> {
    fn poll_next(&mut self, now: Instant, cx: &mut Context<'_>) -> Next {
        if self.is_over {
            self.wrong("is polled after its end");
        }
        self.source.poll_next(now, cx)
    }

    fn has_more(&self) -> bool {
        self.source.has_more()
    }

    fn keep_alive(&mut self) -> Option<Frame> {
        self.source.keep_alive()
    }

    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        if self.is_over || std::mem::replace(&mut self.has_failed, true) {
            self.wrong("fails twice, or after its end");
        }
        self.source.handle_error(unsent, error);
    }

    fn terminate(&mut self, reason: EndReason) {
        if std::mem::replace(&mut self.is_over, true) {
            self.wrong("ends twice");
        }
        if let Some(connection) = self.connection {
            let state = &mut *self.world.state();
            state.note(format_args!("connection {connection}: the source ends: {reason}"));
            state.readers[connection].reason = Some(reason);
        }
        self.source.terminate(reason);
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        if !self.is_over {
            self.wrong("is dropped before its end");
        }
    }
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastWord {
    Stop,
    Error,
    Panic,
}

/// An answer of some numbered events, with pauses.
pub(super) struct Tokens {
    world: Arc<World>,
    connection: usize,
    left: u64,
    longest_pause: Duration,
    last_word: LastWord,
    random: Random,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Tokens {
    /// A source of tokens, by a plan that the seed decides.
    pub(super) fn source(world: &Arc<World>, connection: usize, mut random: Random) -> AnySource {
        let tokens = Self {
            world: world.clone(),
            connection,
            left: random.within(0..40),
            longest_pause: random.pick(&[
                Duration::ZERO,
                Duration::from_millis(20),
                world.settings.longest_wait / 20,
            ]),
            last_word: random.pick(&[
                LastWord::Stop,
                LastWord::Stop,
                LastWord::Error,
                LastWord::Panic,
            ]),
            random,
            pause: None,
        };
        if tokens.last_word != LastWord::Stop {
            world.meter.count_fault("failing answer");
        }
        world.state().note(format_args!(
            "connection {connection}: {} tokens, then {:?}",
            tokens.left, tokens.last_word
        ));
        Watched::source(EventStream::new(tokens), world, Some(connection))
    }

    fn end(&self) -> Poll<Option<Result<Event<'static>, ()>>> {
        match self.last_word {
            LastWord::Stop => Poll::Ready(None),
            LastWord::Error => Poll::Ready(Some(Err(()))),
            LastWord::Panic => std::panic::panic_any(Planned),
        }
    }
}

impl Stream for Tokens {
    type Item = Result<Event<'static>, ()>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        } else if !self.longest_pause.is_zero() && self.random.one_in(2) {
            let most = u64::try_from(self.longest_pause.as_millis()).unwrap_or(u64::MAX).max(1);
            let pause = sleep(self.random.millis(0..most));
            self.pause = Some(Box::pin(pause));
            return self.poll_next(cx);
        }
        if self.left == 0 {
            return self.end();
        }
        self.left -= 1;
        let size = self.random.pick(&[0, 5, 300]);
        let event = self.world.state().readers[self.connection].sequence.produce(size);
        Poll::Ready(Some(Ok(event)))
    }
}

/// A stream of messages: each becomes the next numbered event.
pub(super) struct Mail {
    world: Arc<World>,
    connection: usize,
}

impl Mail {
    /// A source of messages. Its notifier goes to the state of the simulation.
    pub(super) fn source(world: &Arc<World>, connection: usize, mut random: Random) -> AnySource {
        let capacity = random.pick(&[0, 1, 3, 64]);
        let (notifier, mailbox) = mailbox(capacity);
        world.state().readers[connection].mailbox = Some((notifier, capacity));
        let handler = Self { world: world.clone(), connection };
        Watched::source(HandlerSource::new(handler, mailbox), world, Some(connection))
    }
}

impl Handler for Mail {
    /// How long the filler of the event is.
    type Notify = usize;
    type Info = ();

    fn handle_notify(&mut self, size: usize) -> Next {
        Next::send(self.world.state().readers[self.connection].sequence.produce(size))
    }

    fn handle_end(&mut self) -> Next {
        Next::Stop
    }
}

pub(super) type MailNotifier = Notifier<Mail>;
