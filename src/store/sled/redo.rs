//! Groups that must not be written to the file in one go.
//!
//! Owns how a group is cut into pieces, and how the pieces stay one atomic write. Does not know
//! what the keys mean.
//!
//! sled takes written for durable. While a group runs over the ends of several segments, it marks
//! each new segment as written behind durable ones, and writes over segments that the group itself
//! has emptied: when the power fails before the sync, what is left can no longer be opened. One
//! segment end in a group is safe, because a segment that begins knows only of what was written,
//! and so synced, before the group. So nothing that could write more than a segment is applied
//! without a sync in between:
//!
//! | step | on the disk after it | after a crash |
//! |---|---|---|
//! | 1 | `redo/…`: what the group does, piece by piece | it is removed: the group never was |
//! | 2 | `redo!` | the group stands: step 3 is done again |
//! | 3 | the group itself, piece by piece | likewise |
//! | 4 | `redo!` is gone, then `redo/…` | what is left of it is removed |

use super::directory::OpenError;

/// One change of one stored key; none removes it.
pub type Op = (Vec<u8>, Option<Vec<u8>>);

/// Says that what is staged stands.
const READY: &[u8] = b"redo!";
/// Staged changes: this, `+` or `-`, the key.
const STAGED: &[u8] = b"redo/";
/// What a piece may cost.
pub const PIECE: usize = 384 << 10;
/// The longest value of one stored key, nearly.
const STORED: usize = 4096;
/// Values of a page, at most, and what sled adds to each, about.
const PAGE: usize = 17;
const ADDED: usize = 8;

/// About what setting one key to a value of this length writes at most: itself, its page again
/// after every ten changes, and both halves when that is split. The other values of a page are
/// about as long, because keys lie among those of their kind; a page of long ones is written again
/// more seldom than its share here. Moving a page out of a segment that is being emptied comes on
/// top, at most one for a change, which is why a segment is five times as large as a piece.
pub fn cost(key: usize, value: usize) -> usize {
    let own = key + value;
    let page = (PAGE * (own + ADDED)).min(STORED * value.div_ceil(STORED).max(1));
    4 * own + page
}

/// The same of removing a key: how long its value was, and so its page, is not known.
pub fn cost_of_removal(key: usize) -> usize {
    4 * key + STORED
}

fn cost_of((key, value): &Op) -> usize {
    match value {
        Some(value) => cost(key.len(), value.len()),
        None => cost_of_removal(key.len()),
    }
}

/// Cuts changes into pieces that may be applied one by one.
pub fn pieces(ops: Vec<Op>) -> Vec<Vec<Op>> {
    let (mut pieces, mut piece, mut costs) = (Vec::new(), Vec::new(), 0);
    for op in ops {
        let one = cost_of(&op);
        if costs + one > PIECE && !piece.is_empty() {
            pieces.push(std::mem::take(&mut piece));
            costs = 0;
        }
        costs += one;
        piece.push(op);
    }
    pieces.push(piece);
    pieces
}

/// Applies a piece.
pub fn apply(piece: &[Op]) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for (key, value) in piece {
        match value {
            Some(value) => batch.insert(key.as_slice(), value.as_slice()),
            None => batch.remove(key.as_slice()),
        }
    }
    batch
}

/// Step 1 for a piece.
pub fn stage(piece: &[Op]) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for op in piece {
        batch.insert(staged_key(op), op.1.as_deref().unwrap_or_default());
    }
    batch
}

/// Step 2.
pub fn ready() -> sled::Batch {
    let mut batch = sled::Batch::default();
    batch.insert(READY, b"");
    batch
}

/// The first half of step 4.
pub fn over() -> sled::Batch {
    let mut batch = sled::Batch::default();
    batch.remove(READY);
    batch
}

/// The second half of step 4 for a piece.
pub fn unstage(piece: &[Op]) -> sled::Batch {
    let mut batch = sled::Batch::default();
    for op in piece {
        batch.remove(staged_key(op));
    }
    batch
}

