//! A channel by itself: its time, and its random epoch.

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
