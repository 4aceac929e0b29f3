//! Which URLs and addresses may be called.
//!
//! Owns the address table (`protocols/notifications.md` section 1, row URL) and the form of an
//! endpoint's URL. Pure: it does not resolve names and does not connect; `connect.rs` asks it
//! about every resolved address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// Longest URL in bytes, as given and as normalized.
pub const MAX_URL_BYTES: usize = 2048;
/// Longest host name in bytes (RFC 1035), without the trailing dot.
const MAX_HOST_BYTES: usize = 253;
/// Longest label of a host name in bytes (RFC 1035).
const MAX_LABEL_BYTES: usize = 63;

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(groups: [u16; 4], prefix: u8) -> Ipv6Net {
    let [a, b, c, d] = groups;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0), prefix)
}

/// IPv4 networks that are not public (IANA special-purpose registry); the first match names the
/// rule.
const REFUSED_V4: [(Ipv4Net, &str); 17] = [
    (v4([0, 0, 0, 0], 32), "unspecified"),
    (v4([0, 0, 0, 0], 8), "this-network"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([100, 64, 0, 0], 10), "shared"),
    (v4([192, 0, 0, 0], 24), "ietf-protocol"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "6to4-relay"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([255, 255, 255, 255], 32), "broadcast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
];

/// IPv6 networks that are not public; the first match names the rule. What is left outside of
/// `2000::/3` and NAT64 is reserved.
const REFUSED_V6: [(Ipv6Net, &str); 13] = [
    (v6([0, 0, 0, 0], 128), "unspecified"),
    // Deprecated and never routed, whatever IPv4 address is inside (RFC 4291 2.5.5.1).
    (v6([0, 0, 0, 0], 96), "ipv4-compatible"),
    // What is behind it is decided by the local translator alone (RFC 8215).
    (v6([0x64, 0xff9b, 1, 0], 48), "nat64-local"),
    (v6([0x100, 0, 0, 0], 64), "discard"),
    (v6([0x2001, 0, 0, 0], 32), "teredo"),
    (v6([0x2001, 2, 0, 0], 48), "benchmarking"),
    (v6([0x2001, 0, 0, 0], 23), "ietf-protocol"),
    (v6([0x2001, 0xdb8, 0, 0], 32), "documentation"),
    (v6([0x3fff, 0, 0, 0], 20), "documentation"),
    (v6([0xfc00, 0, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0], 8), "multicast"),
];

const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0], 96);
const SIX_TO_FOUR: Ipv6Net = v6([0x2002, 0, 0, 0], 16);
const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0], 3);

/// An address that may not be called, by the rule that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The rule's name: `private`, `loopback`, `http-to-public` …
    pub rule: &'static str,
    /// The IPv6 form that carries the refused IPv4 address, if one does.
    pub inside: Option<&'static str>,
}

impl Refusal {
    const fn new(rule: &'static str) -> Self {
        Self { rule, inside: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inside {
            Some(form) => write!(out, "{} inside {form}", self.rule),
            None => out.write_str(self.rule),
        }
    }
}

/// What the operator permits beyond public addresses over https.
#[derive(Debug, Clone, Default)]
pub struct AddressRules {
    /// Networks that may be called whatever they are, also over http.
    pub allow_networks: Vec<IpNet>,
    /// Loopback may be called, also over http: for trying things out on one machine.
    pub insecure_loopback: bool,
}

impl AddressRules {
    /// Whether `ip` may be called. Public addresses are permitted over https; addresses in
    /// `allow_networks`, and loopback with `insecure_loopback`, over both schemes.
    ///
    /// # Errors
    /// The rule that refuses it.
    pub fn permit(&self, ip: IpAddr, https: bool) -> Result<(), Refusal> {
        // A mapped address is the IPv4 address to the operating system as well.
        let canonical = ip.to_canonical();
        let allowed = |net: &IpNet| net.contains(&canonical) || net.contains(&ip);
        if self.allow_networks.iter().any(allowed)
            || (self.insecure_loopback && canonical.is_loopback())
        {
            return Ok(());
        }
        let refusal = match canonical {
            IpAddr::V4(ip) => refused_v4(ip).map(Refusal::new),
            IpAddr::V6(ip) => refused_v6(ip),
        };
        match refusal {
            Some(refusal) => Err(refusal),
            None if https => Ok(()),
            None => Err(Refusal::new("http-to-public")),
        }
    }

    /// Whether plain http can be permitted to any address at all.
    fn http_possible(&self) -> bool {
        self.insecure_loopback || !self.allow_networks.is_empty()
    }
}

fn refused_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let row = REFUSED_V4.iter().find(|(net, _)| net.contains(&ip));
    row.map(|(_, rule)| *rule)
}

fn refused_v6(ip: Ipv6Addr) -> Option<Refusal> {
    if ip.is_loopback() {
        return Some(Refusal::new("loopback"));
    }
    if let Some((_, rule)) = REFUSED_V6.iter().find(|(net, _)| net.contains(&ip)) {
        return Some(Refusal::new(rule));
    }
    if let Some((form, inner)) = carried_v4(ip)
        && let Some(rule) = refused_v4(inner)
    {
        let inside = Some(form);
        return Some(Refusal { rule, inside });
    }
    (!GLOBAL_UNICAST.contains(&ip) && !NAT64.contains(&ip)).then(|| Refusal::new("reserved"))
}