fn staged_key((key, value): &Op) -> Vec<u8> {
    let sign: &[u8] = if value.is_some() { b"+" } else { b"-" };
    [STAGED, sign, key].concat()
}

/// Brings what a crash interrupted to its end. `write` applies a batch and syncs it.
pub fn finish(
    tree: &sled::Db,
    failed: impl Fn(&sled::Error) -> OpenError,
    mut write: impl FnMut(sled::Batch) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let stands = tree.contains_key(READY).map_err(|error| failed(&error))?;
    if stands {
        let mut piece = Vec::new();
        let mut costs = 0;
        for entry in tree.scan_prefix(STAGED) {
            let (staged, value) = entry.map_err(|error| failed(&error))?;
            let Some((sign, key)) = staged[STAGED.len()..].split_first() else {
                continue;
            };
            let op = (key.to_vec(), (*sign == b'+').then(|| value.to_vec()));
            costs += cost_of(&op);
            piece.push(op);
            if costs > PIECE {
                write(apply(&std::mem::take(&mut piece)))?;
                costs = 0;
            }
        }
        write(apply(&piece))?;
        write(over())?;
    }
    loop {
        let (mut batch, mut found, mut costs) = (sled::Batch::default(), false, 0);
        for key in tree.scan_prefix(STAGED).keys() {
            let key = key.map_err(|error| failed(&error))?;
            costs += cost_of_removal(key.len());
            batch.remove(key);
            found = true;
            if costs > PIECE {
                break;
            }
        }
        if !found {
            return Ok(());
        }
        write(batch)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn op(number: u32, length: Option<usize>) -> Op {
        let key = format!("k/{number:06}").into_bytes();
        (key, length.map(|length| vec![7; length]))
    }

    #[test]
    fn a_group_is_one_piece_until_it_could_fill_much_of_a_segment() {
        assert_eq!(pieces(vec![op(1, Some(300)), op(2, None)]).len(), 1);
        let blocks: Vec<Op> = (0..100).map(|number| op(number, Some(4096))).collect();
        let cut = pieces(blocks.clone());
        assert!(cut.len() > 4);
        assert_eq!(cut.concat(), blocks);
        for piece in &cut {
            assert!(piece.iter().map(cost_of).sum::<usize>() <= PIECE);
        }
        assert_eq!(pieces(Vec::new()).len(), 1, "an empty batch is one as well");
    }

    /// Whatever of the steps was reached, opening leaves all of the group or nothing.
    #[test]
    fn a_crash_after_any_step_leaves_all_or_nothing() {
        let ops: Vec<Op> = (0..300)
            .map(|number| op(number, (number % 3 != 0).then_some(900)))
            .collect();
        let pieces = pieces(ops.clone());
        let mut steps: Vec<sled::Batch> = pieces.iter().map(|piece| stage(piece)).collect();
        let staged = steps.len();
        steps.push(ready());
        steps.extend(pieces.iter().map(|piece| apply(piece)));
        steps.push(over());
        steps.extend(pieces.iter().map(|piece| unstage(piece)));
        for reached in 0..=steps.len() {
            let tree = sled::Config::new().temporary(true).open().unwrap();
            for number in 0..300 {
                tree.insert(op(number, None).0, b"old").unwrap();
            }
            for step in &steps[..reached] {
                tree.apply_batch(step.clone()).unwrap();
            }
            let failed = |error: &sled::Error| panic!("{error}");
            finish(&tree, failed, |batch| {
                tree.apply_batch(batch).unwrap();
                Ok(())
            })
            .unwrap();
            assert!(tree.scan_prefix(b"redo").next().is_none(), "{reached}");
            for (key, value) in &ops {
                let found = tree.get(key).unwrap().map(|found| found.to_vec());
                let expected = if reached > staged {
                    value.clone()
                } else {
                    Some(b"old".to_vec())
                };
                assert_eq!(found, expected, "{reached}");
            }
        }
    }
}
