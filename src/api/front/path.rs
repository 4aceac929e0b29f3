//! Paths as they are understood (`protocols/transport.md` section 1).
//!
//! Owns splitting, decoding and the canonical spelling that routers match. Does not know any
//! route.

use std::fmt::Write;

/// A request path, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path {
    /// Decoded segments; of a path that cannot be understood, those before the first bad one.
    pub segments: Vec<String>,
    /// Whether the whole path could be understood.
    pub understood: bool,
}

/// Splits at `/`, then decodes each segment. Repeated slashes count as one, a trailing one is
/// ignored; `.` and `..`, bad escapes and U+0000 are not understood.
pub fn parse(raw: &str) -> Path {
    let mut segments = Vec::new();
    for raw in raw.split('/').filter(|segment| !segment.is_empty()) {
        match decode(raw) {
            Some(segment) if !matches!(segment.as_str(), "." | "..") => segments.push(segment),
            _ => {
                return Path {
                    segments,
                    understood: false,
                };
            }
        }
    }
    Path {
        segments,
        understood: true,
    }
}

fn decode(raw: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let high = char::from(rest.next()?).to_digit(16)?;
        let low = char::from(rest.next()?).to_digit(16)?;
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    let text = String::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

/// One spelling for each path: what is not unreserved in RFC 3986 is escaped.
pub fn spell(segments: &[String]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        for byte in segment.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                path.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    if path.is_empty() {
        path.push('/');
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_before_they_are_decoded() {
        for (raw, segments, spelled) in [
            ("/", vec![], "/"),
            ("", vec![], "/"),
            ("/a/b", vec!["a", "b"], "/a/b"),
            ("//a///b//", vec!["a", "b"], "/a/b"),
            ("/%61/b%2Fc", vec!["a", "b/c"], "/a/b%2Fc"),
            ("/x%20y", vec!["x y"], "/x%20y"),
            ("/...", vec!["..."], "/..."),
            ("/k%C3%A4", vec!["kä"], "/k%C3%A4"),
        ] {
            let path = parse(raw);
            assert!(path.understood, "{raw}");
            assert_eq!(path.segments, segments, "{raw}");
            assert_eq!(spell(&path.segments), spelled, "{raw}");
        }
    }

    #[test]
    fn what_could_climb_or_confuse_is_not_understood() {
        for raw in [
            "/a/./b",
            "/a/../b",
            "/a/%2e%2E",
            "/a/%2e",
            "/a/%",
            "/a/%4",
            "/a/%zz",
            "/a/%00",
            "/a/%ff",
            "/a/%+1",
        ] {
            let path = parse(raw);
            assert!(!path.understood, "{raw}");
            assert_eq!(path.segments, ["a"], "{raw}");
        }
    }
}
