//! Safe connections, as `libpq` spells them.
//!
//! <https://www.postgresql.org/docs/current/libpq-ssl.html>. Certificates are
//! read at each connection, so that renewed ones count without a restart. The handshake is
//! rustls', and the driver knows TLS or none: what is checked of a certificate in which
//! mode is said here.

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// How safe a connection has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    /// Never TLS.
    Disable,
    /// TLS only where the server wants it.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS, with any certificate unless a file of authorities is there.
    Require,
    /// TLS, with a certificate of a known authority.
    VerifyCa,
    /// TLS, with a certificate of a known authority for this host.
    VerifyFull,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => {
                return Err(
                    "sslmode is one of disable, allow, prefer, require, verify-ca, verify-full".to_owned()
                );
            }
        })
    }
}

/// A file that was named and must be there, or the user's, which need not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// The URL or a variable names it.
    Named(PathBuf),
    /// Where it is unless one is named; none without a home folder.
    OfUser(Option<PathBuf>),
}

impl File {
    /// The file, if it is there or has to be.
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Named(path) => Some(path),
            Self::OfUser(path) => path.as_deref().filter(|path| path.exists()),
        }
    }
}

/// Whom to believe about a server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Roots {
    /// The authorities in a file.
    In(File),
    /// Those of the system.
    OfSystem,
}

/// What is wanted of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    pub(super) roots: Roots,
    /// The certificate by which a server may know its client, and its key.
    pub(super) certificate: File,
    pub(super) key: File,
}

/// What of a server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Nothing,
    Authority,
    AuthorityAndName,
}

impl Tls {
    /// Makes what connects so; says which file is missing or wrong.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, String> {
        let provider = Arc::new(ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match self.client_certificate()? {
            Some((chain, key)) => config.with_client_auth_cert(chain, key).map_err(|error| {
                format!("the certificate of this client and its key do not fit together: {error}")
            })?,
            None => config.with_no_client_auth(),
        };
        Ok(MakeRustlsConnect::new(config))
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<Verifier>, String> {
        let (check, roots) = match (self.mode, &self.roots) {
            (Mode::Disable | Mode::Allow | Mode::Prefer, _) => (Check::Nothing, None),
            (_, Roots::OfSystem) => (Check::AuthorityAndName, Some(system_roots()?)),
            (mode, Roots::In(file)) => match file.path() {
                Some(path) if mode == Mode::VerifyFull => (Check::AuthorityAndName, Some(roots_in(path)?)),
                Some(path) => (Check::Authority, Some(roots_in(path)?)),
                None if mode == Mode::Require => (Check::Nothing, None),
                None => return Err(NO_ROOTS.to_owned()),
            },
        };
        let verifier = match roots {
            Some(Trusted { store, pinned }) => {
                let authority = WebPkiServerVerifier::builder_with_provider(store.into(), provider.clone())
                    .build()
                    .map_err(|error| error.to_string())?;
                Verifier { check, authority: Some(authority), pinned, provider: provider.clone() }
            }
            None => Verifier { check, authority: None, pinned: Vec::new(), provider: provider.clone() },
        };
        Ok(Arc::new(verifier))
    }

    /// The client's certificate with those above it, and its key; none if there is none.
    fn client_certificate(
        &self,
    ) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, String> {
        let Some(path) = self.certificate.path() else { return Ok(None) };
        let chain = certificates_in(path)?;
        let key = self
            .key
            .path()
            .ok_or_else(|| format!("the certificate {} is there without its key", path.display()))?;
        refuse_what_others_can_read(key)?;
        match PrivateKeyDer::from_pem_file(key) {
            Ok(key) => Ok(Some((chain, key))),
            Err(_) => Err(format!("{} has no key that can be read without a password", key.display())),
        }
    }
}

const NO_ROOTS: &str = "there is no file of certificate authorities ~/.postgresql/root.crt; name another with \
     sslrootcert, or those of the system with sslrootcert=system";

/// Whom to believe.
struct Trusted {
    store: RootCertStore,
    /// The same as certificates: a server may have one of them for its own.
    pinned: Vec<CertificateDer<'static>>,
}

fn roots_in(path: &Path) -> Result<Trusted, String> {
    let pinned = certificates_in(path)?;
    let mut store = RootCertStore::empty();
    for certificate in &pinned {
        store
            .add(certificate.clone())
            .map_err(|error| format!("{} has a certificate that is damaged: {error}", path.display()))?;
    }
    Ok(Trusted { store, pinned })
}

fn system_roots() -> Result<Trusted, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // One odd certificate among hundreds does no harm.
    let (known, _odd) = store.add_parsable_certificates(found.certs);
    if known == 0 {
        let reason = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
        return Err(format!("the system has no certificate authorities{reason}"));
    }
    Ok(Trusted { store, pinned: Vec::new() })
}

fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let content = queuectl_files::read_whole(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&content).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(format!("{} has no certificate", path.display())),
        Err(error) => Err(format!("{} has a certificate that is damaged: {error}", path.display())),
    }
}

/// A key is its owner's alone; one of root's may be read by a group.
fn refuse_what_others_can_read(key: &Path) -> Result<(), String> {
    let metadata =
        fs::metadata(key).map_err(|error| format!("cannot read the key {}: {error}", key.display()))?;
    if !metadata.is_file() {
        return Err(format!("the key {} is no file", key.display()));
    }
    let others = if metadata.uid() == 0 { 0o037 } else { 0o077 };
    if metadata.mode() & others != 0 {
        let key = key.display();
        return Err(format!("others have access to the key {key}; take it from them with `chmod 600 {key}`"));
    }
    Ok(())
}

/// Checks as much of a server's certificate as is wanted.
#[derive(Debug)]
struct Verifier {
    check: Check,
    /// None if nothing is checked.
    authority: Option<Arc<WebPkiServerVerifier>>,
    pinned: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else { return Ok(ServerCertVerified::assertion()) };
        let checked = authority.verify_server_cert(certificate, intermediates, name, ocsp_response, now);
        match checked {
            // The name is looked at when all else is well.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Authority => Ok(ServerCertVerified::assertion()),
            // Many servers have made their certificate themselves, as their own authority.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if self.pinned.contains(certificate) =>
            {
                if self.check == Check::AuthorityAndName {
                    let parsed = rustls::server::ParsedCertificate::try_from(certificate)?;
                    rustls::client::verify_server_name(&parsed, name)?;
                }
                Ok(ServerCertVerified::assertion())
            }
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.authority {
            Some(authority) => authority.verify_tls12_signature(message, certificate, signature),
            // A server that may show any certificate may show one whose key it has.
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match &self.authority {
            Some(authority) => authority.verify_tls13_signature(message, certificate, signature),
            None => Ok(HandshakeSignatureValid::assertion()),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Says in words what went wrong between two that wanted to be safe.
pub(super) fn explain(error: &rustls::Error) -> String {
    use CertificateError as Bad;
    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::UnknownIssuer => "its certificate is of no authority that is known here".to_owned(),
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired".to_owned(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet".to_owned()
            }
            Bad::NotValidForNameContext { presented, .. } if presented.is_empty() => {
                "its certificate names no host (as subjectAltName)".to_owned()
            }
            Bad::NotValidForNameContext { presented, .. } => {
                format!("its certificate is for {}", presented.join(", "))
            }
            Bad::NotValidForName => "its certificate is for another host".to_owned(),
            // The library tells it only by its name.
            bad if bad.to_string().contains("UnsupportedCertVersion") => {
                "its certificate is of X.509 version 1, which is not accepted here (libpq does): have one of \
                 version 3 made, with the host as subjectAltName"
                    .to_owned()
            }
            bad => format!("its certificate is not accepted: {bad}"),
        },
        rustls::Error::AlertReceived(alert) => format!("it has ended the handshake: {alert:?}"),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
