//! PEM files into DER: the one place that names `rustls_pemfile`. Knows sections, not what they mean.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_pemfile::{Error, Item};

use super::error::TlsError;
use super::words::{Origin, PemFault, What};

/// Bytes of a file that are read at most. 1 MiB: a chain of ten certificates takes some 20 KiB.
const LIMIT: u64 = 1 << 20;

/// PEM text and where it came from.
#[derive(Debug)]
pub(super) struct Pem {
    text: Vec<u8>,
    what: What,
    pub(super) origin: Origin,
}

impl Pem {
    /// Takes text that is in memory already.
    pub(super) fn from_bytes(what: What, text: &[u8]) -> Self {
        Self { text: text.to_vec(), what, origin: Origin::Bytes(what) }
    }

    /// Reads a file; a key's only if not every user may.
    pub(super) fn from_file(what: What, path: &Path) -> Result<Self, TlsError> {
        let failed = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => TlsError::Missing { what, path: path.into() },
            kind => TlsError::Unreadable { path: path.into(), kind },
        };
        let file = open(path).map_err(|e| failed(&e))?;
        if !file.metadata().map_err(|e| failed(&e))?.is_file() {
            return Err(TlsError::NotAFile { what, path: path.into() });
        }
        if what == What::Key {
            check_mode(&file, path).map_err(|e| failed(&e))??;
        }
        let mut text = Vec::new();
        file.take(LIMIT + 1).read_to_end(&mut text).map_err(|e| failed(&e))?;
        if text.len() as u64 > LIMIT {
            return Err(TlsError::TooLarge { path: path.into(), limit: LIMIT });
        }
        Ok(Self { text, what, origin: Origin::File(path.into()) })
    }

    /// All certificates, in the order of the text: at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let mut certificates = Vec::new();
        let mut others = false;
        for item in self.items()? {
            match item {
                Item::X509Certificate(certificate) => certificates.push(certificate),
                _ => others = true,
            }
        }
        match (certificates.is_empty(), others || self.has_encrypted_key()) {
            (false, _) => Ok(certificates),
            (true, true) => Err(self.wrong(What::Key)),
            (true, false) => Err(self.nothing()),
        }
    }

    /// The private key: PKCS#8, SEC1 or PKCS#1, exactly one. Certificates beside it are passed over.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        if self.has_encrypted_key() {
            return Err(TlsError::EncryptedKey { origin: self.origin.clone() });
        }
        let mut keys = Vec::new();
        let mut certificates = false;
        for item in self.items()? {
            match item {
                Item::Pkcs8Key(key) => keys.push(PrivateKeyDer::Pkcs8(key)),
                Item::Sec1Key(key) => keys.push(PrivateKeyDer::Sec1(key)),
                Item::Pkcs1Key(key) => keys.push(PrivateKeyDer::Pkcs1(key)),
                Item::X509Certificate(_) => certificates = true,
                _ => {}
            }
        }
        match (keys.pop(), keys.len()) {
            (Some(key), 0) => Ok(key),
            (Some(_), more) => {
                Err(TlsError::SeveralKeys { origin: self.origin.clone(), count: more + 1 })
            }
            (None, _) if certificates => Err(self.wrong(What::Certificate)),
            (None, _) => Err(self.nothing()),
        }
    }

    fn items(&self) -> Result<Vec<Item>, TlsError> {
        let mut rest = self.text.as_slice();
        let mut items = Vec::new();
        loop {
            match rustls_pemfile::read_one_from_slice(rest) {
                Ok(Some((item, after))) => {
                    items.push(item);
                    rest = after;
                }
                Ok(None) => return Ok(items),
                Err(error) => {
                    let fault = match error {
                        Error::MissingSectionEnd { .. } => PemFault::NoEnd,
                        Error::IllegalSectionStart { .. } => PemFault::BadBegin,
                        Error::Base64Decode(_) => PemFault::BadBase64,
                    };
                    return Err(TlsError::BadPem { origin: self.origin.clone(), fault });
                }
            }
        }
    }

    /// Both forms: PKCS#8 says so in its BEGIN line, the older ones in a header that is not base64.
    fn has_encrypted_key(&self) -> bool {
        let contains = |needle: &[u8]| self.text.windows(needle.len()).any(|w| w == needle);
        contains(b"-----BEGIN ENCRYPTED PRIVATE KEY-----") || contains(b"Proc-Type: 4,ENCRYPTED")
    }

    fn wrong(&self, found: What) -> TlsError {
        TlsError::Wrong { what: self.what, origin: self.origin.clone(), found }
    }

    fn nothing(&self) -> TlsError {
        let (what, origin) = (self.what, self.origin.clone());
        if self.text.iter().all(u8::is_ascii_whitespace) {
            TlsError::Empty { what, origin }
        } else {
            TlsError::NotPem { what, origin }
        }
    }
}

/// Opens a file for reading. What is no file must not hold anybody up: a FIFO would, until somebody writes.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, libc::O_NONBLOCK);
    options.read(true).open(path)
}

/// Refuses a key that every user may read, and warns of one that a group may.
///
/// A group is accepted because supervisors and container mounts hand keys over that way: as files of root's,
/// which are not warned of, since whoever runs the server could not change them.
#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> io::Result<Result<(), TlsError>> {
    use std::os::unix::fs::MetadataExt;

    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o777;
    if mode & 0o004 != 0 {
        return Ok(Err(TlsError::ReadableByOthers { path: path.into(), mode }));
    }
    if mode & 0o040 != 0 && metadata.uid() != 0 {
        tracing::warn!(path = %path.display(), mode = %format_args!("{mode:04o}"),
            "the group of the private key's file may read it; `chmod 600` unless that is meant");
    }
    Ok(Ok(()))
}

#[cfg(not(unix))]
fn check_mode(_: &File, _: &Path) -> io::Result<Result<(), TlsError>> {
    Ok(Ok(()))
}
