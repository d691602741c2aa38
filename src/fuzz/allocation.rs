//! An allocator that ends the program when one allocation is far larger than any input: "no allocation is sized by the
//! peer's word" becomes something a fuzzer can find.

use std::alloc::{GlobalAlloc, Layout, System};

/// Inputs are at most some 64 KiB; a hundred times that is still no word of the peer's.
const ALLOCATION_BYTES_MAX: usize = 8 << 20;

/// The system's allocator, with that bound.
pub struct Bounded;

fn check(bytes: usize) {
    if bytes > ALLOCATION_BYTES_MAX {
        // Must not allocate: a panic message would.
        std::process::abort();
    }
}

// SAFETY: every call goes to the system's allocator unchanged, or the program ends.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        check(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        check(bytes);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
