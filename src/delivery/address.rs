//! Which addresses may be called.
//!
//! Owns the address table (`protocols/notifications.md` section 1, row URL). Pure: it does not
//! read URLs, resolve names or connect; `url.rs` asks it about literal addresses and `connect.rs`
//! about every resolved one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

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
    #[must_use]
    pub fn http_possible(&self) -> bool {
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
}
