//! Phone numbers (`protocols/domain.md` section 4).
//!
//! Owns the one form in which numbers are compared: `+` and digits behind an assigned country
//! code. Pure. Does not know whose number it is, nor what a surface says of a wrong one.

/// Assigned country codes of two digits, as ranges.
const TWO: [(u16, u16); 14] = [
    (20, 20),
    (27, 27),
    (30, 34),
    (36, 36),
    (39, 39),
    (40, 41),
    (43, 49),
    (51, 58),
    (60, 66),
    (81, 82),
    (84, 84),
    (86, 86),
    (90, 95),
    (98, 98),
];
/// Assigned country codes of three digits, as ranges.
const THREE: [(u16, u16); 34] = [
    (211, 213),
    (216, 216),
    (218, 218),
    (220, 258),
    (260, 269),
    (290, 291),
    (297, 299),
    (350, 359),
    (370, 378),
    (380, 383),
    (385, 387),
    (389, 389),
    (420, 421),
    (423, 423),
    (500, 509),
    (590, 599),
    (670, 670),
    (672, 683),
    (685, 692),
    (800, 800),
    (808, 808),
    (850, 850),
    (852, 853),
    (855, 856),
    (870, 870),
    (878, 878),
    (880, 883),
    (886, 886),
    (888, 888),
    (960, 968),
    (970, 977),
    (979, 979),
    (992, 996),
    (998, 998),
];
/// Digits of an international number.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=15;
/// Digits from which on a national number may begin with its country code already.
const WITH_CODE: usize = 11;

/// The number as it is compared, if it is international.
pub fn international(text: &str) -> Option<String> {
    checked(clean(text)?)
}

/// As [`international`], but a national number is completed by the account's default country code.
pub fn completed(text: &str, default_country_code: Option<&str>) -> Option<String> {
    let number = clean(text)?;
    let Some(code) = default_country_code.filter(|_| !number.starts_with('+')) else {
        return checked(number);
    };
    if number.starts_with(code) && number.len() >= WITH_CODE {
        return checked(format!("+{number}"));
    }
    let national = number.strip_prefix('0').unwrap_or(&number);
    checked(format!("+{code}{national}"))
}

/// Digits, maybe behind a `+`; none if anything else is left.
fn clean(text: &str) -> Option<String> {
    let ornament = |character: &char| matches!(character, ' ' | '-' | '.' | '(' | ')' | '/');
    let bare: String = text.chars().filter(|c| !ornament(c)).collect();
    let number = match bare.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => bare,
    };
    let digits = number.strip_prefix('+').unwrap_or(&number);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(number)
}

fn checked(number: String) -> Option<String> {
    let digits = number.strip_prefix('+')?;
    (DIGITS.contains(&digits.len()) && has_assigned_code(digits)).then_some(number)
}

/// The codes are free of prefixes of each other, so any that fits is the one.
fn has_assigned_code(digits: &str) -> bool {
    let code = |length: usize| digits.get(..length).and_then(|code| code.parse().ok());
    let within = |ranges: &[(u16, u16)], length| {
        code(length).is_some_and(|code: u16| {
            let assigned = |(first, last): &(u16, u16)| (*first..=*last).contains(&code);
            ranges.iter().any(assigned)
        })
    };
    digits.starts_with(['1', '7']) || within(&TWO, 2) || within(&THREE, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_numbers() {
        for (text, expected) in [
            ("+15551234567", Some("+15551234567")),
            ("+16193596440", Some("+16193596440")),
            ("+526600000000", Some("+526600000000")),
            ("0031 20 123 4567", Some("+31201234567")),
            ("+1 (555) 123-45.67/", Some("+15551234567")),
            ("5551234567", None),
            ("15551234567", None),
            ("+9995551234", None),
            ("+1555", None),
            ("+1555123456789012", None),
            ("+155512345678901", Some("+155512345678901")),
            ("+1555123", None),
            ("+15551234", Some("+15551234")),
            ("+", None),
            ("", None),
            ("++15551234567", None),
            ("+1555123456x", None),
            ("+1555123456\u{662}", None),
        ] {
            assert_eq!(international(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn national_numbers_are_completed_by_the_accounts_code() {
        for (text, code, expected) in [
            ("8005551234", "1", Some("+18005551234")),
            ("15551234567", "1", Some("+15551234567")),
            ("(800) 555-1234", "1", Some("+18005551234")),
            ("020 123 4567", "31", Some("+31201234567")),
            // As long as a number with its code, so it is taken for one.
            ("31201234567", "31", Some("+31201234567")),
            ("3120123456", "31", Some("+313120123456")),
            ("+4930123456", "1", Some("+4930123456")),
            ("004930123456", "1", Some("+4930123456")),
            ("123", "1", None),
            ("ext. 7", "1", None),
        ] {
            assert_eq!(completed(text, Some(code)).as_deref(), expected, "{text}");
        }
        assert_eq!(completed("8005551234", None), None);
        assert_eq!(
            completed("+18005551234", None).as_deref(),
            Some("+18005551234")
        );
    }

    #[test]
    fn every_assigned_code_and_no_other() {
        let listed = "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51-58 60-66 81 82 84 \
            86 90-95 98 211-213 216 218 220-258 260-269 290 291 297-299 350-359 370-378 380-383 \
            385-387 389 420 421 423 500-509 590-599 670 672-683 685-692 800 808 850 852 853 855 \
            856 870 878 880-883 886 888 960-968 970-977 979 992-996 998";
        let codes: Vec<String> = listed
            .split_whitespace()
            .flat_map(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let (first, last): (u16, u16) = (first.parse().unwrap(), last.parse().unwrap());
                (first..=last).map(|code| code.to_string())
            })
            .collect();
        for start in 0..1000 {
            let digits = format!("{start:03}5551234");
            let expected = digits.starts_with(['1', '7'])
                || codes.iter().any(|code| digits.starts_with(code.as_str()));
            assert_eq!(has_assigned_code(&digits), expected, "{digits}");
        }
    }
}
