//! Mailboxes: what notifiers are refused, and what the handler receives.

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use lasse_core::*;

/// A handler that sends each message, and records the rest.
#[derive(Default)]
struct Echo {
    infos: Vec<usize>,
    has_ended: bool,
    reasons: Arc<Mutex<Vec<EndReason>>>,
}

impl Handler for Echo {
    type Notify = usize;
    type Info = usize;

    fn handle_notify(&mut self, n: usize) -> Next {
        Next::send(Event::new(n.to_string()))
    }
    fn handle_info(&mut self, n: usize) -> Next {
        self.infos.push(n);
        Next::Wait(None)
    }
    fn handle_end(&mut self) -> Next {
        assert!(!self.has_ended, "it is called once");
        self.has_ended = true;
        Next::Wait(None)
    }
    fn terminate(&mut self, reason: EndReason) {
        self.reasons.lock().unwrap().push(reason);
    }
}

/// A waker that counts.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Counter {
    fn new() -> (Arc<Self>, Waker) {
        let counter = Arc::new(Self::default());
        (counter.clone(), Waker::from(counter))
    }
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

const NOW: Instant = Instant::from_nanos(0);

fn source(capacity: usize) -> (Notifier<Echo>, HandlerSource<Echo>) {
    let (notifier, mailbox) = mailbox(capacity);
    (notifier, HandlerSource::new(Echo::default(), mailbox))
}

fn poll(source: &mut impl Source) -> Next {
    source.poll_next(NOW, &mut Context::from_waker(Waker::noop()))
}

fn sent(n: usize) -> Next {
    Next::send(Event::new(n.to_string()))
}

#[test]
fn a_full_mailbox_refuses_messages_until_one_is_handled() {
    let (notifier, mut source) = source(64);
    let queued = (0..1_000_000).filter(|n| notifier.notify(*n).is_ok()).count();
    assert_eq!(queued, 64);
    assert_eq!(notifier.inform(0), Err(NotifyError::Full));
    assert_eq!(poll(&mut source), sent(0));
    assert_eq!(notifier.notify(0), Ok(()));
}

#[test]
fn a_mailbox_can_have_no_room_and_any_room() {
    let (notifier, _source) = source(0);
    assert_eq!(notifier.notify(0), Err(NotifyError::Full));
    let (notifier, mut source) = source(usize::MAX);
    (0..1000).for_each(|n| notifier.notify(n).unwrap());
    (0..1000).for_each(|n| assert_eq!(poll(&mut source), sent(n)));
}

#[test]
fn a_stop_comes_after_all_messages_of_a_full_mailbox() {
    let (notifier, mut source) = source(1);
    notifier.notify(1).unwrap();
    notifier.stop();
    notifier.stop();
    assert!(notifier.is_closed());
    assert_eq!(notifier.inform(2), Err(NotifyError::Closed));
    assert_eq!((poll(&mut source), source.has_more()), (sent(1), true));
    assert_eq!(poll(&mut source), Next::Stop);
}

#[test]
fn messages_of_both_kinds_keep_their_order() {
    let (notifier, mut source) = source(9);
    notifier.inform(1).unwrap();
    notifier.notify(2).unwrap();
    notifier.inform(3).unwrap();
    assert_eq!(poll(&mut source), sent(2));
    assert_eq!(source.handler().infos, [1]);
    assert_eq!(poll(&mut source), Next::Wait(None));
    assert_eq!(source.handler().infos, [1, 3]);
}

#[test]
fn the_end_of_all_notifiers_is_handled_once_after_their_messages() {
    let (notifier, mut source) = source(9);
    let clone = notifier.clone();
    clone.notify(1).unwrap();
    drop(notifier);
    assert_eq!(poll(&mut source), sent(1));
    assert_eq!(poll(&mut source), Next::Wait(None));
    assert!(!source.handler().has_ended);
    drop(clone);
    for _ in 0..3 {
        assert_eq!(poll(&mut source), Next::Wait(None));
        assert!(source.handler().has_ended);
    }
}

