//! The yardstick: the same load on a server of the same library that does nothing.
//!
//! Owns that server, a process of its own like the daemon. Does not know the daemon.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::Outcome;
use crate::load::{self, Load, Target};

/// The argument with which the bench starts itself as this server.
pub const WORD: &str = "--be-the-yardstick";

/// A running server; dropping it ends it.
pub struct Yardstick {
    child: Child,
    address: SocketAddr,
}

impl Yardstick {
    pub fn start() -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(WORD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse()?;
        Ok(Self { child, address })
    }

    /// Requests a second that it takes.
    pub async fn rate(&self, load: &Load) -> Outcome<f64> {
        let target = Target::new(self.address, "/relay/v1/messages", "key")?;
        Ok(load::run(&target, load).await?.rate())
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until nobody holds its input any more.
pub fn serve() -> Outcome<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.spawn(async {
        if let Err(error) = accept().await {
            eprintln!("the yardstick ended: {error}");
        }
    });
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

async fn accept() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(
            hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    let body = &br#"{"ids":["msg_01kf0k8y204tff59tdwh9edd1r"]}"#[..];
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
