//! Rust source without what is not code.
//!
//! Owns the cutting of comments, string contents and the unit tests at a file's end. Does not
//! know the rules.

/// The code of a file: comments and the contents of literals are gone, line breaks stay, and it
/// ends before `#[cfg(test)] mod …`.
pub fn code(source: &str) -> String {
    let stripped = strip(source);
    let lines: Vec<&str> = stripped.lines().collect();
    let begins_tests = |at: usize| {
        lines[at].trim() == "#[cfg(test)]"
            && lines[at + 1..]
                .iter()
                .find(|line| !line.trim_start().starts_with("#["))
                .is_some_and(|line| line.starts_with("mod ") && line.trim_end().ends_with('{'))
    };
    let end = (0..lines.len())
        .find(|at| begins_tests(*at))
        .unwrap_or(lines.len());
    lines[..end].iter().flat_map(|line| [line, "\n"]).collect()
}

fn strip(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut out, mut i) = (String::new(), 0);
    while i < chars.len() {
        let next = match (at(i), at(i + 1)) {
            ('/', '/') => (i..chars.len())
                .find(|j| at(*j) == '\n')
                .unwrap_or(chars.len()),
            ('/', '*') => end_of_block(&chars, i),
            ('"', _) => end_of_string(&chars, i + 1),
            ('r', '"' | '#') if !word(at(i.wrapping_sub(1))) || at(i.wrapping_sub(1)) == 'b' => {
                end_of_raw(&chars, i).unwrap_or(i)
            }
            // A character literal; a lifetime has no quote after one character.
            ('\'', '\\') => (i + 3..chars.len())
                .find(|j| at(*j) == '\'')
                .map_or(i + 1, |j| j + 1),
            ('\'', _) if at(i + 2) == '\'' => i + 3,
            _ => i,
        };
        if next == i {
            out.push(at(i));
            i += 1;
        } else {
            out.extend(
                chars[i..next.min(chars.len())]
                    .iter()
                    .filter(|c| **c == '\n'),
            );
            out.push(' ');
            i = next;
        }
    }
    out
}

fn word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_block(chars: &[char], start: usize) -> usize {
    let (mut depth, mut i) = (0, start);
    while i + 1 < chars.len() {
        match (chars[i], chars[i + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                i += 1;
                continue;
            }
        }
        i += 2;
        if depth == 0 {
            return i;
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() {
        match chars[i] {
            '\\' => i += 2,
            '"' => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

fn end_of_raw(chars: &[char], start: usize) -> Option<usize> {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    let open = start + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return None;
    }
    let closes = |j: usize| {
        chars[j] == '"' && chars[j + 1..].iter().take_while(|c| **c == '#').count() >= hashes
    };
    let close = (open + 1..chars.len()).find(|j| closes(*j))?;
    Some(close + 1 + hashes)
}

/// Every path in the code that begins with `head`, with `use` groups multiplied out: for
/// `crate::{a::b, c}` these are `a::b` and `c`.
pub fn paths(code: &str, head: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(head) {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let rest = &code[at + head.len()..];
        if !word(before) && before != ':' && rest.starts_with("::") {
            expand(&rest[2..], "", &mut found);
        }
    }
    found
}

/// Reads one path (or group) and gives what follows it.
fn expand<'a>(text: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix('}') {
                return after;
            }
            if rest.is_empty() {
                return rest;
            }
            let after = expand(rest, prefix, found);
            // Past an `as` name and the comma.
            let stop = after.find([',', '}']).unwrap_or(after.len());
            rest = after[stop..].strip_prefix(',').unwrap_or(&after[stop..]);
        }
    }
    let end = text.find(|c| !word(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = if prefix.is_empty() {
        name.to_owned()
    } else {
        format!("{prefix}::{name}")
    };
    match rest.strip_prefix("::") {
        Some(rest) if rest.starts_with(|c: char| word(c) || c == '{') => expand(rest, &path, found),
        _ => {
            found.push(path);
            rest
        }
    }
}

#[test]
fn comments_literals_and_tests_are_no_code() {
    let source = "//! doc crate::a\nuse x; /* crate::b /* nested */ */ let s = \"crate::c\";\n\
                  let r = r#\"crate::\"d\"#; let c = '\"'; let l: &'static str = '\\'';\ncrate::e\n\
                  #[cfg(test)]\n#[allow(x)]\nmod tests {\n crate::f\n}\n";
    let code = code(source);
    assert_eq!(paths(&code, "crate"), ["e"], "{code}");
    assert_eq!(code.lines().count(), 4);
}

#[test]
fn groups_are_multiplied_out() {
    let code =
        "use crate::{a::{b, c as d}, e, f::*};\nlet x = crate::g::h(1); pub(crate) fn y() {}";
    assert_eq!(paths(code, "crate"), ["a::b", "a::c", "e", "f", "g::h"]);
    assert!(paths("mycrate::a x::crate::b", "crate").is_empty());
}