/// The IPv4 address to which a packet for `ip` is finally sent, by the forms that carry one.
fn carried_v4(ip: Ipv6Addr) -> Option<(&'static str, Ipv4Addr)> {
    let bits = ip.to_bits();
    // The cast cuts off everything but the 32 bits that end there.
    #[allow(clippy::cast_possible_truncation)]
    let ending_at = |end: u32| Ipv4Addr::from_bits((bits >> (128 - end)) as u32);
    if NAT64.contains(&ip) {
        return Some(("NAT64", ending_at(128)));
    }
    if SIX_TO_FOUR.contains(&ip) {
        return Some(("6to4", ending_at(48)));
    }
    // ISATAP interface identifier under any prefix (RFC 5214 6.1).
    let isatap = matches!(ip.segments(), [_, _, _, _, 0 | 0x200, 0x5efe, _, _]);
    isatap.then_some(("ISATAP", ending_at(128)))
}

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

/// A URL that may be an endpoint's, in the one normalized form that is stored and called.
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
    use super::*;

    fn rule(text: &str) -> String {
        let ip: IpAddr = text.parse().unwrap();
        match AddressRules::default().permit(ip, true) {
            Ok(()) => "public".into(),
            Err(refusal) => refusal.to_string(),
        }
    }

    #[test]
    fn the_address_table_holds() {
        for (ip, expected) in [
            ("8.8.8.8", "public"),
            ("0.0.0.0", "unspecified"),
            ("0.1.2.3", "this-network"),
            ("127.0.0.1", "loopback"),
            ("127.255.255.255", "loopback"),
            ("126.255.255.255", "public"),
            ("128.0.0.0", "public"),
            ("10.0.0.1", "private"),
            ("11.0.0.0", "public"),
            ("172.15.255.255", "public"),
            ("172.16.0.0", "private"),
            ("172.31.255.255", "private"),
            ("172.32.0.0", "public"),
            ("192.168.1.1", "private"),
            ("169.254.169.254", "link-local"),
            ("100.63.255.255", "public"),
            ("100.64.0.0", "shared"),
            ("100.127.255.255", "shared"),
            ("100.128.0.0", "public"),
            ("192.0.0.192", "ietf-protocol"),
            ("192.0.2.9", "documentation"),
            ("198.51.100.9", "documentation"),
            ("203.0.113.9", "documentation"),
            ("192.88.99.1", "6to4-relay"),
            ("198.17.255.255", "public"),
            ("198.18.0.0", "benchmarking"),
            ("198.19.255.255", "benchmarking"),
            ("198.20.0.0", "public"),
            ("223.255.255.255", "public"),
            ("224.0.0.1", "multicast"),
            ("239.255.255.255", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "broadcast"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "ipv4-compatible"),
            ("::127.0.0.1", "ipv4-compatible"),
            ("::8.8.8.8", "ipv4-compatible"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:10.0.0.1", "private"),
            ("::ffff:169.254.169.254", "link-local"),
            ("::ffff:8.8.8.8", "public"),
            ("::ffff:0:10.0.0.1", "reserved"),
            ("64:ff9b::8.8.8.8", "public"),
            ("64:ff9b::10.0.0.1", "private inside NAT64"),
            ("64:ff9b::169.254.169.254", "link-local inside NAT64"),
            ("64:ff9b:1::8.8.8.8", "nat64-local"),
            ("2002:0808:0808::1", "public"),
            ("2002:0a00:0001::1", "private inside 6to4"),
            ("2002:7f00:0001::1", "loopback inside 6to4"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "teredo"),
            ("2001:2::1", "benchmarking"),
            ("2001:20::1", "ietf-protocol"),
            ("2001:1ff:ffff::1", "ietf-protocol"),
            ("2001:200::1", "public"),
            ("2001:db8::1", "documentation"),
            ("3fff:fff::1", "documentation"),
            ("3fff:1000::1", "public"),
            ("2606:4700::0:5efe:10.0.0.1", "private inside ISATAP"),
            ("2606:4700::200:5efe:127.0.0.1", "loopback inside ISATAP"),
            ("2606:4700::0:5efe:8.8.8.8", "public"),
            ("2606:4700::1", "public"),
            ("100::1", "discard"),
            ("fc00::1", "private"),
            ("fd00:ec2::254", "private"),
            ("fe80::1", "link-local"),
            ("fec0::1", "site-local"),
            ("ff02::1", "multicast"),
            ("4000::1", "reserved"),
            ("5f00::1", "reserved"),
        ] {
            assert_eq!(rule(ip), expected, "{ip}");
        }
    }

    #[test]
    fn the_operator_permits_networks_and_loopback_over_both_schemes() {
        let rules = AddressRules {
            allow_networks: vec!["10.1.0.0/16".parse().unwrap(), "fd00::/8".parse().unwrap()],
            insecure_loopback: false,
        };
        let loopback = AddressRules {
            allow_networks: Vec::new(),
            insecure_loopback: true,
        };
        for (ip, by_rules, by_loopback) in [
            ("10.1.2.3", true, false),
            ("::ffff:10.1.2.3", true, false),
            ("64:ff9b::10.1.2.3", false, false),
            ("10.2.0.1", false, false),
            ("fd12::1", true, false),
            ("127.0.0.1", false, true),
            ("127.9.9.9", false, true),
            ("::1", false, true),
            ("::ffff:127.0.0.1", false, true),
            ("64:ff9b::127.0.0.1", false, false),
            ("0.0.0.0", false, false),
        ] {
            let ip: IpAddr = ip.parse().unwrap();
            for https in [true, false] {
                assert_eq!(rules.permit(ip, https).is_ok(), by_rules, "{ip} {https}");
                assert_eq!(
                    loopback.permit(ip, https).is_ok(),
                    by_loopback,
                    "{ip} {https}"
                );
            }
        }
        let public = "8.8.8.8".parse().unwrap();
        assert_eq!(rules.permit(public, true), Ok(()));
        assert_eq!(
            rules.permit(public, false),
            Err(Refusal::new("http-to-public"))
        );
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
