//! Strings against vectors: random writes and reads around the bounds, in batches some commands of which are taken back; and
//! what is stored for them.

use super::{Edit, PIECE_BYTES, StoredString, WHOLE_BYTES_MAX, pieces::Pieces, put};
use crate::{
    feature_level,
    store::{
        Encoding, NewRow, Row, Txn, Type, View,
        tests::support::{Home, against_model},
    },
    types::bitmap,
};
use resp_tests::dice::Dice;
use std::{collections::BTreeMap, ops::Range};

const KEYS: [&[u8]; 3] = [b"a", b"b", b"c"];
/// Longest string of the model.
const LEN_MAX: usize = 30 * PIECE_BYTES;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A place near an edge of a piece or the bound, more often than elsewhere.
fn place(dice: &mut Dice) -> usize {
    let near = match dice.below(4) {
        0 => WHOLE_BYTES_MAX,
        1 => dice.below((LEN_MAX / PIECE_BYTES) as u64) as usize * PIECE_BYTES,
        2 => 0,
        _ => return dice.below(LEN_MAX as u64) as usize,
    };
    (near + dice.below(3) as usize).saturating_sub(dice.below(3) as usize)
}

/// Bytes of one kind: zeros, ones, or any.
fn content(dice: &mut Dice) -> Vec<u8> {
    let len = match dice.below(5) {
        0 => 1,
        1 => dice.below(40) as usize,
        2 => PIECE_BYTES,
        3 => dice.below(3 * PIECE_BYTES as u64) as usize,
        _ => WHOLE_BYTES_MAX - 1 + dice.below(3) as usize,
    };
    match dice.below(4) {
        0 => vec![0; len],
        1 => vec![0xff; len],
        _ => (0..len).map(|_| dice.roll() as u8).collect(),
    }
}

fn open(txn: &Txn<'_>, key: &[u8]) -> Option<StoredString> {
    StoredString::open(&txn.view(), key).unwrap()
}

fn command(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model) {
    let key = KEYS[dice.below(3) as usize];
    match dice.below(10) {
        0 => {
            let value = content(dice);
            put(txn, key, &value, Encoding::Natural, 0).unwrap();
            model.insert(key.to_vec(), value);
        }
        1 => {
            txn.delete(key).unwrap();
            model.remove(key);
        }
        2 => {
            let other = KEYS[dice.below(3) as usize];
            let Some(row) = txn.get(key).unwrap().filter(|_| key != other) else { return };
            txn.duplicate(&row, 0, other).unwrap();
            model.insert(other.to_vec(), model[key].clone());
        }
        3 => {
            let other = KEYS[dice.below(3) as usize];
            let Some(row) = txn.get(key).unwrap().filter(|_| key != other) else { return };
            txn.transfer(key, &row, 0, other).unwrap();
            let value = model.remove(key).unwrap();
            model.insert(other.to_vec(), value);
        }
        _ => edit(dice, txn, model, key),
    }
}

/// Some writes at once.
fn edit(dice: &mut Dice, txn: &mut Txn<'_>, model: &mut Model, key: &[u8]) {
    let mut edit = Edit::of(open(txn, key));
    let before = model.get(key).cloned();
    let mut value = before.clone().unwrap_or_default();
    for _ in 0..=dice.below(2) {
        let bytes = content(dice);
        let at = if dice.below(3) == 0 { value.len() } else { place(dice) };
        if at + bytes.len() > LEN_MAX {
            continue;
        }
        let read: [u8; 9] = edit.read(&txn.view(), at).unwrap();
        let found: Vec<u8> = (at..at + 9).map(|at| value.get(at).copied().unwrap_or(0)).collect();
        assert_eq!(read[..], found, "read at {at}");
        edit.write(&txn.view(), at, &bytes).unwrap();
        if !bytes.is_empty() {
            value.resize(value.len().max(at + bytes.len()), 0);
            value[at..at + bytes.len()].copy_from_slice(&bytes);
        }
    }
    assert_eq!(edit.len(), value.len());
    assert!(edit.is_changed() || before.unwrap_or_default() == value);
    if !value.is_empty() {
        edit.save(txn, key, Encoding::Raw).unwrap();
        model.insert(key.to_vec(), value);
    }
}

fn compare(view: &View<'_>, model: &Model, dice: &mut Dice) {
    for key in KEYS {
        let found = StoredString::open(view, key).unwrap();
        assert_eq!(found.is_some(), model.contains_key(key));
        let (Some(string), Some(value)) = (found, model.get(key)) else { continue };
        assert_eq!(string.len(), value.len());
        let (a, b) = (place(dice), place(dice));
        let range = a.min(b)..a.max(b);
        let inside = range.start.min(value.len())..range.end.min(value.len());
        assert!(string.read(view, range).unwrap()[..] == value[inside.clone()], "{inside:?}");
        bits(view, &string, value, inside);
        if dice.below(4) == 0 {
            assert!(string.value(view).unwrap()[..] == value[..]);
            assert!(string.equals(view, value).unwrap());
            let mut other = value.clone();
            if let Some(byte) = other.last_mut() {
                *byte ^= 1;
                assert!(!string.equals(view, &other).unwrap());
            }
            assert!(!string.equals(view, &[&value[..], b"x"].concat()).unwrap());
        }
        stored(view, &string, value);
    }
}

