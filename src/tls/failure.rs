//! Why a handshake failed, in few words that can be counted.

use std::io;

use rustls::Error;

/// Why a handshake failed. The words are few and fixed, so they can be labels of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// It took too long.
    TimedOut,
    /// The peer's bytes ended before it was done.
    Closed,
    /// The socket failed, by a reset for example.
    Broken,
    /// What arrived is not TLS, or damaged.
    NotTls,
    /// The peer knows no version, cipher or key exchange that we allow.
    Incompatible,
    /// The peer offered only protocols by ALPN that this server does not speak.
    NoProtocol,
    /// The peer sent an alert: it does not trust our certificate, for example.
    Alert,
    /// The peer's certificate is missing or not good.
    Certificate,
    /// The peer broke TLS, or anything else went wrong.
    Other,
}

impl Failure {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 9] = [
        Self::TimedOut,
        Self::Closed,
        Self::Broken,
        Self::NotTls,
        Self::Incompatible,
        Self::NoProtocol,
        Self::Alert,
        Self::Certificate,
        Self::Other,
    ];

    /// The word for it in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TimedOut => "timed_out",
            Self::Closed => "closed",
            Self::Broken => "broken",
            Self::NotTls => "not_tls",
            Self::Incompatible => "incompatible",
            Self::NoProtocol => "no_protocol",
            Self::Alert => "alert",
            Self::Certificate => "certificate",
            Self::Other => "other",
        }
    }

    /// The class of an error that a handshake ended with.
    pub fn of(error: &io::Error) -> Self {
        let tls = error.get_ref().and_then(|source| source.downcast_ref::<Error>());
        match (tls, error.kind()) {
            (Some(error), _) => Self::of_tls(error),
            (None, io::ErrorKind::TimedOut) => Self::TimedOut,
            (None, io::ErrorKind::UnexpectedEof) => Self::Closed,
            (None, io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) => Self::Other,
            (None, _) => Self::Broken,
        }
    }

    fn of_tls(error: &Error) -> Self {
        match error {
            Error::InvalidMessage(_) | Error::DecryptError | Error::PeerSentOversizedRecord => {
                Self::NotTls
            }
            Error::InappropriateMessage { .. } => Self::NotTls,
            Error::PeerIncompatible(_) => Self::Incompatible,
            Error::NoApplicationProtocol => Self::NoProtocol,
            Error::AlertReceived(_) => Self::Alert,
            Error::InvalidCertificate(_)
            | Error::NoCertificatesPresented
            | Error::UnsupportedNameType
            | Error::InvalidCertRevocationList(_) => Self::Certificate,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_tls_and_of_the_socket_are_told_apart() {
        let tls = |error: Error| Failure::of(&io::Error::new(io::ErrorKind::InvalidData, error));
        assert_eq!(tls(Error::NoApplicationProtocol), Failure::NoProtocol);
        let alert = rustls::AlertDescription::UnknownCA;
        assert_eq!(tls(Error::AlertReceived(alert)), Failure::Alert);
        let io = |kind: io::ErrorKind| Failure::of(&kind.into());
        assert_eq!(io(io::ErrorKind::TimedOut), Failure::TimedOut);
        assert_eq!(io(io::ErrorKind::UnexpectedEof), Failure::Closed);
        assert_eq!(io(io::ErrorKind::ConnectionReset), Failure::Broken);
    }

    #[test]
    fn each_has_its_own_word_and_place() {
        for (i, failure) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, i);
            let same = Failure::ALL.iter().filter(|other| other.as_str() == failure.as_str());
            assert_eq!(same.count(), 1);
        }
    }
}
