//! What senders are told, and what a connection hears.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use lasse_core::{Handler, Next};
use lasse_tokio::{Mail, Mailbox, Notifier, NotifyError, mailbox};

struct Counter;

impl Handler for Counter {
    type Notify = usize;
    type Info = ();
    fn handle_notify(&mut self, _: usize) -> Next {
        Next::Wait
    }
}

fn receive(mailbox: &mut Mailbox<Counter>) -> Poll<Option<Mail<Counter>>> {
    pin!(mailbox).poll_next(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_million_messages_to_one_slow_handler_are_refused_but_for_those_that_have_room() {
    let (notifier, mut mailbox) = mailbox::<Counter>(64);
    let queued = (0..1_000_000).filter(|n| notifier.notify(*n).is_ok()).count();
    assert_eq!(queued, 64);
    assert_eq!(notifier.notify(0), Err(NotifyError::Full));
    assert!(matches!(receive(&mut mailbox), Poll::Ready(Some(Mail::Notify(0)))));
    assert_eq!(notifier.notify(0), Ok(()));
}

#[test]
fn a_stop_gets_through_a_full_mailbox_once() {
    let (notifier, mut mailbox) = mailbox::<Counter>(1);
    notifier.notify(1).unwrap();
    notifier.stop();
    notifier.stop();
    assert_eq!(notifier.inform(()), Err(NotifyError::Closed));
    assert!(matches!(receive(&mut mailbox), Poll::Ready(Some(Mail::Notify(1)))));
    assert!(matches!(receive(&mut mailbox), Poll::Ready(Some(Mail::Stop))));
    assert!(receive(&mut mailbox).is_pending());
}

#[test]
fn a_mailbox_ends_when_the_last_notifier_is_gone() {
    let (notifier, mut mailbox) = mailbox::<Counter>(1);
    let second = Notifier::clone(&notifier);
    drop(notifier);
    assert!(receive(&mut mailbox).is_pending());
    drop(second);
    assert!(matches!(receive(&mut mailbox), Poll::Ready(None)));
}

#[tokio::test]
async fn senders_learn_that_a_stream_is_over() {
    let (notifier, mailbox) = mailbox::<Counter>(1);
    assert!(!notifier.is_closed());
    drop(mailbox);
    notifier.closed().await;
    assert!(notifier.is_closed());
    assert_eq!(notifier.notify(1), Err(NotifyError::Closed));
}
