//! The process as the kernel sees it, under the names that all of Prometheus' libraries use.

/// What the kernel says of this process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Process {
    pub(super) cpu_seconds: f64,
    pub(super) resident_bytes: u64,
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
    pub(super) start_seconds: f64,
}

impl Process {
    /// Asks the kernel; `None` where it does not say.
    #[cfg(target_os = "linux")]
    pub(super) fn now() -> Option<Self> {
        use procfs::process::{LimitValue, Process};
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let ticks = procfs::ticks_per_second() as f64;
        let booted = procfs::boot_time_secs().ok()?;
        let max_fds = match process.limits().ok()?.max_open_files.soft_limit {
            LimitValue::Value(most) => most,
            LimitValue::Unlimited => u64::MAX,
        };
        Some(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
            resident_bytes: stat.rss.saturating_mul(procfs::page_size()),
            open_fds: process.fd_count().ok()? as u64,
            max_fds,
            start_seconds: booted as f64 + stat.starttime as f64 / ticks,
        })
    }

    /// Asks nobody: other systems have no `/proc`.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Option<Self> {
        None
    }
}
