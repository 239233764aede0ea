//! The Unix socket for what acts: it is its owner's alone, and a file that nobody serves is no obstacle.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener as Bound, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokio::net::UnixListener;

use super::is_nobody;

/// A bound socket.
#[derive(Debug)]
pub(super) struct Socket {
    listener: UnixListener,
    file: SocketFile,
}

/// The file of a socket, which goes with it.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and number, by which it is known: another server may have put its own in the place.
    identity: (u64, u64),
}

impl Socket {
    /// Binds a path, in place of a socket that nobody serves.
    ///
    /// # Errors
    ///
    /// Returns why there is none, with what to do: another server is there, the file is no socket, or the
    /// directory cannot be written to.
    pub(super) fn bind(path: &Path) -> anyhow::Result<Self> {
        check(path)?;
        let said = || format!("cannot make the admin socket {} (admin.socket)", path.display());
        let bound = private(path).with_context(said)?;
        let identity = identity(path).with_context(said)?;
        bound.set_nonblocking(true).with_context(said)?;
        let file = SocketFile { path: path.to_owned(), identity };
        Ok(Self { listener: UnixListener::from_std(bound).with_context(said)?, file })
    }

    pub(super) fn into_parts(self) -> (UnixListener, SocketFile) {
        (self.listener, self.file)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Looks at what is in the place of the socket.
fn check(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("admin.socket {shown}")),
        Ok(there) if !there.file_type().is_socket() => {
            bail!(
                "admin.socket {shown}: a file is there that is no socket; move it, or choose another path"
            )
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!(
            "admin.socket {shown}: another server listens there; stop it with `tagwire drain --socket \
             {shown}`, or choose another path"
        ),
        // What follows takes its place.
        Err(error) if is_nobody(&error) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("admin.socket {shown}")),
    }
}

/// Binds a socket that was never anybody else's to open: in a directory of its owner's, where it gets its
/// mode before it is moved to its place.
fn private(path: &Path) -> io::Result<Bound> {
    let dir =
        path.parent().unwrap_or_else(|| Path::new("")).join(format!(".t{}", std::process::id()));
    DirBuilder::new().mode(0o700).create(&dir)?;
    let inside = dir.join("s");
    let made = Bound::bind(&inside).and_then(|bound| {
        fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
        fs::rename(&inside, path)?;
        Ok(bound)
    });
    let _ = fs::remove_file(&inside);
    let _ = fs::remove_dir(&dir);
    made
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_its_owners_alone_and_goes_with_its_server() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        let (_listener, file) = Socket::bind(&path).unwrap().into_parts();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left there");
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_stale_one_is_replaced_and_a_live_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        drop(Bound::bind(&path).unwrap());
        let first = Socket::bind(&path).unwrap();
        let error = Socket::bind(&path).unwrap_err().to_string();
        assert!(error.contains("another server listens there"), "{error}");
        // Somebody else's file in its place is not removed with it.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        let error = Socket::bind(&path).unwrap_err().to_string();
        assert!(error.contains("no socket"), "{error}");
        drop(first);
        assert!(path.exists());
    }
}
