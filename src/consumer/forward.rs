//! Hands a request on to another consumer and brings back its answer.
//!
//! Owns one outbound client for development. Does not guard addresses: the operator of the
//! command line names the URL.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use hyper::{Method, Request, Response, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// One deadline over connecting, sending and reading the answer.
const DEADLINE: Duration = Duration::from_secs(30);
/// Longest answer that is brought back, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Where requests are handed on to.
#[derive(Debug, Clone)]
pub struct Forward {
    to: Uri,
    outbound: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Forward {
    /// Forwards to this URL; the error says why it cannot be one.
    pub fn new(url: &str) -> Result<Self, String> {
        let to: Uri = url.parse().map_err(|_| format!("{url:?} is not a URL"))?;
        if !matches!(to.scheme_str(), Some("http" | "https")) || to.host().is_none() {
            return Err(format!(
                "{url:?} is not an absolute http or https URL, such as http://127.0.0.1:9000/hook"
            ));
        }
        let mut roots = rustls::RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| format!("no TLS: {error}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            to,
            outbound: Client::builder(TokioExecutor::new()).build(connector),
        })
    }

    /// Posts the body with the headers that carry meaning; the error says what went wrong.
    pub async fn post(&self, headers: &HeaderMap, body: Bytes) -> Result<Response<Bytes>, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.to.clone();
        for (name, value) in headers {
            if *name == CONTENT_TYPE || name.as_str().starts_with("webhook-") {
                request.headers_mut().append(name, value.clone());
            }
        }
        let exchange = async {
            let response = self
                .outbound
                .request(request)
                .await
                .map_err(|error| error.to_string())?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER)
                .collect()
                .await
                .map_err(|error| error.to_string())?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        tokio::time::timeout(DEADLINE, exchange)
            .await
            .unwrap_or_else(|_| Err("no answer within 30 s".to_owned()))
    }
}
