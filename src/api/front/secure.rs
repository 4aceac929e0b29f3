//! Which requests are secure, and who sent them (`protocols/transport.md` section 3).
//!
//! Owns both rules as pure functions. Does not know what happens to an insecure request.

use std::net::IpAddr;

use hyper::HeaderMap;
use hyper::header::FORWARDED;
use ipnet::IpNet;

use super::Settings;

/// What section 3 says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// None of its lines holds.
    Insecure,
    /// Line a or b: the caller may be told to use HTTPS always.
    Secure,
    /// Line c: plain HTTP on this machine, for development.
    Loopback,
}

/// Tests lines a, b and c in order.
pub fn judge(settings: &Settings, peer: IpAddr, tls: bool, headers: &HeaderMap) -> Security {
    if tls {
        return Security::Secure;
    }
    let peer = peer.to_canonical();
    if is_trusted(&settings.trusted_proxies, peer) {
        // A proxy speaks for callers elsewhere even where it runs on this machine, so line c is
        // not for it: without `X-Forwarded-Proto` it is insecure.
        let mut protos = fields(headers, "x-forwarded-proto").peekable();
        let told = protos.peek().is_some();
        let all_https = protos.all(|one| one.eq_ignore_ascii_case(b"https"));
        return if told && all_https {
            Security::Secure
        } else {
            Security::Insecure
        };
    }
    let came_through = headers.contains_key("x-forwarded-proto")
        || headers.contains_key("x-forwarded-for")
        || headers.contains_key(FORWARDED);
    if settings.insecure_loopback && peer.is_loopback() && !came_through {
        return Security::Loopback;
    }
    Security::Insecure
}

/// The client's address: the peer, or what a trusted proxy says of it.
pub fn client(settings: &Settings, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    let peer = peer.to_canonical();
    let proxies = &settings.trusted_proxies;
    if !is_trusted(proxies, peer) {
        return peer;
    }
    let values: Vec<&[u8]> = fields(headers, "x-forwarded-for").collect();
    for value in values.into_iter().rev() {
        // What cannot be read was not written by a proxy of ours: believe nothing before it.
        let text = std::str::from_utf8(value).unwrap_or_default();
        let Ok(address) = text.parse::<IpAddr>() else {
            return peer;
        };
        let address = address.to_canonical();
        if !is_trusted(proxies, address) {
            return address;
        }
    }
    peer
}

/// Every entry of a header whose values are comma lists, all its fields in their order.
fn fields<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

