//! What std would have brought: memory, and an end. Both are C's, which the host has
//! anyway.

use core::alloc::{GlobalAlloc, Layout};
use core::ffi::c_void;
use core::panic::PanicInfo;

#[global_allocator]
static HEAP: Heap = Heap;

struct Heap;

// SAFETY: `aligned_alloc` and `free` are an allocator. The size is rounded up to a
// multiple of the alignment, as C11 7.22.3.1 has it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let align = layout.align().max(MIN_ALIGN);
        // SAFETY: the alignment is a power of two, and as large as a pointer.
        unsafe { aligned_alloc(align, layout.size().next_multiple_of(align)).cast() }
    }

    unsafe fn dealloc(&self, memory: *mut u8, _: Layout) {
        // SAFETY: the caller had it from `alloc`.
        unsafe { free(memory.cast()) }
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: it takes nothing, and does not return.
    unsafe { abort() }
}

/// What the compiled `alloc` would call if it unwound, which it does not.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

/// As [`rust_eh_personality`].
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() {}

/// What C takes for the least alignment.
const MIN_ALIGN: usize = size_of::<*mut c_void>();

#[link(name = "c")]
unsafe extern "C" {
    fn aligned_alloc(align: usize, size: usize) -> *mut c_void;
    fn free(memory: *mut c_void);
    fn abort() -> !;
}