fn bits(view: &View<'_>, string: &StoredString, value: &[u8], bytes: Range<usize>) {
    let bits = (bytes.start as u64 * 8 + 3).min(bytes.end as u64 * 8)..bytes.end as u64 * 8;
    assert_eq!(bitmap::count_in(view, string, bits.clone()).unwrap(), bitmap::count(value, bits.clone()));
    for bit in [false, true] {
        let found = bitmap::position_in(view, string, bit, bits.clone()).unwrap();
        assert_eq!(found, bitmap::position(value, bit, bits.clone()), "{bit} in {bits:?}");
    }
}

/// The one way in which it may be stored.
fn stored(view: &View<'_>, string: &StoredString, value: &[u8]) {
    let Some(pieces) = string.pieces else {
        assert!(value.len() <= WHOLE_BYTES_MAX);
        return;
    };
    let mut expected = BTreeMap::new();
    for (number, piece) in value.chunks(PIECE_BYTES).enumerate() {
        let end = piece.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let is_ones = piece.len() == PIECE_BYTES && piece.iter().all(|byte| *byte == 0xff);
        if end > 0 {
            expected.insert(number, if is_ones { Vec::new() } else { piece[..end].to_vec() });
        }
    }
    let mut found = BTreeMap::new();
    pieces
        .each_stored(view, |number, bytes| {
            found.insert(number, bytes.to_vec());
            Ok(())
        })
        .unwrap();
    assert!(found == expected, "{:?} of {:?}", found.keys(), expected.keys());
    assert_eq!(pieces.stored, expected.len() as u64);
}

#[test]
fn strings_are_what_was_written_whatever_they_are_stored_as() {
    for (seed, hot_cache_bytes) in [(1, 0), (2, 1 << 20), (3, 64 << 10)] {
        let home = Home::new(hot_cache_bytes);
        let (home, model) = against_model(home, &mut Dice::new(seed), 60, 1, command, compare);
        let home = home.reopen_flushed();
        home.read(0, 0, |view| compare(view, &model, &mut Dice::new(seed)));
        for key in KEYS {
            home.write(0, 0, |txn| txn.delete(key).unwrap());
        }
        assert_eq!((home.subkeys(), home.rows()), (0, (0, 0)), "a deleted string leaves nothing");
    }
}

/// Golden: a string in pieces is found again by what its row says.
#[test]
fn the_row_of_a_string_in_pieces() {
    let home = Home::new(0);
    home.write(0, 0, |txn| put(txn, b"k", &[b'x'; WHOLE_BYTES_MAX + 1], Encoding::Natural, 0).unwrap());
    home.read(0, 0, |view| {
        let row = view.get(b"k").unwrap().unwrap();
        let mut golden = row.revision.to_bytes().to_vec();
        golden.extend([0, 0, 0, 0, 0, 0, 0, 5]);
        golden.extend([0, 0, 0, 0, 0, 0, 0x80, 0x01]);
        assert_eq!((row.kind, row.encoding), (Type::String, Encoding::Pieces));
        assert_eq!(row.body[..], golden[..]);
        let short = Row { body: golden[..23].to_vec().into(), ..row.clone() };
        assert!(StoredString::of_row(view, short).is_err());
        let mut long = golden;
        long[20] = 1;
        assert!(StoredString::of_row(view, Row { body: long.into(), ..row }).is_err());
    });
}

fn set_bit(txn: &mut Txn<'_>, key: &[u8], byte: usize) {
    let mut edit = Edit::of(open(txn, key));
    edit.write(&txn.view(), byte, &[1]).unwrap();
    edit.save(txn, key, Encoding::Raw).unwrap();
}

/// What is touched is what is written, whatever the string's length.
#[test]
fn a_bit_costs_a_piece() {
    let home = Home::new(8 << 20);
    let value: Vec<u8> = (0..12_u32 << 20).map(|at| at.wrapping_mul(0x9e37_79b9).to_le_bytes()[3]).collect();
    home.write(0, 0, |txn| put(txn, b"long", &value, Encoding::Natural, 0).unwrap());
    for byte in [0, 6 << 20, (12 << 20) - 1, 12 << 20] {
        let bytes = home.write(0, 0, |txn| {
            set_bit(txn, b"long", byte);
            txn.pending_bytes()
        });
        assert!(bytes < PIECE_BYTES + 256, "{bytes} bytes for the one at {byte}");
    }
    let bytes = home.write(0, 0, |txn| {
        set_bit(txn, b"sparse", (512 << 20) - 1);
        txn.pending_bytes()
    });
    // Zeros before the byte, in its piece.
    assert!(bytes < PIECE_BYTES + 256, "{bytes}");
    let hot = home.store.stats().hot_bytes;
    assert!(hot < 1 << 20, "{hot} bytes in the hot cache");
    home.read(0, 0, |view| {
        let sparse = StoredString::open(view, b"sparse").unwrap().unwrap();
        assert_eq!(bitmap::count_in(view, &sparse, 0..4 << 30).unwrap(), 1);
        assert_eq!(bitmap::position_in(view, &sparse, true, 0..4 << 30).unwrap(), Some((4 << 30) - 1));
        assert!(!sparse.equals(view, &[0; 1]).unwrap());
    });
}

