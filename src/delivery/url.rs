//! The URL of an endpoint.
//!
//! Owns its form (`protocols/notifications.md` section 1, row URL) and sees through every notation
//! of a literal address. Pure: host names are checked when they are resolved.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use super::address::{AddressRules, Refusal};

/// Longest URL in bytes, as given and as normalized.
pub const MAX_URL_BYTES: usize = 2048;
/// Longest host name in bytes (RFC 1035), without the trailing dot.
const MAX_HOST_BYTES: usize = 253;
/// Longest label of a host name in bytes (RFC 1035).
const MAX_LABEL_BYTES: usize = 63;

/// Why a URL cannot be an endpoint's. The text is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlError {
    /// Longer than [`MAX_URL_BYTES`].
    TooLong,
    /// White space, a control character or a backslash.
    Character,
    /// Not `http://…` or `https://…`.
    Scheme,
    /// User name or password in front of the host.
    Userinfo,
    /// A `#`.
    Fragment,
    /// No host, or not a valid one.
    Host,
    /// Not a port from 1 to 65535.
    Port,
    /// Something else is wrong with its form.
    Malformed,
    /// http, although nothing permits it.
    PlainHttp,
    /// A literal address that may not be called.
    Address(IpAddr, Refusal),
}

impl fmt::Display for UrlError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(out, "the URL is longer than {MAX_URL_BYTES} bytes"),
            Self::Character => out.write_str(
                "the URL contains white space, a control character or a backslash; \
                 percent-encode it",
            ),
            Self::Scheme => out.write_str("the URL must begin with https:// or http://"),
            Self::Userinfo => out.write_str(
                "the URL must not contain a user name or password; use a custom header instead",
            ),
            Self::Fragment => out.write_str("the URL must not contain a fragment (#)"),
            Self::Host => out.write_str("the URL has no valid host"),
            Self::Port => out.write_str("the URL's port must be from 1 to 65535"),
            Self::Malformed => out.write_str("the URL is malformed"),
            Self::PlainHttp => out.write_str(
                "plain http is permitted only to addresses in delivery.allow_networks, or to \
                 loopback with insecure_loopback; use https",
            ),
            Self::Address(ip, refusal) => write!(
                out,
                "the address {ip} may not be called ({refusal}); it is not in \
                 delivery.allow_networks"
            ),
        }
    }
}

impl std::error::Error for UrlError {}

/// A URL that may be an endpoint's, in the one normalized form that is called. The record keeps
/// the text as it was given, so that its owner finds it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    /// The normalized text: literal addresses in their canonical form, host names in ASCII.
    pub text: String,
    /// Host name or address, without brackets.
    pub host: String,
    /// The port, also when it is the scheme's default.
    pub port: u16,
    /// Whether it is called over TLS.
    pub https: bool,
}

/// Checks the URL of an endpoint (`protocols/notifications.md` section 1, row URL): form, and the
/// address table for literal addresses in every notation that the WHATWG URL standard reads
/// (decimal, octal, hexadecimal, shortened, bracketed and mapped IPv6, trailing dot). Host names
/// are checked when they are resolved.
///
/// # Errors
/// What is wrong, in words for the caller.
pub fn check_url(text: &str, rules: &AddressRules) -> Result<EndpointUrl, UrlError> {
    check_text(text)?;
    let url = Url::parse(text).map_err(|error| match error {
        url::ParseError::InvalidPort => UrlError::Port,
        url::ParseError::EmptyHost
        | url::ParseError::IdnaError
        | url::ParseError::InvalidIpv4Address
        | url::ParseError::InvalidIpv6Address
        | url::ParseError::InvalidDomainCharacter => UrlError::Host,
        _ => UrlError::Malformed,
    })?;
    let https = url.scheme() == "https";
    let port = match url.port_or_known_default() {
        None | Some(0) => return Err(UrlError::Port),
        Some(port) => port,
    };
    if !https && !rules.http_possible() {
        return Err(UrlError::PlainHttp);
    }
    let (host, literal) = match url.host().ok_or(UrlError::Host)? {
        Host::Domain(name) => (check_name(name)?.to_owned(), named_loopback(name)),
        Host::Ipv4(ip) => (ip.to_string(), Some(IpAddr::V4(ip))),
        Host::Ipv6(ip) => (ip.to_string(), Some(IpAddr::V6(ip))),
    };
    if let Some(ip) = literal {
        rules
            .permit(ip, https)
            .map_err(|refusal| UrlError::Address(ip, refusal))?;
    }
    // The client reads the URL with another parser; it must read this form.
    if url.as_str().len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong);
    }
    if hyper::Uri::try_from(url.as_str()).is_err() {
        return Err(UrlError::Malformed);
    }
    Ok(EndpointUrl {
        text: url.into(),
        host,
        port,
        https,
    })
}

