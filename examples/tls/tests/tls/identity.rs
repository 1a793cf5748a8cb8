//! Certificates that differ as a renewed one does from its predecessor, and the files that they are in.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use everport_tests::Cluster;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate for `localhost` with its key.
pub(crate) struct Identity {
    pub(crate) certificate: CertificateDer<'static>,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        Self {
            certificate_pem: cert.pem(),
            certificate: cert.into(),
            key_pem: signing_key.serialize_pem(),
        }
    }
}

/// What a client needs that trusts these and nobody else.
pub(crate) fn trust(identities: &[&Identity]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for identity in identities {
        roots.add(identity.certificate.clone()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// The files that workers read.
pub(crate) struct Files {
    directory: TempDir,
}

impl Files {
    pub(crate) fn of(identity: &Identity) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = Self { directory };
        files.put(identity);
        files
    }

    pub(crate) fn put(&self, identity: &Identity) {
        self.put_certificate(&identity.certificate_pem);
        self.put_key(&identity.key_pem);
    }

    pub(crate) fn put_certificate(&self, pem: &str) {
        fs::write(self.certificate(), pem).unwrap();
    }

    pub(crate) fn put_key(&self, pem: &str) {
        fs::write(self.key(), pem).unwrap();
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    /// Serves with them.
    pub(crate) fn cluster(&self, options: &str) -> Cluster {
        let mut command = Cluster::command(options.split_whitespace());
        command.arg("--").arg(env!("CARGO_BIN_EXE_tls"));
        let cluster = Cluster::spawn(self.serving(command));
        cluster.wait_until_ready();
        cluster
    }

    /// The command with what the example has to know.
    pub(crate) fn serving(&self, mut command: Command) -> Command {
        command.args(["--listen", "127.0.0.1:0", "--certificate"]);
        command.arg(self.certificate()).arg("--key").arg(self.key());
        command
    }
}
