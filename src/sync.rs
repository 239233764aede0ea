//! The two things that every thread shares: a clock and a lock. Owners of a clock come through here.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// The monotonic clock; tests may pause it (`tokio::time::pause`).
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since 1970, or 0 on a machine whose clock is before that.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
pub(crate) fn wall_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Locks, also after a panic under the lock: no critical section here runs code of a user's, and each
/// leaves its data whole at every step that can fail.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
