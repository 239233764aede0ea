//! Certificates for development: a private authority, a server's, some clients'. In memory; the
//! files are made in `write.rs`.

mod error;
mod write;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber, date_time_ymd,
};
use rustls::pki_types::DnsName;

pub use error::IssueError;

use super::since_epoch;

/// Names that every server certificate has.
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The client that is always made.
const CLIENT: &str = "client";

/// Clocks of machines that share a development certificate differ by less.
const BACK: Duration = Duration::from_secs(3600);

const DAY: Duration = Duration::from_secs(86_400);

/// Most days of a certificate: 100 years. More only finds where other software's dates end.
const MAX_DAYS: u32 = 36_525;

/// What to issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Names and addresses of the server, beside `localhost`, `127.0.0.1` and `::1`.
    pub hosts: Vec<String>,
    /// Clients, beside `client`. Each name is also that of two files.
    pub clients: Vec<String>,
    /// Days from now that the certificates are valid. 365, below the 398 that browsers allow public
    /// authorities; one added by hand, as this one is, may have more.
    pub days: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { hosts: Vec::new(), clients: Vec::new(), days: 365 }
    }
}

/// A private authority and what it issued, as PEM text with ECDSA P-256 keys.
#[derive(Clone)]
pub struct DevCerts {
    /// The authority: what clients trust, `ca.pem` and `ca.key`.
    pub ca: Identity,
    /// The server, `server.pem` and `server.key`.
    pub server: Identity,
    /// The clients by name, `NAME.pem` and `NAME.key`; `client` is the first.
    pub clients: Vec<(String, Identity)>,
    /// The last second of all of them, since 1970.
    pub not_after: i64,
}

/// A certificate and its private key, as PEM text.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub cert: String,
    /// The private key, PKCS#8.
    pub key: String,
}

impl DevCerts {
    /// Makes new keys, a new authority, and its certificates.
    ///
    /// # Errors
    ///
    /// Returns an [`IssueError`] if a host, a client's name or the number of days cannot be used.
    pub fn issue(options: &Options) -> Result<Self, IssueError> {
        if !(1..=MAX_DAYS).contains(&options.days) {
            return Err(IssueError::Days { days: options.days, limit: MAX_DAYS });
        }
        let hosts = alternative_names(&options.hosts)?;
        let names = client_names(&options.clients)?;

        let term = Term::starting_now(options.days);
        let authority = Authority::new(&term)?;
        let server = authority.server(hosts, &term)?;
        let mut clients = Vec::with_capacity(names.len());
        for name in names {
            let identity = authority.client(&name, &term)?;
            clients.push((name, identity));
        }
        Ok(Self { ca: authority.identity, server, clients, not_after: term.not_after() })
    }
}

impl std::fmt::Debug for DevCerts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the keys: whoever logs a value with `{:?}` does not think of them.
        f.debug_struct("DevCerts").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("cert", &self.cert).finish_non_exhaustive()
    }
}

/// When certificates are valid, as time since 1970.
struct Term {
    from: Duration,
    until: Duration,
}

impl Term {
    fn starting_now(days: u32) -> Self {
        let now = since_epoch();
        Self { from: now.saturating_sub(BACK), until: now.saturating_add(DAY * days) }
    }

    fn not_after(&self) -> i64 {
        i64::try_from(self.until.as_secs()).unwrap_or(i64::MAX)
    }

    /// What all three kinds of certificate share.
    fn params(&self, name: &str) -> CertificateParams {
        let whole =
            |time: Duration| date_time_ymd(1970, 1, 1) + Duration::from_secs(time.as_secs());
        let mut params = CertificateParams::default();
        params.not_before = whole(self.from);
        params.not_after = whole(self.until);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }
}

/// The authority while it issues.
struct Authority {
    identity: Identity,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(term: &Term) -> Result<Self, IssueError> {
        // Its own name each time: trust stores look authorities up by name, and an old one with the
        // same name but another key makes them report a bad signature.
        let [a, b, c, d] = random()?;
        let mut params =
            term.params(&format!("tagwire development CA {a:02x}{b:02x}{c:02x}{d:02x}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        let key = new_key()?;
        let identity = Identity { cert: params.self_signed(&key)?.pem(), key: key.serialize_pem() };
        Ok(Self { identity, issuer: Issuer::new(params, key) })
    }

    fn server(&self, names: Vec<SanType>, term: &Term) -> Result<Identity, IssueError> {
        let mut params = term.params("tagwire development server");
        params.subject_alt_names = names;
        self.leaf(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn client(&self, name: &str, term: &Term) -> Result<Identity, IssueError> {
        let mut params = term.params(name);
        // A URI: the name of a client is not that of a host. (Where there is no DNS name, OpenSSL
        // compares hosts with the common name; the key usage is what stops that.)
        params.subject_alt_names =
            vec![SanType::URI(format!("tagwire://client/{name}").try_into()?)];
        self.leaf(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn leaf(
        &self,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Identity, IssueError> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(serial()?);
        let key = new_key()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity { cert: certificate.pem(), key: key.serialize_pem() })
    }
}

fn new_key() -> Result<KeyPair, IssueError> {
    Ok(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?)
}

/// 16 random bytes that are a positive number of full length, as RFC 5280 and browsers want it.
fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes: [u8; 16] = random()?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

fn random<const N: usize>() -> Result<[u8; N], IssueError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| IssueError::Random)?;
    Ok(bytes)
}

/// The server's names, each once.
fn alternative_names(hosts: &[String]) -> Result<Vec<SanType>, IssueError> {
    let mut names = Vec::new();
    for host in LOCAL.into_iter().chain(hosts.iter().map(String::as_str)) {
        let name = match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => {
                // A wildcard stands for one label, and only the first.
                let plain = host.strip_prefix("*.").unwrap_or(host);
                if DnsName::try_from(plain).is_err() {
                    return Err(IssueError::Host { host: host.into() });
                }
                SanType::DnsName(host.to_ascii_lowercase().try_into()?)
            }
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// The clients' names, each once, `client` first.
fn client_names(clients: &[String]) -> Result<Vec<String>, IssueError> {
    let mut names: Vec<String> = vec![CLIENT.into()];
    for name in clients {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let plain = (1..=64).contains(&name.len())
            && name.bytes().all(allowed)
            && !name.starts_with(['.', '-']);
        // Without case: some file systems do not tell `Server.pem` from `server.pem`.
        let taken = ["ca", "server"].iter().any(|other| name.eq_ignore_ascii_case(other));
        if !plain || taken {
            return Err(IssueError::Client { name: name.clone() });
        }
        if !names.iter().any(|other| name.eq_ignore_ascii_case(other)) {
            names.push(name.clone());
        }
    }
    Ok(names)
}
