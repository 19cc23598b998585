//! The readers of each topic, so that publishing wakes only those that want it.

use std::vec::Vec;

use super::waiters::Ticket;

/// A list of readers for each topic. A reader enters the lists of all its topics together, and leaves
/// them in constant time each.
#[derive(Debug, Default)]
pub(super) struct TopicLists {
    nodes: Vec<Node>,
    /// The first of the free nodes, each of which has the next as its sibling.
    free: Option<u32>,
    /// The first node of each topic, by its number, plus one. Zero, if there is none.
    heads: Vec<u32>,
}

/// One reader of one topic.
#[derive(Debug)]
struct Node {
    reader: Ticket,
    topic: u32,
    /// The neighbours in the list of the topic, plus one.
    before: u32,
    next: u32,
    /// The next node of the same reader.
    sibling: Option<u32>,
}

impl TopicLists {
    /// Enters a reader. Returns its first node, by which it leaves.
    pub(super) fn join(&mut self, reader: Ticket, topics: &[u32]) -> Option<u32> {
        topics.iter().fold(None, |sibling, topic| Some(self.insert(reader, *topic, sibling)))
    }

    /// Takes out a reader.
    pub(super) fn leave(&mut self, first: Option<u32>) {
        let mut next = first;
        while let Some(nth) = next {
            next = self.remove(nth);
        }
    }

    /// The readers of a topic.
    pub(super) fn readers_of(&self, topic: u32) -> impl Iterator<Item = Ticket> {
        let head = self.heads.get(topic as usize).copied().unwrap_or_default();
        let node = |link: u32| self.nodes.get(link.checked_sub(1)? as usize);
        let nodes = std::iter::successors(node(head), move |last| node(last.next));
        nodes.map(|node| node.reader)
    }

    fn insert(&mut self, reader: Ticket, topic: u32, sibling: Option<u32>) -> u32 {
        if self.heads.len() <= topic as usize {
            self.heads.resize(topic as usize + 1, 0);
        }
        let next = self.heads.get(topic as usize).copied().unwrap_or_default();
        let node = Node { reader, topic, before: 0, next, sibling };
        let free = self.free.and_then(|nth| Some((nth, self.nodes.get_mut(nth as usize)?)));
        let nth = match free {
            Some((nth, place)) => {
                self.free = std::mem::replace(place, node).sibling;
                nth
            }
            None => {
                self.nodes.push(node);
                u32::try_from(self.nodes.len() - 1).unwrap_or(u32::MAX)
            }
        };
        self.link(topic, 0, nth + 1);
        self.link(topic, nth + 1, next);
        nth
    }

    /// Takes out a node, and returns the next one of its reader.
    fn remove(&mut self, nth: u32) -> Option<u32> {
        let free = self.free;
        let node = self.nodes.get_mut(nth as usize)?;
        let sibling = std::mem::replace(&mut node.sibling, free);
        let (topic, before, next) = (node.topic, node.before, node.next);
        self.free = Some(nth);
        self.link(topic, before, next);
        sibling
    }

    /// Makes two nodes of a topic neighbours.
    fn link(&mut self, topic: u32, before: u32, next: u32) {
        let index = |link: u32| link.checked_sub(1).map(|nth| nth as usize);
        let link = match index(before) {
            Some(before) => self.nodes.get_mut(before).map(|node| &mut node.next),
            None => self.heads.get_mut(topic as usize),
        };
        if let Some(link) = link {
            *link = next;
        }
        if let Some(node) = index(next).and_then(|next| self.nodes.get_mut(next)) {
            node.before = before;
        }
    }
}

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
