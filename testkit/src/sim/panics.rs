//! Panics of tasks, wherever they run: tokio keeps those of tasks that nobody joins to itself.

use std::cell::RefCell;
use std::panic::{self, PanicHookInfo};
use std::sync::Once;

thread_local! {
    /// The panics of the simulation that runs on this thread.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// The payload of a panic that is part of a scenario.
#[derive(Debug)]
pub(super) struct Planned;

/// Records the panics of this thread until it is dropped, instead of reporting them.
pub(super) struct Recorder(());

impl Recorder {
    pub(super) fn new() -> Self {
        HOOK.call_once(|| {
            let others = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                if !record(info) {
                    others(info);
                }
            }));
        });
        PANICS.with_borrow_mut(|panics| *panics = Some(Vec::new()));
        Self(())
    }

    /// The first panic, if there was one.
    pub(super) fn first(&self) -> Option<String> {
        PANICS.with_borrow(|panics| panics.as_ref()?.first().cloned())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        PANICS.with_borrow_mut(|panics| *panics = None);
    }
}

fn record(info: &PanicHookInfo<'_>) -> bool {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    PANICS.with_borrow_mut(|panics| match panics {
        Some(_) if payload.is::<Planned>() => true,
        Some(panics) => {
            panics.push(format!("a panic at {place}: {text}"));
            true
        }
        None => false,
    })
}
