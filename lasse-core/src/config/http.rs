//! How requests are answered.

use http::{HeaderName, HeaderValue};

use super::{InvalidConfig, StreamConfig};
use crate::request::{Answers, is_framing};

impl StreamConfig {
    /// Sets a header of every answer, refusals included, instead of ours of that
    /// name, if there is one. The application's own responses keep theirs.
    ///
    /// # Errors
    ///
    /// When the header is one by which the adapter frames the message:
    /// `content-length`, `transfer-encoding`, `connection`.
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Result<Self, InvalidConfig> {
        if is_framing(&name) {
            return Err(InvalidConfig("a header that frames the message is the adapter's"));
        }
        Ok(self.change_answers(|answers| {
            answers.headers.append(name, value);
        }))
    }

    /// Whether to answer `406 Not Acceptable` to a client whose `Accept` excludes
    /// event streams, instead of streaming all the same.
    #[must_use]
    pub fn with_strict_accept(self, strict: bool) -> Self {
        self.change_answers(|answers| answers.strict_accept = strict)
    }

    /// Whether a POST is answered by a stream, as clients expect that send a
    /// question in the body.
    #[must_use]
    pub fn with_post(self, post: bool) -> Self {
        self.change_answers(|answers| answers.post = post)
    }

    fn change_answers(self, change: impl FnOnce(&mut Answers)) -> Self {
        self.change(|settings| change(&mut settings.answers))
    }
}
