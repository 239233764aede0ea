//! Which certificate `serve` uses. A decision over what is known; it neither reads nor makes one.
//!
//! Certificates in `certs/` are used on any address: the error that sends people to `tagwire certs` must be
//! cured by it. Only making them unasked is kept to loopback, where nobody else can be misled by them.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Where development certificates live, under the working directory.
pub(crate) const DIR: &str = "certs";

/// Which certificate to serve with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CertChoice {
    /// The one that was asked for.
    Given { cert: PathBuf, key: PathBuf },
    /// The one in `certs/`.
    Found { cert: PathBuf, key: PathBuf },
    /// None is there: make development certificates in this directory, say so, and use them.
    Make { dir: PathBuf },
}

impl CertChoice {
    /// The files of the certificate and of its key.
    pub(crate) fn files(&self) -> (PathBuf, PathBuf) {
        match self {
            Self::Given { cert, key } | Self::Found { cert, key } => (cert.clone(), key.clone()),
            Self::Make { dir } => (dir.join("server.pem"), dir.join("server.key")),
        }
    }

    /// The CA's certificate that clients need, where this program knows it.
    pub(crate) fn ca(&self) -> Option<PathBuf> {
        match self {
            Self::Given { .. } => None,
            Self::Found { cert, .. } => Some(cert.with_file_name("ca.pem")),
            Self::Make { dir } => Some(dir.join("ca.pem")),
        }
    }
}

/// What is in `certs/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// `server.pem` and `server.key`.
    Both,
    /// `server.pem` without its key.
    CertOnly,
    /// `server.key` without its certificate.
    KeyOnly,
    /// Neither.
    Neither,
}

impl Existing {
    /// Looks into a directory.
    pub(crate) fn look(dir: &Path) -> Self {
        match (dir.join("server.pem").exists(), dir.join("server.key").exists()) {
            (true, true) => Self::Both,
            (true, false) => Self::CertOnly,
            (false, true) => Self::KeyOnly,
            (false, false) => Self::Neither,
        }
    }
}

/// Why there is no certificate to serve with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoCertificate {
    /// None was given or found, and others could reach this address.
    Missing { listen: IpAddr },
    /// Half of a pair: making another would overwrite it.
    Half { there: &'static str, missing: &'static str },
}

impl fmt::Display for NoCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { listen } => write!(
                f,
                "no certificate for {listen}: pass --cert FILE --key FILE, or make certificates for \
                 development with `tagwire certs --host NAME`"
            ),
            Self::Half { there, missing } => write!(
                f,
                "{DIR}/{there} is there but {DIR}/{missing} is not: put it back, make a new pair with \
                 `tagwire certs --force`, or pass --cert FILE --key FILE"
            ),
        }
    }
}

impl Error for NoCertificate {}

/// Chooses the certificate for an address.
///
/// # Errors
///
/// Returns [`NoCertificate`] where there is none and none may be made.
pub(crate) fn choose(
    listen: IpAddr,
    given: Option<(PathBuf, PathBuf)>,
    existing: Existing,
) -> Result<CertChoice, NoCertificate> {
    if let Some((cert, key)) = given {
        return Ok(CertChoice::Given { cert, key });
    }
    let dir = PathBuf::from(DIR);
    match existing {
        Existing::Both => {
            Ok(CertChoice::Found { cert: dir.join("server.pem"), key: dir.join("server.key") })
        }
        Existing::CertOnly => {
            Err(NoCertificate::Half { there: "server.pem", missing: "server.key" })
        }
        Existing::KeyOnly => {
            Err(NoCertificate::Half { there: "server.key", missing: "server.pem" })
        }
        // ::ffff:127.0.0.1 is loopback too.
        Existing::Neither if listen.to_canonical().is_loopback() => Ok(CertChoice::Make { dir }),
        Existing::Neither => Err(NoCertificate::Missing { listen }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: [&str; 4] = ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"];
    const ELSEWHERE: [&str; 4] = ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1"];
    const ALL: [Existing; 4] =
        [Existing::Both, Existing::CertOnly, Existing::KeyOnly, Existing::Neither];

    fn chosen(listen: &str, existing: Existing) -> Result<CertChoice, NoCertificate> {
        choose(listen.parse().unwrap(), None, existing)
    }

    #[test]
    fn what_was_given_is_used_whatever_is_there() {
        for existing in ALL {
            let given = Some(("a.pem".into(), "a.key".into()));
            let choice = choose("192.0.2.1".parse().unwrap(), given, existing).unwrap();
            assert_eq!(choice, CertChoice::Given { cert: "a.pem".into(), key: "a.key".into() });
            assert_eq!(choice.ca(), None);
        }
    }

    #[test]
    fn what_is_there_is_used_on_any_address() {
        let (cert, key) = ("certs/server.pem".into(), "certs/server.key".into());
        let found = CertChoice::Found { cert, key };
        assert_eq!(found.ca(), Some("certs/ca.pem".into()));
        for listen in LOOPBACK.into_iter().chain(ELSEWHERE) {
            assert_eq!(chosen(listen, Existing::Both), Ok(found.clone()), "{listen}");
        }
    }

    #[test]
    fn only_loopback_makes_its_own() {
        for listen in LOOPBACK {
            let make = CertChoice::Make { dir: "certs".into() };
            assert_eq!(chosen(listen, Existing::Neither), Ok(make), "{listen}");
        }
        for listen in ELSEWHERE {
            let error = chosen(listen, Existing::Neither).unwrap_err().to_string();
            assert!(error.contains("tagwire certs"), "{error}");
        }
    }

    #[test]
    fn half_a_pair_is_never_overwritten() {
        for listen in LOOPBACK.into_iter().chain(ELSEWHERE) {
            let error = chosen(listen, Existing::CertOnly).unwrap_err().to_string();
            assert!(error.starts_with("certs/server.pem is there"), "{error}");
            let error = chosen(listen, Existing::KeyOnly).unwrap_err().to_string();
            assert!(error.starts_with("certs/server.key is there"), "{error}");
        }
    }
}
