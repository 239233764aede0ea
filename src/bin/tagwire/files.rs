//! Files that a person gave by name: read within bounds, and told apart from other files of that name.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Reads a file of at most `most` bytes. What is no file holds nobody up: a FIFO would, until somebody
/// writes.
///
/// # Errors
///
/// Returns why it cannot be read, is no file, is larger, or is not text.
pub(crate) fn read(path: &Path, most: u64) -> io::Result<String> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("larger than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("not text in UTF-8"))
}

/// What tells a file from another one of the same name, also behind symbolic links; `None` if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(Option<(u64, u64, u64, [i64; 4])>);

impl Stamp {
    /// Looks at a file.
    pub(crate) fn of(path: &Path) -> Self {
        // Its content and its rights: a key that everybody may read is refused until that is mended.
        let stamp = |m: fs::Metadata| {
            (m.dev(), m.ino(), m.size(), [m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec()])
        };
        Self(fs::metadata(path).ok().map(stamp))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_file_of_bounded_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "text").unwrap();
        assert_eq!(read(&file, 4).unwrap(), "text");
        assert_eq!(read(&file, 3).unwrap_err().to_string(), "larger than 3 bytes");
        fs::write(&file, [0xff]).unwrap();
        assert_eq!(read(&file, 3).unwrap_err().to_string(), "not text in UTF-8");
        assert_eq!(read(dir.path(), 3).unwrap_err().to_string(), "not a file");
        assert_eq!(read(Path::new("/dev/zero"), 3).unwrap_err().to_string(), "not a file");
        let fifo = dir.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        assert_eq!(read(&fifo, 3).unwrap_err().to_string(), "not a file");
    }

    #[test]
    fn a_stamp_follows_links_and_sees_what_takes_a_files_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        assert_eq!(Stamp::of(&path("data")), Stamp::of(&path("other")), "neither is there");
        for name in ["1", "2"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name).join("file"), "same").unwrap();
        }
        symlink("1", path("data")).unwrap();
        symlink("data/file", path("file")).unwrap();
        let before = Stamp::of(&path("file"));
        assert_eq!(before, Stamp::of(&path("file")));
        // As Kubernetes does it.
        symlink("2", path("new")).unwrap();
        fs::rename(path("new"), path("data")).unwrap();
        assert_ne!(before, Stamp::of(&path("file")));
    }
}
