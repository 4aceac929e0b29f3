//! One request to a consumer: what it carries, how its answer is read.
//!
//! Owns the way from an endpoint's record to a request, secrets opened on the way and forgotten
//! afterwards. Does not know when a request is due or what follows from its answer.

use std::sync::Arc;

use crate::attempt::{Class, Outcome, Report};
use crate::auth::proof::{self, Credentials};
use crate::auth::seal::Sealer;
use crate::clock::{Entropy, Millis, Timestamp};
use crate::delivery::answer::{credentials_refused, read_authentication, read_delivery};
use crate::delivery::header::{CustomHeader, check_headers};
use crate::delivery::http::{Post, Sender};
use crate::delivery::protocol::{self, Outgoing, Protocol};
use crate::delivery::sign::SigningKey;
use crate::domain::api_login::ApiLogin;
use crate::domain::authentication::AuthResult;
use crate::domain::endpoint::{self, Endpoint};
use crate::domain::secret::{Context, Sealed};
use crate::id::{AuthenticateId, BatchId};
use crate::store::{Database, Message, keys};

/// Makes requests.
#[derive(Clone)]
pub struct Outbound {
    sender: Sender,
    sealer: Arc<Sealer>,
    database: Database,
}

/// An endpoint ready to be called: its record with the secrets that every request needs.
pub struct Destination {
    record: Arc<Endpoint>,
    headers: Vec<CustomHeader>,
    current: SigningKey,
    retiring: Option<(SigningKey, Timestamp)>,
}

impl Destination {
    /// The endpoint's record.
    pub fn record(&self) -> &Endpoint {
        &self.record
    }
}

/// A sealed secret of an endpoint cannot be used; the log has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unusable;

/// What an authenticate came to.
#[derive(Debug, Clone)]
pub struct Proof {
    /// What the endpoint's record is told.
    pub result: AuthResult,
    /// What the engine and the operator are told.
    pub report: Report,
}

impl Outbound {
    /// Requests go out through `sender`; secrets are opened with `sealer`.
    pub fn new(sender: Sender, sealer: Arc<Sealer>, database: Database) -> Self {
        Self {
            sender,
            sealer,
            database,
        }
    }

    /// Opens what every request to the endpoint needs.
    pub fn destination(&self, record: Arc<Endpoint>) -> Result<Destination, Unusable> {
        let headers = match &record.headers {
            Some(sealed) => self.headers(&record, sealed)?,
            None => Vec::new(),
        };
        let current = self.signing_key(&record, &record.signing_secret)?;
        let retiring = match &record.retiring_secret {
            Some(retiring) => Some((self.signing_key(&record, &retiring.secret)?, retiring.until)),
            None => None,
        };
        Ok(Destination {
            record,
            headers,
            current,
            retiring,
        })
    }

    fn headers(&self, record: &Endpoint, sealed: &Sealed) -> Result<Vec<CustomHeader>, Unusable> {
        let text = self.open(record, Context::Headers(record.id), sealed)?;
        let pairs: Vec<(String, String)> =
            serde_json::from_str(&text).map_err(|_| unusable(record, "headers"))?;
        check_headers(&pairs).map_err(|_| unusable(record, "headers"))
    }

    fn signing_key(&self, record: &Endpoint, sealed: &Sealed) -> Result<SigningKey, Unusable> {
        let text = self.open(record, Context::SigningSecret(record.id), sealed)?;
        SigningKey::parse(&text).map_err(|_| unusable(record, "signing secret"))
    }

    fn open(
        &self,
        record: &Endpoint,
        context: Context<'_>,
        sealed: &Sealed,
    ) -> Result<zeroize::Zeroizing<String>, Unusable> {
        self.sealer.open(context, sealed).map_err(|error| {
            tracing::error!(
                account = %record.account,
                endpoint = %record.id,
                %context,
                %error,
                "a sealed secret cannot be opened"
            );
            Unusable
        })
    }