#[test]
fn a_message_a_stop_and_the_end_of_all_notifiers_wake_the_stream_once() {
    let events: [fn(&mut Option<Notifier<Echo>>); 3] = [
        |notifier| (0..3).for_each(|n| notifier.as_ref().unwrap().notify(n).unwrap()),
        |notifier| notifier.as_ref().unwrap().stop(),
        |notifier| *notifier = None,
    ];
    for event in events {
        let (notifier, mut source) = source(9);
        let (counter, waker) = Counter::new();
        let mut cx = Context::from_waker(&waker);
        assert_eq!(source.poll_next(NOW, &mut cx), Next::Wait(None));
        assert_eq!(source.poll_next(NOW, &mut cx), Next::Wait(None));
        assert_eq!(Arc::strong_count(&counter), 3, "the waker is registered once");
        event(&mut Some(notifier));
        assert_eq!(counter.count(), 1);
    }
}

#[test]
fn the_last_waker_is_woken() {
    let (notifier, mut source) = source(9);
    let ((first, first_waker), (second, second_waker)) = (Counter::new(), Counter::new());
    let _ = source.poll_next(NOW, &mut Context::from_waker(&first_waker));
    let _ = source.poll_next(NOW, &mut Context::from_waker(&second_waker));
    notifier.notify(1).unwrap();
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn notifiers_are_refused_and_their_tasks_woken_once_the_stream_has_ended() {
    let (notifier, source) = source(9);
    let (counter, waker) = Counter::new();
    let mut cx = Context::from_waker(&waker);
    let mut connection = Connection::open(source, [], &StreamConfig::new(), NOW);
    let mut closed = pin!(notifier.closed());
    let dropped = notifier.closed();
    assert!(closed.as_mut().poll(&mut cx).is_pending());
    assert!(pin!(dropped).poll(&mut cx).is_pending());
    assert!(closed.as_mut().poll(&mut cx).is_pending());
    assert!(!notifier.is_closed());

    connection.handle_peer_closed();
    assert_eq!(counter.count(), 1, "a future that was dropped is not woken");
    assert!(notifier.is_closed());
    assert_eq!(notifier.notify(1), Err(NotifyError::Closed));
    assert_eq!(closed.as_mut().poll(&mut cx), Poll::Ready(()));
    assert_eq!(*connection.source().handler().reasons.lock().unwrap(), [EndReason::PeerClosed]);
}

#[test]
fn all_that_wait_for_the_end_of_a_stream_are_woken_though_they_are_polled_again() {
    let (notifier, mailbox) = mailbox::<Echo>(1);
    let mut watchers = [(); 3].map(|()| (Box::pin(notifier.closed()), Counter::new()));
    for _ in 0..2 {
        for (closed, (_, waker)) in &mut watchers {
            assert!(closed.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        }
    }
    drop(mailbox);
    assert_eq!(watchers.map(|(_, (counter, _))| counter.count()), [1; 3]);
}

#[test]
fn a_stream_in_its_last_write_still_takes_messages_and_drops_them() {
    let (notifier, source) = source(9);
    let mut connection = Connection::open(source, [], &StreamConfig::new(), NOW);
    notifier.stop();
    let _ = connection.poll_output(NOW, &mut Context::from_waker(Waker::noop()));
    assert!(!connection.is_closed(), "the first byte is not written yet");
    assert_eq!(notifier.notify(1), Err(NotifyError::Closed));
}

/// A handler whose messages run code when they are dropped.
struct Reentrant;

struct Message(Arc<Mutex<Option<Notifier<Reentrant>>>>);

impl Drop for Message {
    fn drop(&mut self) {
        // Would block forever if the mailbox were locked.
        let notifier = self.0.lock().unwrap();
        assert!(notifier.as_ref().is_none_or(Notifier::is_closed));
    }
}

impl Handler for Reentrant {
    type Notify = Message;
    type Info = ();
}

#[test]
fn messages_are_dropped_outside_the_lock() {
    let (notifier, mailbox) = mailbox::<Reentrant>(1);
    let shared = Arc::new(Mutex::new(None));
    notifier.notify(Message(shared.clone())).unwrap();
    *shared.lock().unwrap() = Some(notifier.clone());
    drop(mailbox);
    assert_eq!(notifier.notify(Message(shared.clone())), Err(NotifyError::Closed));
    shared.lock().unwrap().take();
}

#[test]
fn a_waker_that_panics_does_not_keep_the_others_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("as ordered");
        }
    }
    let (notifier, mailbox) = mailbox::<Echo>(1);
    let (counter, waker) = Counter::new();
    let panics = Waker::from(Arc::new(Panics));
    let (mut first, mut second) = (Box::pin(notifier.closed()), Box::pin(notifier.closed()));
    assert!(first.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
    assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(mailbox);
    assert_eq!(counter.count(), 1);
}

