//! A reader whose client takes every event for one of the application.

use std::string::String;

use super::Subscriber;
use crate::channel::notice::reset_data;

impl Subscriber {
    /// The same subscriber, without notices. If the client cannot resume, returns the data of its
    /// reset instead.
    pub(in crate::channel) fn without_notices(mut self) -> Result<Self, String> {
        self.terms.omit_notices();
        let reset = self.rare.opening().and_then(|opening| {
            Some(reset_data(opening.reset?, opening.requested.id(), opening.at.as_ref()))
        });
        reset.map_or(Ok(self), Err)
    }
}
