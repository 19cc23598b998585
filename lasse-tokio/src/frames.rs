//! A channel as a `Stream`, for those who want no handler.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use lasse_core::{Ending, Frame, Read, Subscriber};

/// What a [`Subscriber`] reads, as a stream of frames, each of one event or
/// several. It ends when the channel is finished; that it is cut short is the last
/// thing it yields.
///
/// # Examples
///
/// ```
/// # use std::future::poll_fn;
/// # use std::pin::Pin;
/// use futures_core::Stream;
/// use lasse_tokio::Frames;
/// use lasse_tokio::lasse_core::{Channel, ChannelConfig, Event, LastEventId, StartAt, Subscription};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let news = Channel::new(&ChannelConfig::new().with_start(StartAt::Oldest));
/// news.finish_with(&Event::new("The end."))?;
/// let Subscription::Stream(subscriber) = news.subscribe(&LastEventId::Absent) else {
///     return Ok(());
/// };
/// let mut frames = Frames::new(subscriber);
/// # let mut next = async || poll_fn(|cx| Pin::new(&mut frames).poll_next(cx)).await;
/// # assert!(next().await.is_some_and(|position| position.is_ok()));
/// # let the_end = next().await.transpose()?;
/// # assert!(the_end.is_some_and(|frame| frame.as_bytes().starts_with(b"data: The end.\n")));
/// # assert_eq!(next().await, None);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Frames(Option<Subscriber>);

impl Frames {
    /// What `subscriber` reads.
    pub fn new(subscriber: Subscriber) -> Self {
        Self(Some(subscriber))
    }
}

impl Stream for Frames {
    type Item = Result<Frame, CutShort>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self(slot) = self.get_mut();
        let Some(subscriber) = slot else { return Poll::Ready(None) };
        let cut_short = match ready!(subscriber.poll_read(cx)) {
            Read::Events(frame) => return Poll::Ready(Some(Ok(frame))),
            Read::Over(Ending::Finished) => None,
            Read::Over(Ending::Aborted) => Some(Err(CutShort::Aborted)),
            // A reader that is told to wait is not ready.
            Read::Lagged | Read::Wait => Some(Err(CutShort::Lagged)),
        };
        *slot = None;
        Poll::Ready(cut_short)
    }
}

/// Why there are no more frames, though there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutShort {
    /// The reader was too slow: what should come next is kept no more. To resume
    /// is to be told of it.
    Lagged,
    /// The channel was aborted.
    Aborted,
}

impl fmt::Display for CutShort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lagged => "the reader is too slow for what the channel keeps",
            Self::Aborted => "the channel was aborted",
        })
    }
}

impl Error for CutShort {}