#[test]
fn a_flood_of_messages_without_frames_lets_other_streams_run() {
    let (notifier, mut source) = source(1000);
    (0..100).for_each(|n| notifier.inform(n).unwrap());
    let (counter, waker) = Counter::new();
    assert_eq!(source.poll_next(NOW, &mut Context::from_waker(&waker)), Next::Wait(None));
    assert!(source.handler().infos.len() < 100);
    assert_eq!(counter.count(), 1);
    assert_eq!(poll(&mut source), Next::Wait(None));
    assert_eq!(source.handler().infos.len(), 100);
}

/// A handler that sends whenever it is ticked.
#[derive(Default)]
struct Busy {
    deadline: Cell<Option<Instant>>,
}

impl Handler for Busy {
    type Notify = Next;
    type Info = ();

    fn handle_notify(&mut self, next: Next) -> Next {
        next
    }
    fn handle_tick(&mut self, _: Instant) -> Next {
        match self.deadline.take() {
            Some(deadline) => Next::Wait(Some(deadline)),
            None => Next::send(Event::new("tick")),
        }
    }
}

#[test]
fn messages_and_ticks_take_turns() {
    let (notifier, mailbox) = mailbox::<Busy>(9);
    let mut source = HandlerSource::new(Busy::default(), mailbox);
    (0..2).for_each(|_| notifier.notify(sent(0)).unwrap());
    notifier.stop();
    let tick = Next::send(Event::new("tick"));
    let steps: Vec<_> = (0..5).map(|_| poll(&mut source)).collect();
    assert_eq!(steps, [tick.clone(), sent(0), tick.clone(), sent(0), tick]);
    assert_eq!(poll(&mut source), Next::Stop);
}

#[test]
fn a_deadline_stands_until_it_is_reached_or_replaced() {
    let at = |secs: u64| Instant::from_nanos(secs * 1_000_000_000);
    let mut cx = Context::from_waker(Waker::noop());
    let (notifier, mailbox) = mailbox::<Busy>(9);
    let busy = Busy { deadline: Cell::new(Some(at(5))) };
    let mut source = HandlerSource::new(busy, mailbox);
    assert_eq!(source.poll_next(at(0), &mut cx), Next::Wait(Some(at(5))));
    notifier.notify(Next::Wait(None)).unwrap();
    assert_eq!(source.poll_next(at(1), &mut cx), Next::Wait(Some(at(5))));
    notifier.notify(Next::Wait(Some(at(7)))).unwrap();
    assert_eq!(source.poll_next(at(6), &mut cx), Next::send(Event::new("tick")));
}

/// A source of numbers.
struct Numbers(usize);

impl Source for Numbers {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        self.0 += 1;
        sent(self.0)
    }
}

#[test]
fn a_handler_and_another_source_take_turns() {
    let (notifier, handler) = source(9);
    let mut both = handler.with_source(Numbers(100));
    (1..=2).for_each(|n| notifier.notify(n).unwrap());
    let steps: Vec<_> = (0..5).map(|_| poll(&mut both)).collect();
    assert_eq!(steps, [sent(1), sent(101), sent(2), sent(102), sent(103)]);
    notifier.stop();
    assert_eq!(poll(&mut both), Next::Stop);
}

/// A source that records its calls.
#[derive(Clone, Default)]
struct Recorder {
    has_more: bool,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    fn record(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }
}

impl Source for Recorder {
    fn poll_next(&mut self, _: Instant, _: &mut Context<'_>) -> Next {
        Next::Wait(None)
    }
    fn has_more(&self) -> bool {
        self.has_more
    }
    fn keep_alive(&mut self) -> Option<Frame> {
        Some(Event::new("alive").encode())
    }
    fn progress(&self) -> Option<Progress> {
        Some(Progress { behind: 3, ahead_of_oldest: Some(5), published: Some(NOW) })
    }
    fn handle_error(&mut self, unsent: &[Frame], error: &SendError) {
        self.record(format!("{} unsent, {:?}", unsent.len(), error.reason()));
    }
    fn terminate(&mut self, reason: EndReason) {
        self.record(format!("{reason:?}"));
    }
}

