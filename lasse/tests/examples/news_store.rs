//! The store of the example `news`, on a file that fails on demand.

#[path = "../../examples/news/store.rs"]
#[expect(dead_code, reason = "the example opens files")]
mod store;

use std::cell::RefCell;
use std::error::Error;
use std::io;
use std::rc::Rc;

use store::{Medium, Store};

#[test]
fn a_line_is_written_and_synced_before_it_is_published() {
    let disk = Disk::default();
    let mut store = disk.store();
    let published = disk.clone();
    let outcome = store.append("one", || Ok(published.0.borrow().synced.clone()));
    assert_eq!(outcome.unwrap(), b"one\n");
}

#[test]
fn a_line_that_cannot_be_written_is_removed() {
    for room in 0..4 {
        let disk = Disk::default();
        let mut store = disk.store();
        assert!(append(&mut store, "one").is_ok());
        disk.fail(|faults| faults.room = Some(room));
        assert!(append(&mut store, "two").is_err(), "{room} bytes of room");
        assert_eq!(disk.bytes(), b"one\n");
        disk.fail(|faults| faults.room = None);
        assert!(append(&mut store, "three").is_ok());
        assert_eq!(disk.bytes(), b"one\nthree\n");
    }
}

#[test]
fn a_line_that_cannot_be_synced_is_removed() {
    let disk = Disk::default();
    let mut store = disk.store();
    disk.fail(|faults| faults.syncs_to_fail = 1);
    assert!(append(&mut store, "one").is_err());
    assert_eq!(disk.bytes(), b"");
    assert!(append(&mut store, "two").is_ok());
    assert_eq!(disk.bytes(), b"two\n");
}

#[test]
fn a_line_that_cannot_be_published_is_removed() {
    let disk = Disk::default();
    let mut store = disk.store();
    let refused: Result<(), _> = store.append("one", || Err("the channel is finished".into()));
    assert!(refused.is_err());
    assert_eq!(disk.bytes(), b"");
}

#[test]
fn nothing_is_written_behind_a_line_that_cannot_be_removed() {
    let disk = Disk::default();
    let mut store = disk.store();
    assert!(append(&mut store, "one").is_ok());
    disk.fail(|faults| (faults.room, faults.is_stuck) = (Some(2), true));
    assert!(append(&mut store, "two").is_err());
    assert_eq!(disk.bytes(), b"one\ntw");
    disk.fail(|faults| faults.room = None);
    assert!(append(&mut store, "three").is_err());
    assert_eq!(disk.bytes(), b"one\ntw");
    disk.fail(|faults| faults.is_stuck = false);
    assert!(append(&mut store, "four").is_ok());
    assert_eq!(disk.bytes(), b"one\nfour\n");
}

#[test]
fn a_panic_of_the_publisher_does_not_leave_its_line() {
    let disk = Disk::default();
    let mut store = disk.store();
    let panicking = std::panic::AssertUnwindSafe(|| {
        let _: Result<(), _> = store.append("one", || panic!("on purpose"));
    });
    assert!(std::panic::catch_unwind(panicking).is_err());
    assert!(append(&mut store, "two").is_ok());
    assert_eq!(disk.bytes(), b"two\n");
}

fn append(store: &mut Store<Disk>, line: &str) -> Result<(), Box<dyn Error>> {
    store.append(line, || Ok(()))
}

/// A file in memory, which fails on demand.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    synced: Vec<u8>,
    faults: Faults,
}

#[derive(Default)]
struct Faults {
    /// How many bytes still fit.
    room: Option<usize>,
    syncs_to_fail: u32,
    /// Whether the file cannot be cut.
    is_stuck: bool,
}

impl Disk {
    fn store(&self) -> Store<Self> {
        Store::new(self.clone(), 0)
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.borrow().bytes.clone()
    }

    fn fail(&self, change: impl FnOnce(&mut Faults)) {
        change(&mut self.0.borrow_mut().faults);
    }
}

impl Medium for Disk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        let room = state.faults.room.unwrap_or(bytes.len());
        let fitting = bytes.get(..room).unwrap_or(bytes);
        state.bytes.extend_from_slice(fitting);
        if fitting.len() < bytes.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.faults.syncs_to_fail > 0 {
            state.faults.syncs_to_fail -= 1;
            return Err(io::ErrorKind::Other.into());
        }
        state.synced = state.bytes.clone();
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut state = self.0.borrow_mut();
        if state.faults.is_stuck {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        state.bytes.truncate(len as usize);
        Ok(())
    }
}
