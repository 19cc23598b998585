//! Channels with topics, keys and several epochs: the published items, what each node's log was
//! given, and what a reader of some topics must receive.
//!
//! Clients of these channels are apart from those of feeds, and all that concerns them is drawn from
//! random numbers of its own: without them, a seed stands for the same scenario.

mod acting;
mod decision;
mod node;
mod place;
mod reader;
mod record;
mod settings;
mod subscribing;

pub(super) use node::{NodeTopics, Topics};
pub(super) use reader::TopicReader;
pub(super) use settings::{TopicAction, TopicSettings, Want};