#[test]
fn a_source_beside_a_handler_receives_all_calls() {
    let (notifier, handler) = source(9);
    let recorder = Recorder::default();
    let calls = recorder.calls.clone();
    let mut both: Box<dyn Source> = Box::new(handler.with_source(recorder));
    assert_eq!(both.keep_alive(), Some(Event::new("alive").encode()));
    let progress = Progress { behind: 3, ahead_of_oldest: Some(5), published: None };
    assert_eq!(both.progress(), Some(progress));

    let mut stream = Connection::open(both, [], &StreamConfig::new().with_first_byte(false), NOW);
    notifier.notify(1).unwrap();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(!stream.is_sending());
    assert!(matches!(stream.poll_output(NOW, &mut cx), Output::Write(_)));
    assert!(stream.is_sending());
    stream.handle_write_error("reset");
    assert!(matches!(stream.poll_output(NOW, &mut cx), Output::Close(_)));
    drop(stream);
    assert_eq!(*calls.lock().unwrap(), ["1 unsent, WriteFailed", "WriteFailed"]);
}

#[test]
fn a_handler_and_another_source_have_more_if_one_of_them_has() {
    let (notifier, handler) = source(9);
    let mut both = Box::new(handler.with_source(Recorder::default()));
    (1..=2).for_each(|n| notifier.notify(n).unwrap());
    assert_eq!((poll(&mut both), both.has_more()), (sent(1), true));
    assert_eq!((poll(&mut both), both.has_more()), (sent(2), false));
    let (_notifier, handler) = source(9);
    assert!(handler.with_source(Recorder { has_more: true, ..Recorder::default() }).has_more());
}

#[test]
fn private_messages_are_sent_between_the_events_of_a_channel() {
    let news = Channel::with_epoch(&ChannelConfig::new(), Epoch::new("k").unwrap());
    let Subscription::Stream(subscriber) = news.subscribe(&LastEventId::Absent) else { panic!() };
    let (notifier, handler) = source(9);
    let config = StreamConfig::new().with_first_byte(false);
    let mut stream = Connection::open(handler.with_source(subscriber), [], &config, NOW);
    let (counter, waker) = Counter::new();
    let mut cx = Context::from_waker(&waker);
    let mut write_all = |stream: &mut Connection<_>| {
        let mut text = String::new();
        while let Output::Write(bytes) = stream.poll_output(NOW, &mut cx) {
            text.push_str(std::str::from_utf8(&bytes).unwrap());
            stream.handle_written(bytes.len(), NOW);
        }
        text
    };
    let position = "event: position\ndata: {\"at\":\"k-0\"}\nid: k-0\n\n";
    assert_eq!(write_all(&mut stream), position);
    notifier.notify(7).unwrap();
    assert_eq!((counter.count(), write_all(&mut stream)), (1, "data: 7\n\n".into()));
    news.publish(Event::new("one")).unwrap();
    assert_eq!((counter.count(), write_all(&mut stream)), (2, "data: one\nid: k-1\n\n".into()));
    drop(stream);
    assert!(notifier.is_closed());
    assert_eq!(news.stats().subscribers, 0);
}

#[test]
fn no_message_and_no_wake_up_is_lost_between_threads() {
    let (notifier, mailbox) = mailbox::<Echo>(16);
    let mut source = HandlerSource::new(Echo::default(), mailbox);
    let senders: Vec<_> = (0..4)
        .map(|_| {
            let notifier = notifier.clone();
            thread::spawn(move || {
                for n in 0..10_000 {
                    while notifier.notify(n) == Err(NotifyError::Full) {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    drop(notifier);
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut received = 0;
    while !source.handler().has_ended {
        match source.poll_next(NOW, &mut cx) {
            Next::Send(_) => received += 1,
            _ if source.handler().has_ended => {}
            _ => thread::park(),
        }
    }
    assert_eq!(received, 40_000);
    senders.into_iter().for_each(|sender| sender.join().unwrap());
}
