//! Numbers that are left out, random epochs, and time.

use super::*;

#[test]
fn a_channel_drops_events_that_are_too_old_when_its_time_is_set() {
    let age = Retention::new().with_age(Duration::from_secs(160));
    let news = channel(ChannelConfig::new().with_retention(age));
    assert_eq!(news.deadline(), None);
    publish(&news, 1..=1);
    assert_eq!(news.deadline(), Some(at(0)), "the time was never set");
    news.advance(at(0));
    assert_eq!(news.deadline(), Some(at(10 + 160)));
    news.advance(at(170));
    assert_eq!((news.stats().events, news.deadline()), (0, None));
}

#[test]
fn a_random_epoch_has_eight_letters_and_digits_or_a_few_less() {
    let lens = [(); 32].map(|()| Channel::new(&ChannelConfig::new()).epoch().as_str().len());
    assert!(lens.iter().all(|len| *len <= 8) && lens.iter().any(|len| *len >= 7), "{lens:?}");
}

#[test]
fn numbers_that_are_left_out_are_a_hole_unless_they_were_never_used() {
    let news = channel(keeping(10));
    publish(&news, 1..=1);
    let mut reader = join(&news, &last("k-1"));
    news.skip_unused(3).unwrap();
    assert_eq!(news.publish(Event::new("4")).unwrap(), id("k-4"));
    assert_eq!(read(&mut reader), "data: 4\nid: k-4\n\n");
    news.publish_hole_up_to(6).unwrap();
    assert_eq!(news.publish(Event::new("7")).unwrap(), id("k-7"));
    assert!(read(&mut reader).contains("\"reason\":\"hole\""));
    assert_eq!(read(&mut reader), "data: 7\nid: k-7\n\n");
}
