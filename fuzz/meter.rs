//! How much heap a piece of work needs, by an allocator that counts.
//!
//! Not libFuzzer's `-malloc_limit_mb`: it sees Rust's allocations only through a sanitizer's hooks, which a stable
//! compiler does not have, and it knows whole MiB of one allocation, not KiB of all that live.

use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Does some work; and the most bytes of heap that were held meanwhile, above those held before. A block that
/// grows counts twice while it does.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let done = work();
    (done, HEAP.peak_usage().saturating_sub(before))
}
