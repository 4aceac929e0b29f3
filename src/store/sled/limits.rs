//! How much may be stored: the limits of the installation and of one account.
//!
//! Owns the arithmetic of refusing. Pure: whoever asks says how much there is. Does not know who
//! makes room; [`Limits::pressed`] only says in good time that somebody should.

use crate::store::CommitError;

/// The limits, and the latest figures of the disk.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of sled's file at most.
    pub max_disk: u64,
    /// Bytes of one account's log at most.
    pub max_account_disk: u64,
    /// Bytes of commits in memory at most.
    pub max_queue: usize,
    /// Bytes of sled's file.
    pub file: u64,
    /// Keys and values in the tree, in bytes.
    pub live: u64,
    /// The ballast was given up for essential commits, so only those may use it.
    pub ballast_spent: bool,
}

/// Nine tenths of a limit: from here on somebody should make room.
fn nearly(limit: u64) -> u64 {
    limit - limit / 10
}

impl Limits {
    /// Whether a commit of `size` bytes may be stored while `queued` bytes wait. `share` is the
    /// size of its account's log; none = not known yet, which refuses nothing.
    ///
    /// Essential commits always may. Beyond the queue's bound the answer is Unavailable, because
    /// the disk does not keep up; at a disk limit it is Full.
    pub fn admit(
        &self,
        essential: bool,
        size: usize,
        queued: usize,
        share: Option<u64>,
    ) -> Result<(), CommitError> {
        if essential {
            return Ok(());
        }
        if queued.saturating_add(size) > self.max_queue {
            return Err(CommitError::Unavailable);
        }
        let over_share = share.is_some_and(|share| share + size as u64 > self.max_account_disk);
        let waiting = queued.saturating_add(size) as u64;
        if self.ballast_spent || over_share || self.over(self.max_disk, waiting) {
            return Err(CommitError::Full);
        }
        Ok(())
    }

    /// Whether the file would pass `limit` with `waiting` more bytes. sled's file does not shrink
    /// but is used again: while less than half of it is live, new data finds room inside.
    fn over(&self, limit: u64, waiting: u64) -> bool {
        self.file.saturating_add(waiting) > limit && self.live.saturating_add(waiting) > limit / 2
    }

    /// Whether the installation is near its limit.
    pub fn pressed(&self) -> bool {
        self.ballast_spent || self.over(nearly(self.max_disk), 0)
    }

    /// Whether an account whose log has `bytes` is near the limit of its share.
    pub fn account_is_pressed(&self, bytes: u64) -> bool {
        bytes > nearly(self.max_account_disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(file: u64, live: u64) -> Limits {
        Limits {
            max_disk: 1000,
            max_account_disk: 500,
            max_queue: 300,
            file,
            live,
            ballast_spent: false,
        }
    }

    #[test]
    fn each_limit_refuses_at_one_byte_more() {
        let admit = |file, live, queued, share| limits(file, live).admit(false, 100, queued, share);
        assert_eq!(admit(800, 800, 100, Some(400)), Ok(()));
        assert_eq!(admit(801, 800, 100, Some(400)), Err(CommitError::Full));
        assert_eq!(admit(800, 800, 100, Some(401)), Err(CommitError::Full));
        assert_eq!(admit(0, 0, 200, None), Ok(()));
        assert_eq!(admit(0, 0, 201, None), Err(CommitError::Unavailable));
    }

    #[test]
    fn a_big_file_with_room_inside_is_not_full() {
        assert_eq!(limits(5000, 400).admit(false, 100, 0, None), Ok(()));
        let full = limits(5000, 401).admit(false, 100, 0, None);
        assert_eq!(full, Err(CommitError::Full));
    }

    #[test]
    fn essential_commits_pass_everywhere_and_alone_use_the_ballast() {
        let mut limits = limits(9999, 9999);
        assert_eq!(limits.admit(true, 900, 900, Some(9999)), Ok(()));
        limits.file = 0;
        assert_eq!(limits.admit(false, 1, 0, Some(0)), Ok(()));
        limits.ballast_spent = true;
        assert_eq!(limits.admit(false, 1, 0, Some(0)), Err(CommitError::Full));
        assert_eq!(limits.admit(true, 1, 0, Some(0)), Ok(()));
    }

    #[test]
    fn pressure_comes_before_the_limit() {
        assert!(!limits(900, 900).pressed());
        assert!(limits(901, 900).pressed());
        assert!(!limits(901, 400).pressed());
        assert!(!limits(0, 0).account_is_pressed(450));
        assert!(limits(0, 0).account_is_pressed(451));
    }
}