/// Below the level that adds pieces strings are stored whole; these are read as they are and put in pieces by a change.
#[test]
fn old_strings_are_put_in_pieces_when_they_are_written() {
    let home = Home::new_at_first_level(1 << 20);
    let mut value = vec![0; 5 * PIECE_BYTES];
    value[7] = 7;
    value[3 * PIECE_BYTES..].fill(0xff);
    home.write(0, 0, |txn| {
        put(txn, b"k", &value, Encoding::Natural, 0).unwrap();
        set_bit(txn, b"k", 20_000);
    });
    value[20_000] = 1;
    assert_eq!(home.subkeys(), 0);
    home.write(0, 0, |txn| txn.raise_feature_level(feature_level::LARGE_STRINGS));
    let home = home.reopen_flushed();
    let read = |home: &Home| {
        home.read(0, 0, |view| StoredString::open(view, b"k").unwrap().unwrap().value(view).unwrap())
    };
    assert!(read(&home)[..] == value[..]);
    assert_eq!(home.subkeys(), 0, "reading changes nothing");
    // The expiry stays.
    home.write(0, 0, |txn| {
        let row = txn.get(b"k").unwrap().unwrap();
        txn.put(b"k", NewRow { kind: row.kind, encoding: row.encoding, expires_at: 5_000, body: &row.body })
            .unwrap();
        set_bit(txn, b"k", 6 * PIECE_BYTES);
    });
    value.resize(6 * PIECE_BYTES + 1, 0);
    value[6 * PIECE_BYTES] = 1;
    assert!(read(&home)[..] == value[..]);
    assert_eq!(home.subkeys(), 5, "pieces 0, 2, 3, 4 and 6");
    home.read(0, 4_999, |view| stored(view, &StoredString::open(view, b"k").unwrap().unwrap(), &value));
    home.read(0, 5_000, |view| assert!(StoredString::open(view, b"k").unwrap().is_none()));
}

/// However many pieces a string has, nothing is left of it.
#[test]
fn what_replaces_a_long_string_leaves_nothing_of_it() {
    let home = Home::new(1 << 20);
    let long: Vec<u8> = (0..400 * PIECE_BYTES).map(|at| (at % 251) as u8 + 1).collect();
    let set = |value: &[u8], expires_at| {
        home.write(0, 0, |txn| put(txn, b"k", value, Encoding::Natural, expires_at).unwrap());
        home.read(0, 0, |view| {
            let string = StoredString::open(view, b"k").unwrap().unwrap();
            assert!(string.equals(view, value).unwrap());
            stored(view, &string, value);
        });
        home.subkeys()
    };
    assert_eq!(set(&long, 0), 400);
    assert_eq!(set(&long[..300 * PIECE_BYTES], 0), 300, "pieces are used again");
    assert_eq!(set(&long[..10 * PIECE_BYTES], 0), 10, "and are not when most of them would be left over");
    assert_eq!(set(&vec![0; 20 * PIECE_BYTES], 0), 0);
    assert_eq!(set(&long, 0), 400);
    assert_eq!(set(b"short", 0), 0);
    assert_eq!(set(&long, 50), 400);
    home.write(50, 0, |txn| assert_eq!(txn.sweep_expired(10).unwrap().keys, 1));
    assert_eq!(home.subkeys(), 0);
    assert_eq!(set(&long, 0), 400);
    home.write(0, 0, |txn| {
        // Made and replaced in one batch.
        put(txn, b"k", &long[1..], Encoding::Natural, 0).unwrap();
        put(txn, b"k", &long[..5 * PIECE_BYTES], Encoding::Natural, 0).unwrap();
        txn.delete(b"k").unwrap();
        put(txn, b"k", &long[..6 * PIECE_BYTES], Encoding::Natural, 0).unwrap();
    });
    assert_eq!(home.subkeys(), 6);
    home.write(0, 0, |txn| txn.delete(b"k").unwrap());
    home.store.flush().unwrap();
    home.compact();
    assert_eq!((home.subkeys(), home.rows()), (0, (0, 0)));
    assert!(home.store.stats().live_sst_bytes < 64 << 10, "{}", home.store.stats().live_sst_bytes);
}

/// What cannot be stored is found when the row says so, not by its effects.
#[test]
fn a_string_longer_than_strings_can_be_is_damage() {
    let home = Home::new(0);
    home.write(0, 0, |txn| {
        let id = txn.new_collection_id();
        let body = Pieces { id, stored: 1, len: (512 << 20) + 1 }.body();
        txn.put(b"k", NewRow { kind: Type::String, encoding: Encoding::Pieces, expires_at: 0, body: &body })
            .unwrap();
        assert!(StoredString::open(&txn.view(), b"k").is_err());
    });
}
