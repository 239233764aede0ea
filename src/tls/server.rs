//! The server's side: a configuration that is checked before it is used.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::error::TlsError;
use super::pem::Pem;
use super::words::What;
use super::{Alpn, VERSIONS, chain, provider};

/// What a server shows and accepts in a handshake. Cheap to clone; never changes, a reload makes another.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    chain: Arc<[CertificateDer<'static>]>,
    not_after: i64,
}

impl ServerTls {
    /// Reads a certificate with its chain, leaf first, and the leaf's private key.
    ///
    /// # Errors
    ///
    /// Returns a [`TlsError`] that names the file and says what to do: for files that are missing,
    /// unreadable, too large, empty or of the wrong kind, a key that every user may read, and for all
    /// that [`ServerTls::from_pem`] finds.
    pub fn from_files(cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self, TlsError> {
        let cert = Pem::from_file(What::Certificate, cert.as_ref())?;
        Self::build(&cert, &Pem::from_file(What::Key, key.as_ref())?)
    }

    /// Takes the same from memory.
    ///
    /// # Errors
    ///
    /// Returns a [`TlsError`] if the PEM is damaged, key and certificate or the chain's certificates
    /// do not belong together, one of them is not valid today, or the key cannot be used.
    pub fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Self::build(&Pem::from_bytes(What::Certificate, cert), &Pem::from_bytes(What::Key, key))
    }

    /// The configuration, for whoever makes the connections.
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// The leaf's last second, since 1970.
    pub fn not_after(&self) -> i64 {
        self.not_after
    }

    /// Whether both show the same certificates, and so have the same key: to exchange one for the other
    /// would only make everybody's tickets worthless.
    pub fn shows_same_as(&self, other: &Self) -> bool {
        self.chain == other.chain
    }

    fn build(cert: &Pem, key: &Pem) -> Result<Self, TlsError> {
        let (certified, not_after) = certified_key(cert, key)?;
        let chain = certified.cert.as_slice().into();
        let refused = |source| TlsError::Refused { source };
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .map_err(refused)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        config.alpn_protocols = Alpn::ALL.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        // Many clients put AES-256 first out of habit; the server pays for thousands of them.
        config.ignore_client_order = true;
        // The clients keep the sessions. One ticket: who comes back gets a new one each time.
        config.ticketer = Ticketer::new().map_err(refused)?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        // Early data can be replayed, and a publish must not be.
        config.max_early_data_size = 0;
        Ok(Self { config: Arc::new(config), chain, not_after })
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

/// A chain with the key of its leaf, checked, and the leaf's last second.
pub(super) fn certified_key(cert: &Pem, key: &Pem) -> Result<(CertifiedKey, i64), TlsError> {
    let certificates = cert.certificates()?;
    let private = key.key()?;
    let not_after = chain::check(&certificates, &cert.origin)?;
    let private = provider()
        .key_provider
        .load_private_key(private)
        .map_err(|source| TlsError::UnsupportedKey { origin: key.origin.clone(), source })?;
    let certified = CertifiedKey::new(certificates, private);
    match certified.keys_match() {
        Ok(()) => Ok((certified, not_after)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::KeyMismatch { cert: cert.origin.clone(), key: key.origin.clone() })
        }
        Err(source) => Err(TlsError::Refused { source }),
    }
}
