//! Access and refresh tokens of a user's session (`protocols/leads-api.md` section 2): JSON Web
//! Tokens, HS256 and nothing else.
//!
//! Owns their text and their key, which is derived from that of the user tokens. Does not know how
//! a session is opened, nor where in a request a token is found.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::caller::Callers;
use crate::clock::{Millis, Timestamp};
use crate::domain::session::{self, LEEWAY, Session};
use crate::domain::user::{self, User};
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::Tx;

/// `{"alg":"HS256","typ":"JWT"}`, the only header there is.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
/// Characters of a token that is looked at: ours are far shorter.
const MAX_LENGTH: usize = 1024;
/// From issue to end of an access token.
const ACCESS_LIFE: Millis = Millis::minutes(5);

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To call.
    Access,
    /// To get a new access token.
    Refresh,
}

/// What a token says; times in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Claims {
    token_type: Kind,
    iat: u64,
    exp: u64,
    sid: u64,
    account: AccountId,
    user_id: u64,
    #[serde(rename = "gen")]
    generation: u64,
}

impl Claims {
    fn of(kind: Kind, account: AccountId, session: &Session, now: Timestamp) -> Self {
        let end = match kind {
            Kind::Access => now.after(ACCESS_LIFE).min(session.ends_at),
            Kind::Refresh => session.ends_at,
        };
        Self {
            token_type: kind,
            iat: now.unix_seconds(),
            exp: end.unix_seconds(),
            sid: session.id,
            account,
            user_id: session.user_id,
            generation: session.password_generation,
        }
    }

    /// Whether it holds at `now`, by a clock that may have been a little wrong when it was issued
    /// or may be so now.
    fn holds(&self, now: Timestamp) -> bool {
        let (now, leeway) = (now.unix_seconds(), LEEWAY.0 / 1000);
        now <= self.exp.saturating_add(leeway) && self.iat <= now.saturating_add(leeway)
    }
}

/// What comes of a token.
#[derive(Debug)]
pub enum Standing {
    /// It proves this user, in this session.
    Live(Box<User>, Session),
    /// It would, but the user is inactive.
    Inactive,
    /// It did once: it is over, or its session or password is.
    Ended,
    /// It is none of ours, or of another kind or account.
    Wrong,
}

fn signature(secret: &str, signed: &str) -> Result<String> {
    let mac = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::internal());
    // Apart from the user tokens, so that nothing signed for the one can serve as the other.
    let mut derived = mac(secret.as_bytes())?;
    derived.update(b"session_token");
    let mut signed_by = mac(&derived.finalize().into_bytes())?;
    signed_by.update(signed.as_bytes());
    Ok(URL_SAFE_NO_PAD.encode(signed_by.finalize().into_bytes()))
}

