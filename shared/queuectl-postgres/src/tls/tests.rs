//! Tests of the files. Handshakes are tested with a server.

use super::*;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

fn tls(mode: Mode) -> Tls {
    Tls {
        mode,
        roots: Roots::In(File::OfUser(None)),
        certificate: File::OfUser(None),
        key: File::OfUser(None),
    }
}

/// Why nothing can connect so.
fn wrong(tls: &Tls) -> String {
    tls.connector().err().expect("a reason")
}

#[test]
fn weak_modes_need_no_file_and_strong_ones_do() {
    let missing = Roots::In(File::OfUser(Some(PathBuf::from("/nowhere/root.crt"))));
    for mode in [Mode::Allow, Mode::Prefer, Mode::Require] {
        assert!(tls(mode).connector().is_ok());
        assert!(Tls { roots: missing.clone(), ..tls(mode) }.connector().is_ok());
    }
    for mode in [Mode::VerifyCa, Mode::VerifyFull] {
        assert!(wrong(&tls(mode)).contains("sslrootcert=system"));
        assert!(wrong(&Tls { roots: missing.clone(), ..tls(mode) }).contains("~/.postgresql/root.crt"));
    }
}

#[test]
fn a_file_that_was_named_must_be_there_and_have_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.crt");
    let named = || Tls { roots: Roots::In(File::Named(file.clone())), ..tls(Mode::Require) };
    assert!(wrong(&named()).contains("cannot read"));
    fs::write(&file, "nothing\n").unwrap();
    assert!(wrong(&named()).ends_with("root.crt has no certificate"));
    fs::write(&file, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
    assert!(wrong(&named()).contains("is damaged"));
    fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    assert!(wrong(&named()).contains("is damaged"));
    // Weak modes never ask for it, and it is an error all the same if it is a client's.
    assert!(Tls { mode: Mode::Prefer, ..named() }.connector().is_ok());
    let client = Tls { certificate: File::Named(folder.path().join("none")), ..tls(Mode::Prefer) };
    assert!(wrong(&client).contains("cannot read"));
    let client = Tls { certificate: File::OfUser(Some(folder.path().join("none"))), ..tls(Mode::Prefer) };
    assert!(client.connector().is_ok());
}

#[test]
fn a_key_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    fs::write(&key, "").unwrap();
    let is_root = fs::metadata(&key).unwrap().uid() == 0;
    for (mode, accepted) in
        [(0o600, true), (0o400, true), (0o640, is_root), (0o660, false), (0o644, false), (0o601, false)]
    {
        fs::set_permissions(&key, Permissions::from_mode(mode)).unwrap();
        let refused = refuse_what_others_can_read(&key);
        assert_eq!(refused.is_ok(), accepted, "{mode:o}");
        if let Err(reason) = refused {
            assert!(reason.contains(&format!("chmod 600 {}", key.display())), "{reason}");
        }
    }
    assert!(refuse_what_others_can_read(&folder.path().join("none")).is_err());
}

#[test]
fn what_is_wrong_with_a_certificate_is_said_in_words() {
    use rustls::Error;
    for (error, expected) in [
        (CertificateError::UnknownIssuer, "no authority that is known"),
        (CertificateError::Expired, "has expired"),
        (CertificateError::NotValidYet, "not valid yet"),
        (CertificateError::NotValidForName, "another host"),
        (CertificateError::Revoked, "is not accepted"),
    ] {
        let said = explain(&Error::InvalidCertificate(error));
        assert!(said.contains(expected), "{said}");
    }
}