fn is_trusted(proxies: &[IpNet], address: IpAddr) -> bool {
    proxies.iter().any(|proxy| proxy.contains(&address))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    type Fields = &'static [(&'static str, &'static str)];

    fn headers(pairs: Fields) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    fn settings(insecure_loopback: bool) -> Settings {
        Settings {
            trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()],
            insecure_loopback,
            ..Settings::default()
        }
    }

    #[test]
    fn the_lines_of_the_table() {
        use Security::{Insecure, Loopback, Secure};
        const PROTO: &str = "x-forwarded-proto";
        let proxy = "192.0.2.7";
        let cases: &[(&str, bool, bool, Fields, Security)] = &[
            ("198.51.100.1", true, false, &[], Secure),
            ("198.51.100.1", false, false, &[], Insecure),
            ("198.51.100.1", false, false, &[(PROTO, "https")], Insecure),
            (proxy, false, false, &[(PROTO, "https")], Secure),
            (
                "::ffff:192.0.2.7",
                false,
                false,
                &[(PROTO, "https")],
                Secure,
            ),
            (proxy, false, false, &[(PROTO, "HTTPS, https")], Secure),
            (proxy, false, false, &[(PROTO, "https, http")], Insecure),
            (
                proxy,
                false,
                false,
                &[(PROTO, "https"), (PROTO, "http")],
                Insecure,
            ),
            (proxy, false, false, &[(PROTO, "")], Insecure),
            (proxy, false, false, &[(PROTO, "https,")], Insecure),
            (
                proxy,
                false,
                false,
                &[(PROTO, "https"), (PROTO, "")],
                Insecure,
            ),
            (proxy, false, false, &[(PROTO, "https\u{fc}")], Insecure),
            (proxy, false, false, &[(PROTO, "wss")], Insecure),
            (
                proxy,
                false,
                false,
                &[(PROTO, "https"), (PROTO, " HtTpS ,https")],
                Secure,
            ),
            (proxy, false, false, &[], Insecure),
            (
                proxy,
                false,
                false,
                &[("forwarded", "proto=https")],
                Insecure,
            ),
            ("127.0.0.1", false, false, &[], Insecure),
            ("127.0.0.1", false, true, &[], Loopback),
            ("127.8.9.1", false, true, &[], Loopback),
            ("::1", false, true, &[], Loopback),
            ("::ffff:127.0.0.1", false, true, &[], Loopback),
            ("198.51.100.1", false, true, &[], Insecure),
            ("127.0.0.1", false, true, &[(PROTO, "https")], Insecure),
            (
                "127.0.0.1",
                false,
                true,
                &[("x-forwarded-for", "::1")],
                Insecure,
            ),
            (
                "127.0.0.1",
                false,
                true,
                &[("forwarded", "for=::1")],
                Insecure,
            ),
        ];
        for (peer, tls, loopback, pairs, expected) in cases {
            let settings = settings(*loopback);
            let got = judge(&settings, peer.parse().unwrap(), *tls, &headers(pairs));
            assert_eq!(got, *expected, "{peer} {tls} {loopback} {pairs:?}");
        }
    }

    #[test]
    fn a_trusted_proxy_on_this_machine_is_no_loopback_caller() {
        let settings = Settings {
            trusted_proxies: vec!["127.0.0.1/32".parse().unwrap(), "::1/128".parse().unwrap()],
            insecure_loopback: true,
            ..Settings::default()
        };
        let judged = |peer: &str, pairs| {
            let peer = peer.parse().unwrap();
            judge(&settings, peer, false, &headers(pairs))
        };
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            let https = &[("x-forwarded-proto", "https")];
            assert_eq!(judged(peer, https), Security::Secure, "{peer}");
            assert_eq!(judged(peer, &[]), Security::Insecure, "{peer}");
        }
        // Another loopback address is not the proxy.
        assert_eq!(judged("127.0.0.2", &[]), Security::Loopback);
    }

    #[test]
    fn the_client_is_the_rightmost_stranger() {
        const FOR: &str = "x-forwarded-for";
        let cases: &[(&str, Fields, &str)] = &[
            ("198.51.100.1", &[(FOR, "203.0.113.5")], "198.51.100.1"),
            ("192.0.2.7", &[], "192.0.2.7"),
            ("192.0.2.7", &[(FOR, "203.0.113.5")], "203.0.113.5"),
            (
                "192.0.2.7",
                &[(FOR, "10.9.9.9, 203.0.113.5, 192.0.2.8")],
                "203.0.113.5",
            ),
            (
                "192.0.2.7",
                &[(FOR, "10.9.9.9"), (FOR, "203.0.113.5")],
                "203.0.113.5",
            ),
            ("192.0.2.7", &[(FOR, "192.0.2.8, 192.0.2.9")], "192.0.2.7"),
            ("192.0.2.7", &[(FOR, "203.0.113.5, rubbish")], "192.0.2.7"),
            ("192.0.2.7", &[(FOR, "203.0.113.5,")], "192.0.2.7"),
            // A field that a stranger made unreadable hides nothing that stands behind it.
            (
                "192.0.2.7",
                &[(FOR, "10.9.9.9"), (FOR, "\u{fc}, 203.0.113.5")],
                "203.0.113.5",
            ),
            (
                "192.0.2.7",
                &[(FOR, "10.9.9.9"), (FOR, "\u{fc}")],
                "192.0.2.7",
            ),
            ("::ffff:192.0.2.7", &[(FOR, "2001:db8::5")], "2001:db8::5"),
            ("192.0.2.7", &[(FOR, "::ffff:203.0.113.5")], "203.0.113.5"),
        ];
        for (peer, pairs, expected) in cases {
            let got = client(&settings(false), peer.parse().unwrap(), &headers(pairs));
            assert_eq!(got.to_string(), *expected, "{peer} {pairs:?}");
        }
    }
}
