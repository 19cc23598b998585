use std::string::String;
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use std::vec::Vec;

use super::*;
use crate::channel::tests::{at, join, keeping, publish, read};
use crate::channel::{ResumeOutcome, Subscription};
use crate::event::Event;
use crate::field::LastEventId;
use crate::log::ResetReason;

#[test]
fn a_key_has_one_channel() {
    let chats = Channels::<String>::new(&keeping(10));
    let tea = chats.open("tea");
    assert_eq!(chats.bytes(), tea.stats().bytes);
    publish(&tea, 1..=1);
    assert_eq!(chats.keys(), ["tea"]);
    assert_eq!(chats.open("tea").epoch(), tea.epoch());
    assert_ne!(chats.open("coffee").epoch(), tea.epoch());
    assert_eq!((chats.len(), chats.get("milk").is_none()), (2, true));
    assert!(!chats.is_empty());
    let removed = chats.remove("tea").unwrap();
    assert_eq!(removed.epoch(), tea.epoch());
    assert_ne!(chats.open("tea").epoch(), tea.epoch());
}

#[test]
fn the_epoch_of_a_new_channel_comes_from_the_given_function() {
    let next = AtomicUsize::new(0);
    let new_epoch = move || Epoch::from(next.fetch_add(1, Ordering::Relaxed) as u64);
    let chats = Channels::<String>::with_epochs(&keeping(10), new_epoch);
    let epochs = ["tea", "coffee", "tea"].map(|key| chats.open(key).epoch());
    assert_eq!(epochs, [0, 1, 0].map(Epoch::from));
}

#[test]
fn an_unused_channel_is_dropped_and_the_next_one_is_another() {
    let chats = Channels::<String>::new(&keeping(10).with_idle_timeout(Duration::from_secs(60)));
    let tea = chats.open("tea");
    let last = LastEventId::Id(tea.publish(Event::new("1")).unwrap());
    let reader = join(&tea, &LastEventId::Absent);
    drop(tea);
    chats.advance(at(0));
    chats.advance(at(100));
    assert_eq!(chats.len(), 1, "it has a reader");
    drop(reader);
    chats.advance(at(101));
    chats.advance(at(160));
    assert!(chats.get("tea").is_some(), "the idle timeout is not over");
    chats.advance(at(161));
    assert_eq!((chats.len(), chats.bytes()), (0, 0));
    let outcome = join(&chats.open("tea"), &last).outcome();
    assert_eq!(outcome, ResumeOutcome::Reset(ResetReason::Foreign));
}

#[test]
fn publishing_and_subscribing_for_a_moment_count_as_use() {
    let chats = Channels::<String>::new(&keeping(10).with_idle_timeout(Duration::from_secs(60)));
    let epoch = chats.open("tea").epoch();
    chats.advance(at(0));
    chats.open("tea").publish(Event::new("1")).unwrap();
    chats.advance(at(59));
    drop(join(&chats.open("tea"), &LastEventId::Absent));
    chats.advance(at(118));
    chats.advance(at(177));
    assert_eq!(chats.open("tea").epoch(), epoch);
    chats.advance(at(178));
    assert!(chats.is_empty());
}

#[test]
fn a_finished_channel_is_kept_for_the_idle_timeout_even_if_it_has_handles() {
    let chats = Channels::<u32>::new(&keeping(10).with_idle_timeout(Duration::from_secs(60)));
    let (done, open) = (chats.open(1_u32), chats.open(2_u32));
    let last = LastEventId::Id(done.finish_with(Event::new("bye")).unwrap());
    chats.advance(at(0));
    chats.advance(at(59));
    assert!(matches!(chats.open(1_u32).subscribe(&last), Subscription::Complete));
    chats.advance(at(60));
    assert!(chats.get(&1).is_none());
    assert_eq!(chats.open(2_u32).epoch(), open.epoch());
}

#[test]
fn all_channels_together_keep_to_the_limit_of_bytes() {
    let total = 2 << 20;
    let chats = Channels::<u32>::new(&ChannelConfig::new().with_total_bytes(total));
    let used = chats.open(0_u32);
    let mut reader = join(&used, &LastEventId::Absent);
    reader.first_frames();
    let data = "x".repeat(1000);
    for key in 1..=5000_u32 {
        chats.open(key).publish(Event::new(data.as_str())).unwrap();
        if key % 100 == 0 {
            used.publish(Event::new("tick")).unwrap();
            assert!(read(&mut reader).starts_with("data: tick"));
        }
        assert!(chats.bytes() <= total + 64 * 1024, "{} bytes", chats.bytes());
    }
    assert!((1000..5000).contains(&chats.len()), "{} are left", chats.len());
    assert!(chats.get(&5000).is_some() && chats.get(&1).is_none(), "the oldest was dropped");
    assert!(used.ending().is_none());
}

