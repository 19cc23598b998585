//! The fields since the last blank line.

use alloc::vec::Vec;

use super::text::Text;

/// Fields that lie whole in the input at hand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lent<'i> {
    pub(super) data: Option<&'i [u8]>,
    pub(super) name: Option<&'i [u8]>,
    pub(super) id: Option<&'i [u8]>,
}

/// Fields that the input at hand does not hold, or not in one piece.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    data: Text,
    has_data: bool,
    name: Text,
    id: Vec<u8>,
    has_id: bool,
    is_kept: bool,
}

impl Block {
    /// Whether anything is held here, hence must be cleared.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    pub(super) fn has_data(&self) -> bool {
        self.has_data
    }

    /// The id, if there was one.
    pub(super) fn id(&self) -> Option<&[u8]> {
        self.has_id.then_some(&self.id)
    }

    /// The name and the data as text; what is not lent is held here.
    #[inline]
    pub(super) fn read<'a>(
        &'a mut self,
        name: Option<&'a [u8]>,
        data: Option<&'a [u8]>,
    ) -> (&'a str, &'a str) {
        (self.name.read(name), self.data.read(data))
    }

    /// Adds a line of data: the first one is lent, if it can be.
    #[inline]
    pub(super) fn add_data<'i>(&mut self, line: &'i [u8], lent: &mut Lent<'i>) {
        match lent.data.take() {
            None if !self.has_data => lent.data = Some(line),
            None => self.push_data(line),
            Some(first) => {
                self.push_data(first);
                self.push_data(line);
            }
        }
    }

    /// Holds what was lent, since the input ends here.
    pub(super) fn keep(&mut self, lent: Lent<'_>) {
        if let Some(line) = lent.data {
            self.push_data(line);
        }
        if let Some(name) = lent.name {
            self.is_kept = true;
            self.name.set(name);
        }
        if let Some(id) = lent.id {
            self.is_kept = true;
            self.has_id = true;
            self.id.clear();
            self.id.extend_from_slice(id);
        }
    }

    /// Holds a line of data that was put together in `line`, from `skip` on.
    /// Its bytes are not copied if it is the first.
    pub(super) fn keep_data(&mut self, line: &mut Vec<u8>, skip: usize) {
        if self.has_data {
            self.push_data(line.get(skip..).unwrap_or_default());
        } else {
            self.is_kept = true;
            self.has_data = true;
            self.data.take_over(line, skip);
        }
    }

    pub(super) fn clear(&mut self) {
        self.data.clear();
        self.has_data = false;
        self.name.clear();
        self.has_id = false;
        self.is_kept = false;
    }

    fn push_data(&mut self, line: &[u8]) {
        if self.has_data {
            self.data.push(b"\n");
        }
        self.data.push(line);
        self.has_data = true;
        self.is_kept = true;
    }
}
