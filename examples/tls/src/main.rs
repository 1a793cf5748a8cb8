//! HTTPS with rustls. Each worker reads the certificate and its key when it starts, so a rolling restart brings new ones.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::{Router, routing::get};
use clap::Parser;
use everport::{Cluster, cli::ServerArgs, http::Server};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// A drain waits for handshakes, so a client must not take as long for one as it likes.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a worker waits for a descriptor to become free.
const PAUSE: Duration = Duration::from_millis(50);

/// Says hello over HTTPS.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    files: Files,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
}

#[derive(clap::Args)]
struct Files {
    /// The certificate, and behind it those that lead to its root, in PEM.
    #[arg(long)]
    certificate: PathBuf,
    /// The certificate's private key, in PEM.
    #[arg(long)]
    key: PathBuf,
}

fn main() -> ExitCode {
    let Options {
        server,
        files,
        listen,
    } = Options::parse();
    server.run(async move |cluster: Cluster| serve(cluster, &files, listen).await)
}

async fn serve(cluster: Cluster, files: &Files, address: SocketAddr) -> anyhow::Result<()> {
    // Before it listens: a worker that cannot read them must not become ready.
    let tls = TlsAcceptor::from(Arc::new(files.read()?));
    let listener = cluster.listen(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Server::new(&cluster);
    let app = Router::new().route("/", get("Hello, World!"));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = cluster.terminated() => break,
        };
        let Ok((stream, _client)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        let handshake = timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
        let connection = server.serve_connection_after(async { handshake.await? }, app.clone());
        tokio::spawn(connection);
    }
    cluster.leave().await?;
    Ok(())
}

impl Files {
    /// Fails, too, when the key is not that of the certificate.
    fn read(&self) -> anyhow::Result<ServerConfig> {
        let certificate = self.certificate.display();
        let key = self.key.display();
        let chain = CertificateDer::pem_file_iter(&self.certificate)
            .and_then(Iterator::collect)
            .with_context(|| format!("cannot read the certificate {certificate}"))?;
        let private = PrivateKeyDer::from_pem_file(&self.key)
            .with_context(|| format!("cannot read the key {key}"))?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .with_context(|| format!("cannot use {certificate} with {key}"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
