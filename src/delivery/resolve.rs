//! Finding the addresses of a host name.
//!
//! Owns the resolver and when it reads the system's settings again. The system's own resolver
//! call blocks a thread until it has given up, so a few hundred names whose servers do not answer
//! would hold up every other name; this one waits without a thread and remembers answers for
//! their time to live. Does not know which addresses may be called.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

/// What the system's resolver reads as well: name servers, and names of the machine's own.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];
/// One name server gets so long, so that the next one still has a turn within the deadline of a
/// connection (5 s unless set otherwise).
const SERVER_DEADLINE: Duration = Duration::from_secs(2);
/// Answers that are remembered, and how long at most, whatever their time to live: an endpoint
/// that moved is found again soon, a name that was just created as well.
const REMEMBERED: u64 = 16_384;
const LONGEST: Duration = Duration::from_mins(5);
const LONGEST_NEGATIVE: Duration = Duration::from_secs(15);

/// Resolves names as the system is set up to.
#[derive(Default)]
pub struct Names(Mutex<Option<(Stamp, Arc<TokioResolver>)>>);

/// When the files were changed last; none for one that cannot be read.
type Stamp = [Option<SystemTime>; 2];

impl Names {
    /// Every address of `host`, IPv4 first.
    ///
    /// # Errors
    /// Why there is none, in the resolver's words.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NetError> {
        let resolver = self.resolver()?;
        let found = resolver.lookup_ip(host).await?;
        Ok(found.iter().collect())
    }

    /// The resolver for the system's settings as they are now.
    fn resolver(&self) -> Result<Arc<TokioResolver>, NetError> {
        let stamp = FILES.map(changed_at);
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((as_of, resolver)) if *as_of == stamp => Ok(resolver.clone()),
            _ => {
                let resolver = Arc::new(build()?);
                *current = Some((stamp, resolver.clone()));
                Ok(resolver)
            }
        }
    }
}

fn changed_at(path: &str) -> Option<SystemTime> {
    Path::new(path)
        .metadata()
        .and_then(|found| found.modified())
        .ok()
}

fn build() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
        // Names of the machine's own are still found.
        tracing::warn!(%error, "there is no name server: /etc/resolv.conf names none");
        let nothing = ResolverConfig::default();
        TokioResolver::builder_with_config(nothing, TokioRuntimeProvider::default())
    });
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.timeout = options.timeout.min(SERVER_DEADLINE);
    options.cache_size = REMEMBERED;
    options.positive_max_ttl = Some(LONGEST);
    options.negative_max_ttl = Some(LONGEST_NEGATIVE);
    builder.build()
}
