//! Tells when files have changed: their directories are watched, because files are replaced more often than
//! written (renames, and links as Kubernetes swaps them); and they are looked at now and then, because not
//! every change can be watched: one on a network's file system, or behind a link to a directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::{sleep, timeout};

use crate::files::Stamp;

/// How long nothing must happen for a change to be over, and after how long it is looked at all the same.
const SETTLED: Duration = Duration::from_millis(200);
const AT_LAST: Duration = Duration::from_secs(1);
/// How often files are looked at without being told.
const LOOK: Duration = Duration::from_secs(10);

/// Files, and how they were when somebody last looked.
#[derive(Debug)]
pub(super) struct Watch {
    files: Vec<PathBuf>,
    seen: Vec<Stamp>,
    events: Receiver<()>,
    /// Sends events as long as it lives; `None` where directories cannot be watched.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches files, as they are now. Where that cannot be, a warning says so.
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        let (ring, events) = mpsc::channel(1);
        let tell = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| is_change(event.kind)) {
                // One that waits to be seen is as good as many.
                let _ = ring.try_send(());
            }
        };
        let watcher = watcher(tell, &files)
            .inspect_err(|error| {
                tracing::warn!(%error, every = ?LOOK, "cannot watch for new files: they are looked at instead");
            })
            .ok();
        let seen = stamps(&files);
        Self { files, seen, events, _watcher: watcher }
    }

    /// Waits until a file is another one than when somebody looked.
    pub(super) async fn changed(&mut self) {
        loop {
            tokio::select! {
                Some(()) = self.events.recv() => self.settle().await,
                () = sleep(LOOK) => {}
            }
            if self.now().await != self.seen {
                return;
            }
        }
    }

    /// Takes note of how the files are now; to be called before they are read.
    pub(super) async fn look(&mut self) {
        self.seen = self.now().await;
    }

    async fn now(&self) -> Vec<Stamp> {
        // A file system may take its time.
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || stamps(&files)).await.unwrap_or_default()
    }

    /// Waits until nothing more happens: a certificate and its key are written one after the other.
    async fn settle(&mut self) {
        let quiet =
            async { while let Ok(Some(())) = timeout(SETTLED, self.events.recv()).await {} };
        let _ = timeout(AT_LAST, quiet).await;
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Stamp> {
    files.iter().map(|path| Stamp::of(path)).collect()
}

/// Whether an event may have changed a file. Reading one is an event too, also when it is us who read.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn watcher(
    tell: impl FnMut(notify::Result<Event>) + Send + 'static,
    files: &[PathBuf],
) -> notify::Result<RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(tell)?;
    let mut directories: Vec<_> = files.iter().map(|file| directory(file)).collect();
    directories.sort();
    directories.dedup();
    for directory in directories {
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

/// The directory in which a file is entered.
fn directory(file: &Path) -> &Path {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Whether a change is told, and not only found by looking.
    async fn is_told(watch: &mut Watch) -> bool {
        timeout(LOOK, watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn a_file_that_is_written_renamed_or_removed_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path("file"), "1").unwrap();
        let mut watch = Watch::new(vec![path("file"), path("later")]);
        fs::write(path("file"), "22").unwrap();
        assert!(is_told(&mut watch).await, "written");
        watch.look().await;
        fs::write(path("new"), "333").unwrap();
        fs::rename(path("new"), path("file")).unwrap();
        assert!(is_told(&mut watch).await, "renamed");
        watch.look().await;
        fs::write(path("later"), "").unwrap();
        assert!(is_told(&mut watch).await, "made");
        watch.look().await;
        fs::remove_file(path("file")).unwrap();
        assert!(is_told(&mut watch).await, "removed");
    }

    #[tokio::test]
    async fn a_link_that_is_swapped_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["..1", "..2"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("tls.crt"), name).unwrap();
        }
        symlink("..1", path("..data")).unwrap();
        symlink("..data/tls.crt", path("tls.crt")).unwrap();
        let mut watch = Watch::new(vec![path("tls.crt")]);
        symlink("..2", path("..new")).unwrap();
        fs::rename(path("..new"), path("..data")).unwrap();
        assert!(is_told(&mut watch).await);
    }

    #[test]
    fn who_reads_changes_nothing() {
        let access = |access| is_change(EventKind::Access(access));
        assert!(!access(AccessKind::Open(AccessMode::Any)));
        assert!(!access(AccessKind::Close(AccessMode::Read)));
        assert!(access(AccessKind::Close(AccessMode::Write)));
        assert!(is_change(EventKind::Any));
    }
}
