//! Panics of callbacks, kept from doing more harm than they must.

#[cfg(not(feature = "std"))]
pub(super) use bare::contain;
#[cfg(feature = "std")]
pub(super) use caught::contain;

#[cfg(feature = "std")]
mod caught {
    use std::any::Any;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    /// Runs a callback, and catches its panic. The handler may be left half
    /// changed; all that it is used for after that is to say goodbye.
    pub(crate) fn contain<T>(callback: impl FnOnce() -> T) -> Result<T, Panic> {
        catch_unwind(AssertUnwindSafe(callback)).map_err(Panic)
    }

    /// What was caught. To drop it is to find the panic hook's report enough.
    pub(crate) struct Panic(Box<dyn Any + Send>);

    impl Panic {
        /// Lets the panic go on.
        pub(crate) fn resume(self) -> ! {
            resume_unwind(self.0)
        }
    }
}

#[cfg(not(feature = "std"))]
mod bare {
    use core::convert::Infallible;

    /// Runs a callback. Without std, a panic is the program's end.
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
