//! Certificates into a directory: keys for the owner alone, all files or none.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::{DevCerts, Identity, IssueError};

impl DevCerts {
    /// Writes all certificates and keys into a directory, which is made if it is missing, and
    /// returns the files.
    ///
    /// The files first get other names, so a failure leaves nothing half written; keys are never
    /// readable by others, not even for a moment. Processes that write to one directory at the same
    /// time take turns, so one's authority is never mixed with the other's server.
    ///
    /// # Errors
    ///
    /// Returns [`IssueError::Exists`] if one of the files is there and `force` is not set, and
    /// [`IssueError::Write`] if the file system refuses.
    pub fn write_to(&self, dir: impl AsRef<Path>, force: bool) -> Result<Vec<PathBuf>, IssueError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(|e| match e.kind() {
            // A file has that name.
            io::ErrorKind::AlreadyExists => failed(dir, &io::ErrorKind::NotADirectory.into()),
            _ => failed(dir, &e),
        })?;
        // Ends with this function or this process. Where a file system has no locks, there is none.
        let _turn = File::open(dir).and_then(|dir| dir.lock().map(|()| dir));

        let files = self.files(dir);
        if !force && let Some(file) = files.iter().find(|file| file.is_there()) {
            return Err(IssueError::Exists { path: file.path.clone() });
        }
        let mut made = Cleanup(Vec::new());
        for file in &files {
            file.write(&mut made)?;
        }
        for file in &files {
            fs::rename(file.temporary(), &file.path).map_err(|e| failed(&file.path, &e))?;
            made.0.push(file.path.clone());
        }
        made.0.clear();
        Ok(files.into_iter().map(|file| file.path).collect())
    }

    fn files(&self, dir: &Path) -> Vec<Output<'_>> {
        let clients = self.clients.iter().map(|(name, client)| (name.as_str(), client));
        [("ca", &self.ca), ("server", &self.server)]
            .into_iter()
            .chain(clients)
            .flat_map(|(name, identity)| Output::of(dir, name, identity))
            .collect()
    }
}

/// One file to be.
struct Output<'a> {
    path: PathBuf,
    text: &'a str,
    mode: u32,
}

impl<'a> Output<'a> {
    fn of(dir: &Path, name: &str, identity: &'a Identity) -> [Self; 2] {
        [
            Self { path: dir.join(format!("{name}.pem")), text: &identity.cert, mode: 0o644 },
            Self { path: dir.join(format!("{name}.key")), text: &identity.key, mode: 0o600 },
        ]
    }

    /// Whether something has that name, be it a link to nowhere.
    fn is_there(&self) -> bool {
        self.path.symlink_metadata().is_ok()
    }

    /// A name beside the final one, so that the rename stays within one file system.
    fn temporary(&self) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{}.tmp", std::process::id()));
        path.into()
    }

    fn write(&self, made: &mut Cleanup) -> Result<(), IssueError> {
        let path = self.temporary();
        // One of a process that was killed and had our number, as all have in containers.
        let _ = fs::remove_file(&path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.mode);
        let mut file = options.open(&path).map_err(|e| failed(&path, &e))?;
        made.0.push(path.clone());
        file.write_all(self.text.as_bytes()).map_err(|e| failed(&path, &e))
    }
}

/// Files to remove again unless all goes well.
struct Cleanup(Vec<PathBuf>);

impl Drop for Cleanup {
    fn drop(&mut self) {
        for path in &self.0 {
            // Most of them have been renamed, or were the reason of the failure.
            let _ = fs::remove_file(path);
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> IssueError {
    IssueError::Write { path: path.into(), kind: error.kind() }
}
