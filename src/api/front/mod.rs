//! The front door: listeners, connections and the order of checks (`protocols/transport.md`).
//!
//! Owns everything that is the same for every surface. Does not know any surface: each brings its
//! paths, its decoding, its credentials and its wire forms through [`Surface`].
//!
//! | file | what |
//! |---|---|
//! | `listen.rs` | accepts connections, bounds them, drains them |
//! | `linger.rs` | closes a connection so that its last answer arrives |
//! | `site.rs` | checks 1 to 3 and the headers and the log line of every response |
//! | `path.rs`, `secure.rs` | the pure rules of sections 1 and 3 |
//! | `surface.rs` | what a surface is, and the types it speaks in |
//! | `gate.rs` | checks 4 to 8, idempotency and the commit of a call |
//! | `credentials.rs` | the bars after failed authentications |
//! | `body.rs` | bodies within size and time, and name-value pairs |

mod body;
mod credentials;
mod gate;
mod linger;
mod listen;
mod path;
mod secure;
mod site;
mod surface;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use body::{Pairs, pairs, read_body};
pub use credentials::Login;
pub use gate::{Call, Gate, log_fault, refused};
pub use listen::{Drained, Listener, run};
pub use site::{Mount, Site};
pub use surface::{Answer, Head, Refusal, Surface};

use crate::auth::caller::Callers;
use crate::clock::Millis;
use crate::id::AccountId;
use crate::limit::Limits;
use crate::live::Live;
use crate::store::Database;

/// `[http]` of the configuration, as far as it bears on requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Peers whose `X-Forwarded-Proto` and `X-Forwarded-For` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Plain HTTP from this machine counts as secure: for development.
    pub insecure_loopback: bool,
    /// The account of requests that name none.
    pub default_account: Option<AccountId>,
    /// Credits that a sub-account pays for a text message, a call, or a message out through a
    /// custom channel.
    pub credit_cost: u64,
    /// The version that the helpdesk API says it is of.
    pub helpdesk_version: String,
    /// Bytes of a request body.
    pub max_body: usize,
    /// From the start of a connection or the end of the last answer to the end of the next
    /// header block.
    pub header_deadline: Millis,
    /// From the end of the header block to the end of the body.
    pub body_deadline: Millis,
    /// How long a call waits for its commit; after that its outcome is unknown to the caller.
    pub commit_deadline: Millis,
    /// How long an HTTP/2 connection may be without a request.
    pub idle_deadline: Millis,
    /// Connections open at a time, over all listeners.
    pub max_connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            trusted_proxies: Vec::new(),
            insecure_loopback: false,
            default_account: None,
            credit_cost: 1,
            helpdesk_version: "4.20.0.0".to_owned(),
            max_body: 1024 * 1024,
            header_deadline: Millis::seconds(10),
            body_deadline: Millis::seconds(10),
            commit_deadline: Millis::seconds(30),
            idle_deadline: Millis::seconds(60),
            max_connections: 4096,
        }
    }
}

/// Whether requests are taken at all: off while draining, and while the store takes no writes.
/// Clones share it.
#[derive(Debug, Clone)]
pub struct Accepting(Arc<AtomicBool>);

impl Default for Accepting {
    fn default() -> Self {
        Self(Arc::new(AtomicBool::new(true)))
    }
}

impl Accepting {
    /// Takes requests, or answers them 503.
    pub fn set(&self, accepting: bool) {
        self.0.store(accepting, Ordering::SeqCst);
    }

    /// Whether requests are taken.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// What every surface stands on.
pub struct Core {
    /// The store.
    pub db: Database,
    /// Finds callers.
    pub callers: Callers,
    /// How often they may.
    pub limits: Limits,
    /// Whether requests are taken.
    pub accepting: Accepting,
    /// The running relay.
    pub live: Arc<dyn Live>,
    /// `[http]`.
    pub settings: Settings,
}

impl fmt::Debug for Core {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Core")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
