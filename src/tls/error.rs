//! What can be wrong with certificates and keys: one variant for each, with what the message needs.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::words::{Date, Origin, PemFault, What};

/// Why a server's or a client's TLS cannot be set up. All of them are the local user's to mend.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TlsError {
    /// There is no such file.
    Missing {
        /// What was to be read from it.
        what: What,
        /// The file.
        path: PathBuf,
    },
    /// The file is there, but reading it failed.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
    /// There is something else than a file: a directory, a FIFO, a device.
    NotAFile {
        /// What was to be read from it.
        what: What,
        /// Where.
        path: PathBuf,
    },
    /// The file is larger than any chain or key.
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes that are read at most.
        limit: u64,
    },
    /// Users other than the owner and the group may read the key.
    ReadableByOthers {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Nothing but white space.
    Empty {
        /// What was expected.
        what: What,
        /// Where.
        origin: Origin,
    },
    /// Not a single PEM section that could be meant.
    NotPem {
        /// What was expected.
        what: What,
        /// Where.
        origin: Origin,
    },
    /// A PEM section is damaged.
    BadPem {
        /// Where.
        origin: Origin,
        /// How.
        fault: PemFault,
    },
    /// Good PEM, but of the other kind: most often the two files are swapped.
    Wrong {
        /// What was expected.
        what: What,
        /// Where.
        origin: Origin,
        /// What is there instead.
        found: What,
    },
    /// More than one private key: which one is meant cannot be known.
    SeveralKeys {
        /// Where.
        origin: Origin,
        /// How many.
        count: usize,
    },
    /// The key is protected by a passphrase, which nobody could type at a server's start.
    EncryptedKey {
        /// Where.
        origin: Origin,
    },
    /// A key that cannot sign a handshake: of another kind or size, or damaged.
    UnsupportedKey {
        /// Where.
        origin: Origin,
        /// What the TLS library says.
        source: rustls::Error,
    },
    /// A PEM section holds something that is not an X.509 version 3 certificate.
    BadCertificate {
        /// Where.
        origin: Origin,
        /// The section's number, from 1.
        number: usize,
    },
    /// The certificate was made for another key.
    KeyMismatch {
        /// The certificate's place.
        cert: Origin,
        /// The key's place.
        key: Origin,
    },
    /// A certificate was not issued by the one that follows it.
    BrokenChain {
        /// Where.
        origin: Origin,
        /// The certificate's number, from 1.
        number: usize,
        /// Who issued it.
        issuer: String,
        /// Whose certificate follows.
        next: String,
    },
    /// The next certificate has the issuer's name but not its key.
    ForgedChain {
        /// Where.
        origin: Origin,
        /// The certificate's number, from 1.
        number: usize,
        /// Who is said to have issued it.
        issuer: String,
    },
    /// The certificate is too old.
    Expired {
        /// Where.
        origin: Origin,
        /// The certificate's number, from 1.
        number: usize,
        /// Its last second, since 1970.
        not_after: i64,
    },
    /// The certificate begins in the future, or the clock is wrong.
    NotYetValid {
        /// Where.
        origin: Origin,
        /// The certificate's number, from 1.
        number: usize,
        /// Its first second, since 1970.
        not_before: i64,
        /// The clock's second, since 1970.
        now: i64,
    },
    /// The TLS library refuses the configuration for a reason that has no variant of its own.
    Refused {
        /// What it says.
        source: rustls::Error,
    },
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { what, path } => {
                write!(f, "no {what} at {}: make one with `tagwire certs`, ", path.display())?;
                write!(f, "or name the file you have")
            }
            Self::Unreadable { path, kind } => write!(f, "cannot read {}: {kind}", path.display()),
            Self::NotAFile { what, path } => {
                write!(f, "{} is not a file: name the one that holds the {what}", path.display())
            }
            Self::TooLarge { path, limit } => {
                write!(f, "{} is larger than {limit} bytes: ", path.display())?;
                f.write_str("not a certificate or key in PEM, check the path")
            }
            Self::ReadableByOthers { path, mode } => {
                let path = path.display();
                write!(f, "every user may read the private key {path} (mode {mode:04o}): ")?;
                write!(f, "run `chmod 600 {path}`, and replace the key if others had access")
            }
            Self::Empty { what, origin } => {
                write!(f, "{origin} is empty, expected a {what}: make one with `tagwire certs`")
            }
            Self::NotPem { what, origin } => {
                let begin = if *what == What::Key { "PRIVATE KEY" } else { "CERTIFICATE" };
                write!(f, "no {what} in {origin}: expected PEM text with a line ")?;
                write!(f, "-----BEGIN {begin}-----; `openssl` can convert other forms")
            }
            Self::BadPem { origin, fault } => {
                write!(f, "damaged PEM in {origin}: {fault}; copy the file again")
            }
            Self::Wrong { what, origin, found } => {
                write!(f, "{origin} holds a {found}, not a {what}: ")?;
                f.write_str("are the certificate's and the key's file swapped?")
            }
            Self::SeveralKeys { origin, count } => {
                write!(f, "{count} private keys in {origin}: keep the one of the certificate")
            }
            Self::EncryptedKey { origin } => {
                write!(f, "the private key in {origin} has a passphrase: remove it with ")?;
                f.write_str("`openssl pkey -in KEY -out PLAIN`, and `chmod 600` the result")
            }
            Self::UnsupportedKey { origin, .. } => {
                write!(
                    f,
                    "cannot use the private key in {origin}: expected ECDSA P-256, P-384 or "
                )?;
                f.write_str("P-521, Ed25519, or RSA of at least 2048 bits")
            }
            Self::BadCertificate { origin, number } => {
                write!(f, "certificate {number} in {origin} is not X.509 version 3: issue it again")
            }
            Self::KeyMismatch { cert, key } => {
                write!(
                    f,
                    "the private key in {key} does not belong to the certificate in {cert}: "
                )?;
                f.write_str("name the key it was issued for (the server's certificate comes first)")
            }
            Self::BrokenChain { origin, number, issuer, next } => {
                write!(
                    f,
                    "certificate {number} in {origin} was issued by {issuer:?}, but the next "
                )?;
                write!(f, "one is of {next:?}: put the server's first, then each one's issuer")
            }
            Self::ForgedChain { origin, number, issuer } => {
                write!(
                    f,
                    "certificate {number} in {origin} was not signed by the key of the next "
                )?;
                write!(f, "one, though both say {issuer:?}: use the issuer's current certificate")
            }
            Self::Expired { origin, number, not_after } => {
                write!(f, "certificate {number} in {origin} expired on {}: ", Date(*not_after))?;
                f.write_str("renew it, or make one for development with `tagwire certs --force`")
            }
            Self::NotYetValid { origin, number, not_before, now } => {
                write!(
                    f,
                    "certificate {number} in {origin} is not valid before {}",
                    Date(*not_before)
                )?;
                write!(f, ", and this clock says {}: wait, or set the clock", Date(*now))
            }
            Self::Refused { .. } => f.write_str("the TLS library refuses the configuration"),
        }
    }
}

impl std::error::Error for TlsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::UnsupportedKey { source, .. } | Self::Refused { source } => Some(source),
            _ => None,
        }
    }
}
