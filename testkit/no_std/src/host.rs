//! An allocator and a panic handler in the place of std's, both by the C library of the host.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::panic::PanicInfo;

#[global_allocator]
static HEAP: Heap = Heap;

struct Heap;

// SAFETY: `aligned_alloc` and `free` are an allocator. The size is rounded up to a
// multiple of the alignment, as C11 7.22.3.1 requires.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let align = layout.align().max(MIN_ALIGN);
        // SAFETY: the alignment is a power of two, and as large as a pointer.
        unsafe { aligned_alloc(align, layout.size().next_multiple_of(align)).cast() }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller got it from `alloc`.
        unsafe { free(memory.cast()) }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: it has no arguments and does not return.
    unsafe { abort() }
}

/// The compiled `alloc` refers to it, for unwinding that does not happen here.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// See [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {}

/// The smallest alignment that `aligned_alloc` supports.
const MIN_ALIGN: usize = size_of::<*mut c_void>();

#[link(name = "c")]
unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
    fn abort() -> !;
}
