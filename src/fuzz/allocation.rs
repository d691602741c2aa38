//! An allocator that ends the program if one allocation is far larger than any input: so a fuzzer can find an allocation
//! that is sized by a length from the peer. A target may bound the sum of what is allocated at a time, too (`within`).

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Inputs are at most some 64 KiB; a hundred times that is still not a length announced by the input.
const ALLOCATION_BYTES_MAX: usize = 8 << 20;

/// The system's allocator, with that bound.
pub struct Bounded;

/// Bytes that are allocated, and how many may be.
static LIVE: AtomicUsize = AtomicUsize::new(0);
static LIVE_MAX: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Runs something that may have so many bytes more than are allocated now.
pub fn within<T>(bytes: usize, run: impl FnOnce() -> T) -> T {
    LIVE_MAX.store(LIVE.load(Relaxed).saturating_add(bytes), Relaxed);
    let done = run();
    LIVE_MAX.store(usize::MAX, Relaxed);
    done
}

fn check(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed).saturating_add(bytes);
    if bytes > ALLOCATION_BYTES_MAX || live > LIVE_MAX.load(Relaxed) {
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
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, bytes) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}
