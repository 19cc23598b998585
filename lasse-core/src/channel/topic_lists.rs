//! The readers of each topic, so that publishing wakes no other reader.

use std::vec::Vec;

use super::waiters::Ticket;

/// A list of readers for each topic. A reader enters the lists of all its topics together, and leaves
/// them in constant time each.
///
/// A link is the number of a node plus one, or [`NONE`].
#[derive(Debug, Default)]
pub(super) struct TopicLists {
    nodes: Vec<Node>,
    /// The first of the free nodes, each of which links the next as its sibling.
    free: u32,
    /// The link to the first node of each topic, by its number.
    heads: Vec<u32>,
}

/// One reader of one topic.
#[derive(Debug)]
struct Node {
    reader: Ticket,
    /// The link to the node before it in the list of the topic. The first node has the number of the
    /// topic here, with [`FIRST`].
    before: u32,
    /// The link to the node after it.
    next: u32,
    /// The link to the next node of the same reader.
    sibling: u32,
}

impl TopicLists {
    /// Enters a reader. Returns the link to its first node, by which it leaves.
    pub(super) fn join(&mut self, reader: Ticket, topics: &[u32]) -> u32 {
        topics.iter().fold(NONE, |sibling, topic| self.insert(reader, *topic, sibling))
    }

    /// Takes out a reader.
    pub(super) fn leave(&mut self, first: u32) {
        let mut link = first;
        while link != NONE {
            link = self.remove(link);
        }
    }

    /// The readers of a topic.
    pub(super) fn readers_of(&self, topic: u32) -> impl Iterator<Item = Ticket> {
        let node = |link: u32| self.nodes.get(link.checked_sub(1)? as usize);
        let head = self.heads.get(topic as usize).copied().unwrap_or(NONE);
        std::iter::successors(node(head), move |last| node(last.next)).map(|node| node.reader)
    }

    fn insert(&mut self, reader: Ticket, topic: u32, sibling: u32) -> u32 {
        if self.heads.len() <= topic as usize {
            self.heads.resize(topic as usize + 1, NONE);
        }
        let next = self.heads.get(topic as usize).copied().unwrap_or(NONE);
        let node = Node { reader, before: topic | FIRST, next, sibling };
        let free = self.free;
        let link = match self.node(free) {
            Some(place) => {
                let next_free = std::mem::replace(place, node).sibling;
                self.free = next_free;
                free
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len()).unwrap_or(NONE)
            }
        };
        if let Some(next) = self.node(next) {
            next.before = link;
        }
        self.set_next(topic | FIRST, link);
        link
    }

    /// Takes out a node, and returns the link to the next one of its reader.
    fn remove(&mut self, link: u32) -> u32 {
        let free = self.free;
        let Some(node) = self.node(link) else { return NONE };
        let sibling = std::mem::replace(&mut node.sibling, free);
        let (before, next) = (node.before, node.next);
        self.free = link;
        if let Some(next) = self.node(next) {
            next.before = before;
        }
        self.set_next(before, next);
        sibling
    }

    /// Sets what follows a node, or the first node of a topic.
    fn set_next(&mut self, before: u32, next: u32) {
        let place = match before & FIRST {
            0 => self.node(before).map(|node| &mut node.next),
            _ => self.heads.get_mut((before & !FIRST) as usize),
        };
        if let Some(place) = place {
            *place = next;
        }
    }

    fn node(&mut self, link: u32) -> Option<&mut Node> {
        self.nodes.get_mut(link.checked_sub(1)? as usize)
    }
}

const NONE: u32 = 0;

/// The bit of a number that is that of a topic.
const FIRST: u32 = 1 << 31;

#[cfg(test)]
mod tests {
    use super::super::waiters::Waiters;
    use super::*;

    #[test]
    fn each_topic_has_the_readers_that_have_entered_it_and_not_left() {
        let (mut lists, mut waiters) = (TopicLists::default(), Waiters::default());
        let readers = [(); 4].map(|()| waiters.join());
        let topics = [&[0, 7][..], &[7], &[], &[7, 2, 0]];
        let firsts: Vec<_> = (0..4).map(|nth| lists.join(readers[nth], topics[nth])).collect();
        let count = |lists: &TopicLists| [0, 2, 7, 9].map(|topic| lists.readers_of(topic).count());
        assert_eq!(count(&lists), [2, 1, 3, 0]);
        lists.leave(firsts[1]);
        lists.leave(firsts[2]);
        assert_eq!(count(&lists), [2, 1, 2, 0]);
        let again = lists.join(readers[1], &[2]);
        lists.leave(firsts[0]);
        assert_eq!(count(&lists), [1, 2, 1, 0]);
        lists.leave(firsts[3]);
        lists.leave(again);
        assert_eq!((count(&lists), lists.nodes.len()), ([0; 4], 6));
    }
}
