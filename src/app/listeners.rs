//! The sockets of the daemon.
//!
//! Owns binding, the admin socket's file and the TLS certificates, which can be replaced while
//! running. Does not know what is served.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, UnixListener};

use super::StartError;
use crate::api::admin::Listening;
use crate::api::front::{Listener, Site};
use crate::config::Config;

/// Connections of operators at a time.
pub(super) const MAX_OPERATORS: usize = 64;

/// Everything that was bound.
pub(super) struct Bound {
    pub public: Vec<Listener>,
    pub operator: Listener,
    pub addresses: Listening,
    pub certificates: Certificates,
}

/// Binds every socket of the configuration.
pub(super) async fn bind(
    config: &Config,
    public: &Arc<Site>,
    operator: &Arc<Site>,
) -> Result<Bound, StartError> {
    let certificates = Certificates::default();
    certificates.load(config)?;
    let mut listeners = Vec::new();
    let mut addresses = Listening::default();
    for address in &config.http.listen {
        let listener = tcp(address).await?;
        addresses.listen.extend(listener.local_addr().ok());
        listeners.push(Listener::Plain(listener, public.clone()));
    }
    for address in &config.http.tls_listen {
        let tls = certificates.server()?;
        let listener = tcp(address).await?;
        addresses.tls_listen.extend(listener.local_addr().ok());
        listeners.push(Listener::Tls(listener, tls, public.clone()));
    }
    let socket = unix(&config.admin.socket, config.admin.socket_mode)
        .map_err(|error| StartError::Bind(config.admin.socket.display().to_string(), error))?;
    let operator = Listener::Unix(socket, operator.clone());
    Ok(Bound {
        public: listeners,
        operator,
        addresses,
        certificates,
    })
}

async fn tcp(address: &SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| StartError::Bind(address.to_string(), error))
}

/// The admin socket. A socket file that is already there belongs to a daemon that was killed: a
/// running one would hold the data directory, and we hold it.
fn unix(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "not a socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(listener)
}

/// The certificate in use. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    current: Arc<Current>,
}

#[derive(Default)]
struct Current(RwLock<Option<Arc<CertifiedKey>>>);

impl fmt::Debug for Current {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Certificates")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Certificates {
    /// Reads the configured certificate and key; the one in use stays if that fails.
    pub(super) fn load(&self, config: &Config) -> Result<(), StartError> {
        let (Some(cert), Some(key)) = (&config.http.tls_cert, &config.http.tls_key) else {
            return Ok(());
        };
        let loaded = certified(cert, key).map_err(StartError::Certificate)?;
        *self
            .current
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(loaded));
        Ok(())
    }

    fn server(&self) -> Result<Arc<ServerConfig>, StartError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| StartError::Certificate(format!("TLS cannot be set up: {error}")))?
            .with_no_client_auth()
            .with_cert_resolver(self.current.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn certified(cert: &Path, key: &Path) -> Result<CertifiedKey, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| format!("http.tls_cert {}: {error}", cert.display()))?;
    if chain.is_empty() {
        return Err(format!(
            "http.tls_cert {}: no certificate in it",
            cert.display()
        ));
    }
    let key_der = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| format!("http.tls_key {}: {error}", key.display()))?;
    let provider = rustls::crypto::ring::default_provider();
    CertifiedKey::from_der(chain, key_der, &provider)
        .map_err(|error| format!("http.tls_cert and http.tls_key do not fit: {error}"))
}
