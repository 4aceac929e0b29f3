//! Times in an account's zone (`protocols/transport.md` section 7).
//!
//! Owns the zone-less form and the zone every account has. Zone data are compiled in, so the
//! machine's own have no say. Does not know which surfaces write that form.

use jiff::tz::TimeZone;

use crate::clock::Timestamp;

/// The zone of every account.
const ZONE: &str = "America/Los_Angeles";

/// `2026-01-15 02:30:00`, fractions cut.
pub fn local(time: Timestamp) -> String {
    let seconds = i64::try_from(time.unix_seconds()).unwrap_or(i64::MAX);
    let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time
            .to_zoned(zone)
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        // Beyond the year 9999 no calendar text exists; the number still tells.
        Err(_) => seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_follow_the_zone_through_the_year() {
        assert_eq!(local(Timestamp(1_768_473_000_999)), "2026-01-15 02:30:00");
        assert_eq!(local(Timestamp(1_784_111_400_000)), "2026-07-15 03:30:00");
    }
}