    /// Posts a batch.
    pub async fn deliver(
        &self,
        destination: &Destination,
        batch: BatchId,
        messages: &[Arc<Message>],
    ) -> Report {
        let record = &destination.record;
        let outgoing: Vec<Outgoing<'_>> = messages.iter().map(|message| of(message)).collect();
        let standard = record.protocol == endpoint::Protocol::Standard;
        if let Some(message) = outgoing.first().filter(|_| standard) {
            let body = protocol::standard(message);
            let exchange = self.post(destination, &message.id.to_string(), body).await;
            return read_delivery(&exchange, Protocol::Standard);
        }
        let body = protocol::delivery(batch, &outgoing, record.strict_fields);
        let exchange = self.post(destination, &batch.to_string(), body).await;
        read_delivery(&exchange, Protocol::Relay)
    }

    /// Wakes a thin consumer.
    pub async fn wake_up(&self, destination: &Destination, batch: BatchId, pending: u64) -> Report {
        let body = protocol::wake_up(batch, pending, destination.record.strict_fields);
        let exchange = self.post(destination, &batch.to_string(), body).await;
        read_delivery(&exchange, Protocol::Relay)
    }

    /// Lets the endpoint prove that it holds its API login. `key` goes into the request if the
    /// endpoint's settings say so.
    pub async fn authenticate(
        &self,
        destination: &Destination,
        id: AuthenticateId,
        key: Option<&str>,
    ) -> Result<Proof, Unusable> {
        let record = &destination.record;
        let expected = self.password(record).await?;
        let body = protocol::authenticate(key);
        let exchange = self.post(destination, &id.to_string(), body).await;
        let (answer, report) = read_authentication(&exchange);
        let credentials = Credentials {
            login: &record.login,
            password: &expected,
        };
        let judged = proof::judge(&answer, credentials, key);
        let report = match judged.hint {
            Some(hint) => credentials_refused(&report, hint),
            None => report,
        };
        Ok(Proof {
            result: judged.result,
            report,
        })
    }

    async fn password(&self, record: &Endpoint) -> Result<zeroize::Zeroizing<String>, Unusable> {
        let login: Option<ApiLogin> = self
            .database
            .view()
            .read(&keys::login(&record.login))
            .await
            .map_err(|_| unusable(record, "login"))?;
        let login = login.filter(|login| login.account == record.account && login.enabled);
        let login = login.ok_or_else(|| unusable(record, "login"))?;
        self.open(
            record,
            Context::Password(&login.ai_login_id),
            &login.password,
        )
    }

    async fn post(
        &self,
        destination: &Destination,
        webhook_id: &str,
        body: bytes::Bytes,
    ) -> crate::delivery::exchange::Exchange {
        let now = self.database.clock().now();
        let mut keys = vec![destination.current.clone()];
        if let Some((key, _)) = destination
            .retiring
            .as_ref()
            .filter(|(_, until)| *until > now)
        {
            keys.push(key.clone());
        }
        self.sender
            .post(Post {
                url: &destination.record.url,
                headers: &destination.headers,
                webhook_id,
                timestamp: now.unix_seconds(),
                keys: &keys,
                body,
            })
            .await
    }

    /// A fresh id and, if the endpoint is asked with one, a fresh key for an authenticate.
    pub fn challenge(&self, record: &Endpoint) -> (AuthenticateId, Option<String>) {
        let entropy: &Entropy = self.database.entropy();
        let id = AuthenticateId::random(self.database.clock().now(), entropy);
        (id, record.send_key.then(|| proof::new_key(entropy)))
    }
}

fn of(message: &Message) -> Outgoing<'_> {
    Outgoing {
        id: message.id,
        event_type: &message.event_type,
        data: &message.data,
    }
}

fn unusable(record: &Endpoint, what: &str) -> Unusable {
    tracing::error!(
        account = %record.account,
        endpoint = %record.id,
        what,
        "the endpoint cannot be called: what its record names is missing or unreadable"
    );
    Unusable
}

/// The report of a request that could not be made because the login is unusable: to the engine it
/// is an endpoint that cannot prove itself.
pub fn no_login() -> Report {
    Report {
        outcome: Outcome::NotOk {
            status: 401,
            retry_after: None,
        },
        class: Class::Credentials,
        hint: "the endpoint's API login is missing or disabled; set another one".into(),
        status: None,
        took: Millis(0),
    }
}
