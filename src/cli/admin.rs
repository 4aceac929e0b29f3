//! HTTP over the daemon's Unix socket.
//!
//! Owns one request and its answer, and what can be said when the daemon cannot be reached. Does
//! not know what is asked.

use std::fmt;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Longest answer in bytes.
const MAX_ANSWER: usize = 256 << 20;
/// For the whole exchange.
const DEADLINE: Duration = Duration::from_mins(1);

/// What the command line asks of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// GET, POST, PATCH or DELETE.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// JSON.
    pub body: Option<String>,
}

/// A complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum AdminError {
    /// Nobody is at the socket, or we may not open it.
    Unreachable(io::Error),
    /// The connection was made and then broke.
    Broken(String),
}

impl AdminError {
    /// What happened and what to do about it.
    pub fn advice(&self, socket: &Path) -> String {
        let socket = socket.display();
        match self {
            Self::Unreachable(error) => match error.kind() {
                io::ErrorKind::NotFound => format!(
                    "the daemon is not reachable: there is no socket {socket}\n\
                     Start it with `hookrelay serve` or `systemctl start hookrelay`. If it runs \
                     with another configuration, name it with --config FILE or set \
                     HOOKRELAY_ADMIN__SOCKET."
                ),
                io::ErrorKind::ConnectionRefused => format!(
                    "the daemon is not reachable: nobody listens on {socket}\n\
                     It has stopped. Start it with `hookrelay serve` or `systemctl start \
                     hookrelay`."
                ),
                io::ErrorKind::PermissionDenied => format!(
                    "the daemon is not reachable: you may not open {socket}\n\
                     Run this as root, as the daemon's user, or as a member of its group."
                ),
                _ => format!("the daemon is not reachable at {socket}: {error}"),
            },
            Self::Broken(why) => {
                format!("the daemon at {socket} did not answer: {why}\nSee its log for the reason.")
            }
        }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(out, "not reachable: {error}"),
            Self::Broken(why) => out.write_str(why),
        }
    }
}

/// Makes the call.
pub async fn ask(socket: &Path, call: &Call) -> Result<Answer, AdminError> {
    let stream = UnixStream::connect(socket)
        .await
        .map_err(AdminError::Unreachable)?;
    tokio::time::timeout(DEADLINE, exchange(stream, call))
        .await
        .unwrap_or_else(|_| Err("no answer within a minute".to_owned()))
        .map_err(AdminError::Broken)
}

async fn exchange(stream: UnixStream, call: &Call) -> Result<Answer, String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(text)?;
    let driving = tokio::spawn(connection);
    let mut request = Request::new(Full::new(Bytes::from(
        call.body.clone().unwrap_or_default(),
    )));
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = call
        .path
        .parse()
        .map_err(|_| format!("{} is not a path", call.path))?;
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("hookrelay"));
    if call.body.is_some() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    let (head, body) = sender
        .send_request(request)
        .await
        .map_err(text)?
        .into_parts();
    let body = Limited::new(body, MAX_ANSWER)
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    driving.abort();
    Ok(Answer {
        status: head.status.as_u16(),
        body: body.to_bytes(),
    })
}

/// A path segment with everything escaped that could end it.
pub fn segment(text: &str) -> String {
    use fmt::Write as _;
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    // Dots alone would be read as directions.
    match escaped.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => escaped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cannot_break_out() {
        for (text, escaped) in [
            ("shop", "shop"),
            ("a/b?c#d", "a%2Fb%3Fc%23d"),
            ("my shop", "my%20shop"),
            ("ü", "%C3%BC"),
            ("..", "%2E%2E"),
        ] {
            assert_eq!(segment(text), escaped);
        }
    }
}
