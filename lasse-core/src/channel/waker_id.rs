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
    /// The id of a waker, if it has one.
    pub(super) fn id(&self, waker: &Waker) -> Option<WakerId> {
        let address = waker.data().addr() as u64;
        let upper = address >> BITS;
        let kind = self.0.get_or_init(|| Kind { vtable: waker.vtable(), upper });
        let is_usual = ptr::eq(kind.vtable, waker.vtable()) && kind.upper == upper;
        let is_aligned = address % (1 << ALIGNED) == 0;
        (is_usual && is_aligned).then_some(WakerId((address >> ALIGNED) as u32))
    }
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

    #[test]
    fn wakers_of_one_kind_have_the_same_id_if_they_wake_the_same_task() {
        let ids = WakerIds::default();
        let tasks: Vec<_> = (0..1000).map(|n| Waker::from(Arc::new(Task(n)))).collect();
        let first = ids.id(&tasks[0]);
        assert!(first.is_some());
        for task in &tasks {
            let id = ids.id(task);
            assert_eq!(id, ids.id(&task.clone()));
            assert_eq!(id == first, task.will_wake(&tasks[0]), "{task:?}");
        }
        assert_eq!(ids.id(Waker::noop()), None);
        assert!(WakerIds::default().id(Waker::noop()).is_some());
    }
}
