//! Whether a command names a program that can be run: said at start, not with the first request.

use std::env;
use std::fmt;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// Why a pool of processes cannot be had. All of them are the local user's to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcessError {
    /// The command is an empty list, or its program an empty string.
    NoCommand,
    /// There is no such program.
    NotFound {
        /// As the command names it.
        program: String,
    },
    /// There is such a file, but it may not be run.
    NotExecutable {
        /// The file.
        path: PathBuf,
    },
    /// A pool was started outside of a tokio runtime.
    NoRuntime,
}

/// Looks for the program as the operating system will: by its path if it has a `/`, else on `PATH`.
pub(super) fn check(command: &[String]) -> Result<(), ProcessError> {
    let program = command.first().filter(|program| !program.is_empty());
    let program = program.ok_or(ProcessError::NoCommand)?;
    // Elsewhere the rules are others (extensions, for one); there the start itself tells.
    if !cfg!(unix) {
        return Ok(());
    }
    let candidates = if program.contains('/') {
        vec![PathBuf::from(program)]
    } else {
        // The library reads no environment for its own sake; here the operating system would.
        let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
        env::split_paths(&path).map(|folder| folder.join(program)).collect()
    };
    match runnable(&candidates) {
        Some((_, true)) => Ok(()),
        Some((path, false)) => Err(ProcessError::NotExecutable { path: path.to_owned() }),
        None => Err(ProcessError::NotFound { program: program.clone() }),
    }
}

/// The first file that may be run, or else the first that is there.
fn runnable(candidates: &[PathBuf]) -> Option<(&Path, bool)> {
    let files = || {
        candidates.iter().filter_map(|path| {
            let metadata = path.metadata().ok().filter(Metadata::is_file)?;
            Some((path.as_path(), is_executable(&metadata)))
        })
    };
    files().find(|(_, executable)| *executable).or_else(|| files().next())
}

#[cfg(unix)]
fn is_executable(file: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;

    file.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    true
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => {
                f.write_str("no command for the processes: name a program and its arguments")
            }
            Self::NotFound { program } if program.contains('/') => {
                write!(f, "no program at {program:?}: check the path, which is taken from the ")?;
                f.write_str("folder that the server was started in")
            }
            Self::NotFound { program } => {
                write!(f, "no program {program:?} on PATH: install it, or name it by its path")
            }
            Self::NotExecutable { path } => {
                let path = path.display();
                write!(f, "{path} may not be run: `chmod +x {path}`, or name its interpreter first")
            }
            Self::NoRuntime => f.write_str("processes need a tokio runtime: start them within one"),
        }
    }
}

impl std::error::Error for ProcessError {}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail")]

    use std::fs;

    use super::*;

    fn check_one(program: &str) -> Result<(), ProcessError> {
        check(&[program.to_owned(), "argument".to_owned()])
    }

    #[test]
    fn programs_are_found_on_the_path_or_by_theirs() {
        assert_eq!(check_one("sh"), Ok(()));
        assert_eq!(check_one("/bin/sh"), Ok(()));
    }

    #[test]
    fn what_cannot_be_run_is_named_with_what_to_do() {
        assert_eq!(check(&[]), Err(ProcessError::NoCommand));
        assert_eq!(check_one(""), Err(ProcessError::NoCommand));
        for program in ["no-such-program", "./no/such/path"] {
            let error = check_one(program).unwrap_err();
            assert_eq!(error, ProcessError::NotFound { program: program.to_owned() });
            assert!(error.to_string().contains(program), "{error}");
        }
    }

    #[test]
    fn a_folder_or_a_file_without_permission_is_no_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script");
        fs::write(&path, "#!/bin/sh\n").unwrap();
        let error = check_one(path.to_str().unwrap()).unwrap_err();
        assert_eq!(error, ProcessError::NotExecutable { path });
        assert!(error.to_string().contains("chmod +x"), "{error}");
        let folder = folder.path().to_str().unwrap();
        let not_found = ProcessError::NotFound { program: folder.to_owned() };
        assert_eq!(check_one(folder), Err(not_found));
    }
}
