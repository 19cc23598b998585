//! The users in each room.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lasse::{Channel, Event, EventName};
use tokio::runtime::Handle;
use tokio::time::sleep;

const ENTER: EventName = EventName::from_static("enter");
const LEAVE: EventName = EventName::from_static("leave");

/// How many streams each user has in each room. A stream counts for a few seconds after its end,
/// since a page that is loaded again is only away for a moment.
#[derive(Clone, Default)]
pub(crate) struct Presence(Arc<Mutex<HashMap<Place, usize>>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    room: String,
    user: String,
}

/// One stream of a user in a room.
pub(crate) struct Present {
    presence: Presence,
    channel: Channel,
    place: Place,
}

impl Presence {
    /// Counts a stream, and announces the user if it is the first.
    pub(crate) fn enter(&self, channel: &Channel, room: String, user: String) -> Present {
        let place = Place { room, user };
        let mut streams = self.lock();
        let count = streams.entry(place.clone()).or_default();
        *count += 1;
        if *count == 1 {
            announce(channel, ENTER, &place);
        }
        Present { presence: self.clone(), channel: channel.clone(), place }
    }

    fn leave(&self, channel: &Channel, place: &Place) {
        let mut streams = self.lock();
        let Some(count) = streams.get_mut(place) else { return };
        *count -= 1;
        if *count == 0 {
            streams.remove(place);
            announce(channel, LEAVE, place);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        // Without a runtime, the program ends.
        let Ok(runtime) = Handle::try_current() else { return };
        let Self { presence, channel, place } = &*self;
        let (presence, channel, place) = (presence.clone(), channel.clone(), place.clone());
        runtime.spawn(async move {
            sleep(GRACE).await;
            presence.leave(&channel, &place);
        });
    }
}

fn announce(channel: &Channel, name: EventName, place: &Place) {
    // If the room is closed, nobody reads this.
    let _ = channel.publish(Event::new(place.user.as_str()).with_name(name));
}

/// How long a user stays present after the end of their last stream.
const GRACE: Duration = Duration::from_secs(3);