fn text(secret: &str, claims: &Claims) -> Result<String> {
    let claims = serde_json::to_vec(claims).map_err(|_| Error::internal())?;
    let signed = format!("{HEADER}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = signature(secret, &signed)?;
    Ok(format!("{signed}.{signature}"))
}

/// The claims of a token that was signed here.
fn claims(secret: &str, token: &str) -> Result<Option<Claims>> {
    if token.len() > MAX_LENGTH {
        return Ok(None);
    }
    let Some((signed, given)) = token.rsplit_once('.') else {
        return Ok(None);
    };
    let expected = signature(secret, signed)?;
    let equal = bool::from(expected.as_bytes().ct_eq(given.as_bytes()));
    let payload = signed.strip_prefix(HEADER).filter(|_| equal);
    let payload = payload.and_then(|rest| rest.strip_prefix('.'));
    let bytes = payload.and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
}

impl Callers {
    /// A fresh token of a session. The first token of all makes the key, in the same commit.
    pub async fn session_token(
        &self,
        tx: &Tx,
        account: AccountId,
        kind: Kind,
        session: &Session,
    ) -> Result<String> {
        let secret = self.made_token_secret(tx).await?;
        text(&secret, &Claims::of(kind, account, session, tx.now()))
    }

    /// What comes of a token of this kind in an account.
    pub async fn session_user(
        &self,
        tx: &Tx,
        account: AccountId,
        kind: Kind,
        token: &str,
    ) -> Result<Standing> {
        let Some(secret) = self.token_secret(tx).await? else {
            return Ok(Standing::Wrong);
        };
        let found = claims(&secret, token)?;
        let own = found.filter(|claims| claims.token_type == kind && claims.account == account);
        let Some(claims) = own else {
            return Ok(Standing::Wrong);
        };
        let Some(user) = user::by_id(tx, account, claims.user_id).await? else {
            return Ok(Standing::Wrong);
        };
        let standing = session::standing(tx, account, &user, claims.sid).await?;
        let right = claims.holds(tx.now()) && claims.generation == user.password_generation;
        Ok(match standing.filter(|_| right) {
            None => Standing::Ended,
            Some(_) if !user.active => Standing::Inactive,
            Some(session) => Standing::Live(Box::new(user), session),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = Session {
        id: 1001,
        user_id: 1002,
        password_generation: 3,
        ends_at: Timestamp(1_768_559_400_000),
    };
    const NOW: Timestamp = Timestamp(1_768_473_000_000);

    fn of(kind: Kind, now: Timestamp) -> Claims {
        Claims::of(kind, AccountId::from_number(7), &SESSION, now)
    }

    #[test]
    fn a_token_has_the_documented_form() {
        let made = text("secret", &of(Kind::Access, NOW)).unwrap();
        let parts: Vec<&str> = made.split('.').collect();
        let [header, payload, signature] = parts[..] else {
            panic!("{made}");
        };
        let decoded = |part| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(decoded(header), r#"{"alg":"HS256","typ":"JWT"}"#);
        let account = AccountId::from_number(7);
        assert_eq!(
            decoded(payload),
            format!(
                r#"{{"token_type":"access","iat":1768473000,"exp":1768473300,"sid":1001,"account":"{account}","user_id":1002,"gen":3}}"#
            )
        );
        assert_eq!(signature.len(), 43);
        assert!(made.len() < MAX_LENGTH / 2);
        let read = claims("secret", &made).unwrap();
        assert_eq!(read, Some(of(Kind::Access, NOW)));
    }

    #[test]
    fn only_what_was_signed_here_and_with_this_algorithm_is_read() {
        let made = text("secret", &of(Kind::Refresh, NOW)).unwrap();
        let (signed, _) = made.rsplit_once('.').unwrap();
        let (_, payload) = signed.split_once('.').unwrap();
        let resigned = |header: &str| {
            let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
            let signature = signature("secret", &signed).unwrap();
            format!("{signed}.{signature}")
        };
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        for wrong in [
            String::new(),
            ".".to_owned(),
            "..".to_owned(),
            signed.to_owned(),
            format!("{signed}."),
            format!("{none}.{payload}."),
            resigned(r#"{"alg":"none","typ":"JWT"}"#),
            resigned(r#"{"alg":"HS512","typ":"JWT"}"#),
            made.replace('.', ""),
            format!("{made}A"),
            format!("{made}{}", "A".repeat(MAX_LENGTH)),
            text("Secret", &of(Kind::Refresh, NOW)).unwrap(),
        ] {
            assert_eq!(claims("secret", &wrong).unwrap(), None, "{wrong}");
        }
        assert!(claims("secret", &made).unwrap().is_some());
    }

    #[test]
    fn a_token_holds_until_its_end_give_or_take_a_minute() {
        let (access, refresh) = (of(Kind::Access, NOW), of(Kind::Refresh, NOW));
        let at = |seconds: i64| Timestamp(NOW.0.checked_add_signed(seconds * 1000).unwrap());
        for (claims, seconds, expected) in [
            (access, 0, true),
            (access, -60, true),
            (access, -61, false),
            (access, 360, true),
            (access, 361, false),
            (refresh, 86_400 + 60, true),
            (refresh, 86_400 + 61, false),
        ] {
            assert_eq!(claims.holds(at(seconds)), expected, "{claims:?} {seconds}");
        }
        // No access token outlives its session.
        let last = of(Kind::Access, at(86_399));
        assert_eq!(last.exp, refresh.exp);
    }
}
