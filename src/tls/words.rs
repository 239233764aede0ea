//! What the messages of this module are made of: what a file is for, where it is, a fault, a date.

use std::fmt;
use std::path::PathBuf;

use x509_parser::time::ASN1Time;

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A certificate with its chain.
    Certificate,
    /// A private key.
    Key,
    /// Certificates of authorities to trust.
    Authorities,
}

/// Where PEM text came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// Bytes that the program handed over.
    Bytes(What),
}

/// How a PEM section is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemFault {
    /// Its `-----END` line is missing: the file is cut off.
    NoEnd,
    /// Its `-----BEGIN` line is not well formed.
    BadBegin,
    /// What stands between the two lines is not base64.
    BadBase64,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::Key => "private key",
            Self::Authorities => "CA certificate",
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Bytes(what) => write!(f, "the bytes given as {what}"),
        }
    }
}

impl fmt::Display for PemFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEnd => "a section has no END line",
            Self::BadBegin => "a BEGIN line is not well formed",
            Self::BadBase64 => "a section is not base64",
        })
    }
}

/// Seconds since 1970 that display as a person reads them, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date(pub i64);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(date) = ASN1Time::from_timestamp(self.0) else {
            return write!(f, "second {} since 1970", self.0);
        };
        let date = date.to_datetime();
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        let (hour, minute, second) = date.to_hms();
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}
