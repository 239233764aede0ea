//! The client's side: whom to trust, and optionally who one is.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, RootCertStore};

use super::error::TlsError;
use super::pem::Pem;
use super::server::certified_key;
use super::words::What;
use super::{Alpn, VERSIONS, provider};

/// What a client trusts and shows in a handshake. Offers `tagwire/1` by ALPN. Cheap to clone.
#[derive(Clone)]
pub struct ClientTls {
    roots: Arc<RootCertStore>,
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Trusts the authorities in a PEM file, and no others.
    ///
    /// # Errors
    ///
    /// Returns a [`TlsError`] if the file cannot be read or holds no certificate of an authority.
    pub fn with_ca_file(path: impl AsRef<Path>) -> Result<Self, TlsError> {
        Self::trusting(&Pem::from_file(What::Authorities, path.as_ref())?)
    }

    /// Trusts the authorities in PEM text, and no others.
    ///
    /// # Errors
    ///
    /// Returns a [`TlsError`] if the text holds no certificate of an authority.
    pub fn with_ca_pem(pem: &[u8]) -> Result<Self, TlsError> {
        Self::trusting(&Pem::from_bytes(What::Authorities, pem))
    }

    /// Shows a certificate, leaf first, to servers that ask for one.
    ///
    /// # Errors
    ///
    /// Returns a [`TlsError`] for what [`super::ServerTls::from_files`] refuses.
    pub fn with_identity_files(
        self,
        cert: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let cert = Pem::from_file(What::Certificate, cert.as_ref())?;
        self.identified(&cert, &Pem::from_file(What::Key, key.as_ref())?)
    }

    /// Shows a certificate from memory.
    ///
    /// # Errors
    ///
    /// Returns a [`TlsError`] for what [`super::ServerTls::from_pem`] refuses.
    pub fn with_identity_pem(self, cert: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        self.identified(&Pem::from_bytes(What::Certificate, cert), &Pem::from_bytes(What::Key, key))
    }

    /// The configuration, for whoever makes the connections.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    fn trusting(pem: &Pem) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for (i, certificate) in pem.certificates()?.into_iter().enumerate() {
            if roots.add(certificate).is_err() {
                let origin = pem.origin.clone();
                return Err(TlsError::BadCertificate { origin, number: i + 1 });
            }
        }
        Self::build(Arc::new(roots), None)
    }

    fn identified(self, cert: &Pem, key: &Pem) -> Result<Self, TlsError> {
        let (certified, _) = certified_key(cert, key)?;
        Self::build(self.roots, Some(certified.into()))
    }

    fn build(
        roots: Arc<RootCertStore>,
        identity: Option<SingleCertAndKey>,
    ) -> Result<Self, TlsError> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(VERSIONS)
            .map_err(|source| TlsError::Refused { source })?
            .with_root_certificates(Arc::clone(&roots));
        let mut config = match identity {
            Some(identity) => builder.with_client_cert_resolver(Arc::new(identity)),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![Alpn::Tagwire.as_bytes().to_vec()];
        Ok(Self { roots, config: Arc::new(config) })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("authorities", &self.roots.len()).finish_non_exhaustive()
    }
}
