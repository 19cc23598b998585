//! Catches panics of callbacks.

#[cfg(not(feature = "std"))]
pub(crate) use bare::contain;
#[cfg(feature = "std")]
pub(crate) use caught::contain;

#[cfg(feature = "std")]
mod caught {
    use std::any::Any;
    use std::boxed::Box;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    /// Runs a callback and catches its panic. What the callback captured may be
    /// in any state after a panic.
    pub(crate) fn contain<T>(callback: impl FnOnce() -> T) -> Result<T, Panic> {
        catch_unwind(AssertUnwindSafe(callback)).map_err(Panic)
    }

    /// A caught panic. The panic hook has reported it, so it may be dropped.
    pub(crate) struct Panic(Box<dyn Any + Send>);

    impl Panic {
        /// Continues the panic.
        pub(crate) fn resume(self) -> ! {
            resume_unwind(self.0)
        }
    }
}

#[cfg(not(feature = "std"))]
mod bare {
    use core::convert::Infallible;

    /// Runs a callback. Without std, a panic ends the program.
    pub(crate) fn contain<T>(callback: impl FnOnce() -> T) -> Result<T, Panic> {
        Ok(callback())
    }

    pub(crate) struct Panic(Infallible);

    impl Panic {
        pub(crate) fn resume(self) -> ! {
            match self.0 {}
        }
    }
}
