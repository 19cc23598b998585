//! `Bytes`: a buffer of a fixed size, which a connection contains without an allocation.

/// Up to `N` bytes; further ones are dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

impl<const N: usize> Bytes<N> {
    pub(crate) fn push(&mut self, more: &[u8]) {
        let start = usize::from(self.len);
        let len = more.len().min(N - start);
        self.bytes[start..start + len].copy_from_slice(&more[..len]);
        self.len += len as u8;
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self { bytes: [0; N], len: 0 }
    }
}