#[test]
fn channels_in_use_are_cleared_before_they_take_too_many_bytes() {
    let total = 1 << 20;
    let chats = Channels::<u32>::new(&ChannelConfig::new().with_total_bytes(total));
    let used: Vec<_> = (0..100_u32).map(|key| chats.open(key)).collect();
    for _ in 0..100 {
        for channel in &used {
            channel.publish(Event::new("x".repeat(1000))).unwrap();
            assert!(chats.bytes() <= total + 128 * 1024, "{} bytes", chats.bytes());
        }
    }
    assert_eq!(chats.len(), 100);
    let counted: usize = used.iter().map(|channel| channel.stats().bytes).sum();
    assert_eq!(chats.bytes(), counted);
}

/// Removes a channel when it is woken, and keeps the byte count that it then finds.
struct RemoveWhenWoken {
    channels: Channels<u32>,
    bytes: AtomicUsize,
}

impl Wake for RemoveWhenWoken {
    fn wake(self: Arc<Self>) {
        self.channels.remove(&1);
        self.bytes.store(self.channels.bytes(), Ordering::Relaxed);
    }
}

#[test]
fn a_channel_that_is_removed_while_it_grows_leaves_the_byte_count_right() {
    let channels = Channels::<u32>::new(&ChannelConfig::new());
    let channel = channels.open(1_u32);
    let remover = RemoveWhenWoken { channels: channels.clone(), bytes: AtomicUsize::new(1) };
    let remover = Arc::new(remover);
    let mut reader = join(&channel, &LastEventId::Absent);
    reader.first_frames();
    let waker = Waker::from(Arc::clone(&remover));
    assert!(reader.poll_wake(&mut Context::from_waker(&waker)).is_pending());
    channel.publish(Event::new("x".repeat(10_000))).unwrap();
    assert_eq!((remover.bytes.load(Ordering::Relaxed), channels.bytes()), (0, 0));
}

#[test]
fn the_first_look_at_a_channel_clears_nothing_that_was_just_published() {
    let channels = Channels::<u32>::new(&ChannelConfig::new().with_total_bytes(4096));
    let used = [0_u32, 1].map(|key| channels.open(key));
    for channel in &used {
        channel.publish(Event::new("x".repeat(2000))).unwrap();
    }
    assert!(channels.bytes() > 4096, "{}", channels.bytes());
    assert_eq!(used.map(|channel| channel.stats().events), [1, 1]);
}

#[test]
fn keys_that_are_opened_and_removed_over_and_over_take_no_memory() {
    let channels = Channels::<u64>::new(&keeping(10));
    for key in 0..10_000_u64 {
        channels.open(key);
        channels.remove(&key);
    }
    assert!(channels.0.lock().order.len() <= 64, "{}", channels.0.lock().order.len());
}

#[test]
fn keys_that_come_and_go_take_no_memory_and_hide_no_channel_that_is_unused() {
    let chats = Channels::<u32>::new(&keeping(1).with_idle_timeout(Duration::from_secs(60)));
    chats.open(0_u32);
    for key in 1..10_000_u32 {
        chats.open(key);
        chats.remove(&key);
    }
    let order = chats.0.lock().order.len();
    assert!(order <= 2 + LOOKS, "{order} keys in order");
    chats.advance(at(0));
    chats.advance(at(60));
    assert!(chats.is_empty());
}

#[test]
fn no_more_channels_are_dropped_than_must_be() {
    let total = 64 << 10;
    let chats = Channels::<u32>::new(&ChannelConfig::new().with_total_bytes(total));
    for key in 0..40_u32 {
        chats.open(key).publish(Event::new("x".repeat(8_000))).unwrap();
        let bytes = chats.bytes();
        assert!(bytes <= total + 10_000, "{bytes} bytes");
        assert!(key < 8 || bytes >= total - 20_000, "{bytes} bytes after key {key}");
    }
}

#[test]
fn a_channel_that_was_removed_and_opened_again_is_looked_at_once() {
    let chats = Channels::<u32>::new(&ChannelConfig::new().with_total_bytes(64 << 10));
    for key in 0..4_u32 {
        chats.open(key);
    }
    for _ in 0..20 {
        chats.remove(&0);
        chats.open(0_u32);
    }
    let keys: Vec<_> = std::iter::from_fn(|| chats.0.lock().next()).collect();
    assert_eq!(keys, [1, 2, 3, 0]);
}

#[test]
fn a_publication_and_a_new_reader_count_as_use_together() {
    let chats = Channels::<u32>::new(&keeping(10).with_idle_timeout(Duration::from_secs(60)));
    publish(&chats.open(1_u32), 1..=3);
    chats.advance(at(0));
    let chat = chats.open(1_u32);
    publish(&chat, 4..=4);
    drop(join(&chat, &LastEventId::Absent));
    drop(chat);
    chats.advance(at(60));
    assert_eq!(chats.len(), 1);
}