/// What the URL parser would silently repair or drop is refused first, so that the text means the
/// same to every reader.
fn check_text(text: &str) -> Result<(), UrlError> {
    if text.len() > MAX_URL_BYTES {
        return Err(UrlError::TooLong);
    }
    if text
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || c == '\\')
    {
        return Err(UrlError::Character);
    }
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return Err(UrlError::Scheme);
    }
    if text.contains('#') {
        return Err(UrlError::Fragment);
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(UrlError::Userinfo);
    }
    if authority.is_empty() || authority.starts_with(':') {
        return Err(UrlError::Host);
    }
    Ok(())
}

/// The bounds of the DNS; a name beyond them cannot be resolved.
fn check_name(name: &str) -> Result<&str, UrlError> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let label_fits = |label: &str| (1..=MAX_LABEL_BYTES).contains(&label.len());
    if bare.len() > MAX_HOST_BYTES || !bare.split('.').all(label_fits) {
        return Err(UrlError::Host);
    }
    Ok(name)
}

/// `localhost` and the names under it are loopback by definition (RFC 6761 6.3), so the caller
/// can be told at once.
fn named_loopback(name: &str) -> Option<IpAddr> {
    let bare = name.strip_suffix('.').unwrap_or(name);
    (bare == "localhost" || bare.ends_with(".localhost")).then_some(Ipv4Addr::LOCALHOST.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_number_notation_is_decided_like_the_address(number: u32, https: bool) {
            let rules = AddressRules {
                allow_networks: vec!["9.0.0.0/8".parse().unwrap()],
                insecure_loopback: true,
            };
            let ip = Ipv4Addr::from_bits(number);
            let [a, b, c, d] = ip.octets();
            let low = number & 0xff_ffff;
            let expected = rules.permit(ip.into(), https);
            for host in [
                format!("{ip}"),
                format!("{ip}."),
                format!("{number}"),
                format!("{number:#x}"),
                format!("0{number:o}"),
                format!("{a}.{low}"),
                format!("{a:#x}.0{b:o}.{c}.{d:#X}").replace("0X", "0x"),
                format!("[::ffff:{ip}]"),
            ] {
                let scheme = if https { "https" } else { "http" };
                let checked = check_url(&format!("{scheme}://{host}/"), &rules);
                match expected {
                    Ok(()) => prop_assert!(checked.is_ok(), "{host}: {checked:?}"),
                    Err(refusal) => prop_assert!(
                        matches!(checked, Err(UrlError::Address(_, found)) if found == refusal),
                        "{host}: {checked:?}"
                    ),
                }
            }
        }

        #[test]
        fn what_is_taken_is_taken_again_unchanged(tail in "\\PC{0,60}") {
            let rules = AddressRules::default();
            if let Ok(url) = check_url(&format!("https://{tail}"), &rules) {
                prop_assert!(url.text.is_ascii());
                prop_assert_eq!(check_url(&url.text, &rules), Ok(url));
            }
        }
    }

    #[test]
    fn every_notation_of_a_literal_address_is_seen_through() {
        for host in [
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "127.0.1",
            "2130706433",
            "0177.0.0.1",
            "017700000001",
            "0x7f.1",
            "0x7f000001",
            "0X7F.0.0.1",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "localhost",
            "LOCALHOST.",
            "x.localhost",
        ] {
            for port in ["", ":8443"] {
                let text = format!("https://{host}{port}/hook");
                let error = check_url(&text, &AddressRules::default()).unwrap_err();
                let UrlError::Address(_, refusal) = error else {
                    panic!("{text}: {error:?}");
                };
                assert_eq!(refusal.rule, "loopback", "{text}");
            }
        }
        for (host, rule) in [
            ("167772161", "private"),
            ("0xa.1", "private"),
            ("012.0.0.1", "private"),
            ("2852039166", "link-local"),
            ("0xA9FEA9FE", "link-local"),
            ("[64:ff9b::a00:1]", "private"),
            ("[2002:a00:1::]", "private"),
            ("[::10.0.0.1]", "ipv4-compatible"),
            ("[fe80::1]", "link-local"),
            ("0", "unspecified"),
        ] {
            let error = check_url(&format!("https://{host}/"), &AddressRules::default());
            assert!(
                matches!(error, Err(UrlError::Address(_, refusal)) if refusal.rule == rule),
                "{host}: {error:?}"
            );
        }
    }

    #[test]
    fn the_form_of_a_url_is_checked() {
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL_BYTES));
        let grows = format!("https://example.com/{}", "\"".repeat(MAX_URL_BYTES / 2));
        let label = format!("https://{}.com/", "a".repeat(64));
        for (text, expected) in [
            (long.as_str(), UrlError::TooLong),
            (grows.as_str(), UrlError::TooLong),
            (label.as_str(), UrlError::Host),
            ("", UrlError::Scheme),
            ("example.com/hook", UrlError::Scheme),
            ("/hook", UrlError::Scheme),
            ("ftp://example.com/", UrlError::Scheme),
            ("file:///etc/passwd", UrlError::Scheme),
            ("javascript:alert(1)", UrlError::Scheme),
            ("https:example.com", UrlError::Scheme),
            ("https://", UrlError::Host),
            ("https:///example.com", UrlError::Host),
            ("https://:443/", UrlError::Host),
            ("https://?x", UrlError::Host),
            ("https://a..b/", UrlError::Host),
            ("https://[::1", UrlError::Host),
            ("https://256.0.0.1/", UrlError::Host),
            ("https://1.2.3.4.5/", UrlError::Host),
            ("https://exa%00mple.com/", UrlError::Host),
            ("https://exa<mple.com/", UrlError::Host),
            ("https://[fe80::1%25eth0]/", UrlError::Host),
            ("https://user@example.com/", UrlError::Userinfo),
            ("https://user:secret@example.com/", UrlError::Userinfo),
            ("https://@example.com/", UrlError::Userinfo),
            ("https://example.com/#top", UrlError::Fragment),
            ("https://example.com/#", UrlError::Fragment),
            ("https://example.com:0/", UrlError::Port),
            ("https://example.com:65536/", UrlError::Port),
            ("https://example.com:x/", UrlError::Port),
            (" https://example.com/", UrlError::Character),
            ("https://example.com/a b", UrlError::Character),
            ("https://example.com/\r\nx: y", UrlError::Character),
            ("https://example.com\\@10.0.0.1/", UrlError::Character),
            ("https://exam\tple.com/", UrlError::Character),
            ("http://example.com/", UrlError::PlainHttp),
        ] {
            assert_eq!(
                check_url(text, &AddressRules::default()),
                Err(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn a_good_url_is_normalized() {
        let rules = AddressRules {
            allow_networks: Vec::new(),
            insecure_loopback: true,
        };
        for (text, normalized, host, port, https) in [
            (
                "https://Example.COM/Hook?a=b@c",
                "https://example.com/Hook?a=b@c",
                "example.com",
                443,
                true,
            ),
            (
                "HTTPS://shop.example:8443",
                "https://shop.example:8443/",
                "shop.example",
                8443,
                true,
            ),
            (
                "https://käufer.example/ü",
                "https://xn--kufer-gra.example/%C3%BC",
                "xn--kufer-gra.example",
                443,
                true,
            ),
            (
                "http://127.1:8080/x",
                "http://127.0.0.1:8080/x",
                "127.0.0.1",
                8080,
                false,
            ),
            (
                "https://[2606:4700::1]/",
                "https://[2606:4700::1]/",
                "2606:4700::1",
                443,
                true,
            ),
            // Names are decided when they are resolved.
            (
                "http://shop.example/",
                "http://shop.example/",
                "shop.example",
                80,
                false,
            ),
        ] {
            let url = check_url(text, &rules).unwrap();
            assert_eq!(url.text, normalized);
            assert_eq!(
                (url.host.as_str(), url.port, url.https),
                (host, port, https)
            );
            assert_eq!(check_url(&url.text, &rules).unwrap(), url);
        }
    }
}
