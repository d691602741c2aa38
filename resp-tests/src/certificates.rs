//! Certificates for tests, signed by an authority of the test's own.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Signs certificates.
#[derive(Debug)]
pub struct Authority {
    home: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    pub fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate whose issuer has its own name for one that signed itself.
        params.distinguished_name.push(DnType::CommonName, "an authority of tests");
        let certificate = params.self_signed(&key).unwrap();
        Authority { home: tempfile::tempdir().unwrap(), issuer: Issuer::new(params, key), certificate }
    }

    /// Files of a certificate for these names, in a directory of that name.
    pub fn files(
        &self,
        directory: &str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> [PathBuf; 3] {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let directory = self.home.path().join(directory);
        fs::create_dir_all(&directory).unwrap();
        let files = ["cert.pem", "key.pem", "ca.pem"].map(|name| directory.join(name));
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        fs::write(&files[2], self.certificate.pem()).unwrap();
        files
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

/// A certificate that has expired.
pub fn long_ago(params: &mut CertificateParams) {
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
}
