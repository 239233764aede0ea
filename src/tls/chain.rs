//! Whether certificates belong together and are in date. Trusts nothing and nobody: that is the
//! peer's part, this only finds what every peer would refuse.

use rustls::pki_types::CertificateDer;
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;
use x509_parser::x509::X509Version;

use super::error::TlsError;
use super::words::Origin;
use super::{provider, since_epoch};

/// Checks a chain, leaf first, and returns the leaf's last second since 1970.
pub(super) fn check(chain: &[CertificateDer<'_>], origin: &Origin) -> Result<i64, TlsError> {
    let mut parsed = Vec::with_capacity(chain.len());
    for (i, der) in chain.iter().enumerate() {
        let Some(certificate) = parse(der) else {
            return Err(TlsError::BadCertificate { origin: origin.clone(), number: i + 1 });
        };
        parsed.push(certificate);
    }
    // Before the dates: in a file of the wrong certificates, whose date it is says nothing.
    for (i, pair) in parsed.windows(2).enumerate() {
        if let [certificate, issuer] = pair {
            check_issued(certificate, issuer, origin, i + 1)?;
        }
    }
    let now = i64::try_from(since_epoch().as_secs()).unwrap_or(i64::MAX);
    for (i, certificate) in parsed.iter().enumerate() {
        check_dates(certificate, now, origin, i + 1)?;
    }
    Ok(parsed.first().map_or(0, |leaf| {
        warn_of_leaf(leaf, origin);
        leaf.validity().not_after.timestamp()
    }))
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    let (rest, certificate) = parse_x509_certificate(der).ok()?;
    (rest.is_empty() && certificate.version() == X509Version::V3).then_some(certificate)
}

fn check_issued(
    certificate: &X509Certificate<'_>,
    issuer: &X509Certificate<'_>,
    origin: &Origin,
    number: usize,
) -> Result<(), TlsError> {
    let (origin, name) = (origin.clone(), certificate.issuer().to_string());
    if certificate.issuer().as_raw() != issuer.subject().as_raw() {
        let next = issuer.subject().to_string();
        return Err(TlsError::BrokenChain { origin, number, issuer: name, next });
    }
    if signed_by(certificate, issuer) == Some(false) {
        return Err(TlsError::ForgedChain { origin, number, issuer: name });
    }
    Ok(())
}

/// Whether the issuer's key made the signature; `None` if its algorithm is not one of ours, which
/// then is for the peers to judge.
fn signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> Option<bool> {
    let oid = certificate.signature_algorithm.algorithm.as_bytes();
    let key = issuer.public_key().subject_public_key.data.as_ref();
    let (message, signature) =
        (certificate.tbs_certificate.as_ref(), certificate.signature_value.data.as_ref());
    let mut known = false;
    for algorithm in provider().signature_verification_algorithms.all {
        // The identifier is DER: tag 6, a length of one byte, the OID, then parameters.
        let id = algorithm.signature_alg_id();
        if id.as_ref().get(2..).is_some_and(|id| id.starts_with(oid)) {
            known = true;
            // One OID serves several curves; the key fits only its own.
            if algorithm.verify_signature(key, message, signature).is_ok() {
                return Some(true);
            }
        }
    }
    known.then_some(false)
}

fn check_dates(
    certificate: &X509Certificate<'_>,
    now: i64,
    origin: &Origin,
    number: usize,
) -> Result<(), TlsError> {
    let validity = certificate.validity();
    let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    let origin = origin.clone();
    if now > not_after {
        return Err(TlsError::Expired { origin, number, not_after });
    }
    if now < not_before {
        return Err(TlsError::NotYetValid { origin, number, not_before, now });
    }
    Ok(())
}

/// Warns of what some peers accept and others do not, so that the first refusal is no riddle.
fn warn_of_leaf(leaf: &X509Certificate<'_>, origin: &Origin) {
    if leaf.is_ca() {
        tracing::warn!(%origin, "the first certificate is an authority's (CA:TRUE); clients made \
            with rustls refuse it as a server's, `tagwire certs` makes one that all accept");
    }
    if !matches!(leaf.subject_alternative_name(), Ok(Some(_))) {
        tracing::warn!(%origin, "the first certificate names no host (subjectAltName); browsers \
            and most libraries refuse it, whatever its common name");
    }
}
