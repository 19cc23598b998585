//! Which task a waker wakes, in four bytes.

use std::ptr;
use std::sync::OnceLock;
use std::task::{RawWakerVTable, Waker};

/// The wakers that have an id: those of the same kind as the first one, as the wakers of one runtime
/// are, and whose data lies in the same 32 GiB.
#[derive(Clone, Debug, Default)]
pub(super) struct WakerIds(OnceLock<Kind>);

/// The id of a waker. Two wakers with the same id wake the same task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct WakerId(u32);

#[derive(Clone, Copy, Debug)]
struct Kind {
    vtable: &'static RawWakerVTable,
    /// The upper bits of the address of the data, all but the 35 that an id gives.
    upper: u64,
}

impl WakerIds {
    /// The id of a waker, if it has one. The first waker sets the kind.
    #[inline]
    pub(super) fn id(&self, waker: &Waker) -> Option<WakerId> {
        let kind = self.0.get_or_init(|| Kind::of(waker));
        if *kind == Kind::of(waker) && is_aligned(waker) { Some(WakerId::of(waker)) } else { None }
    }

    /// Whether a waker has this id.
    #[inline]
    pub(super) fn has_id(&self, waker: &Waker, id: WakerId) -> bool {
        let is_of_kind = self.0.get().is_some_and(|kind| *kind == Kind::of(waker));
        is_of_kind && WakerId::of(waker) == id && is_aligned(waker)
    }
}

impl WakerId {
    #[inline]
    fn of(waker: &Waker) -> Self {
        Self((address(waker) >> ALIGNED) as u32)
    }
}

impl Kind {
    #[inline]
    fn of(waker: &Waker) -> Self {
        Self { vtable: waker.vtable(), upper: address(waker) >> BITS }
    }
}

impl PartialEq for Kind {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(self.vtable, other.vtable) && self.upper == other.upper
    }
}

fn address(waker: &Waker) -> u64 {
    waker.data().addr() as u64
}

/// Whether an id has all bits of the address that its kind does not have.
fn is_aligned(waker: &Waker) -> bool {
    address(waker) % (1 << ALIGNED) == 0
}

/// The bits of an address that an id gives, and the lowest of them, which are zero.
const BITS: u32 = 35;
const ALIGNED: u32 = 3;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;
    use std::vec::Vec;

    use super::*;

    struct Task(#[expect(dead_code)] u64);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    struct Other;

    impl Wake for Other {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn wakers_of_one_kind_have_the_same_id_if_they_wake_the_same_task() {
        let ids = WakerIds::default();
        let tasks: Vec<_> = (0..1000).map(|n| Waker::from(Arc::new(Task(n)))).collect();
        let first = ids.id(&tasks[0]);
        assert!(first.is_some());
        for task in &tasks {
            let id = ids.id(task);
            let is_near = address(task) >> 35 == address(&tasks[0]) >> 35;
            let low_bits = (address(task) / 8 % (1 << 32)) as u32;
            assert_eq!(id, is_near.then_some(WakerId(low_bits)));
            assert_eq!(id, ids.id(&task.clone()));
            assert_eq!(id == first, task.will_wake(&tasks[0]), "{task:?}");
        }
        assert_eq!(ids.id(Waker::noop()), None);
        assert_eq!(ids.id(&Waker::from(Arc::new(Other))), None, "it is of another kind");
        assert!(WakerIds::default().id(Waker::noop()).is_some());
    }
}
