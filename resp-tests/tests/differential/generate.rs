//! Commands at random: mostly well formed, sometimes with too many, too few or foolish arguments.
//!
//! Lifetimes are either long or not positive, so that no key expires between the two servers' looks at it.

/// How far two servers' clocks may be apart.
pub const TIMES_MS_TOLERANCE: f64 = 2000.0;

const KEYS: [&[u8]; 7] = [b"a", b"b", b"c", b"", b"a\0b", b"\xff", b"aa"];
const VALUES: [&[u8]; 16] = [
    b"",
    b"0",
    b"1",
    b"-1",
    b"10",
    b"abc",
    b"Hello World",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b" 1",
    b"007",
    b"1.5",
    b"\0\xff\r\n",
    b"mynewtext",
    b"ohmytext",
];
const NUMBERS: [&[u8]; 16] = [
    b"0",
    b"1",
    b"-1",
    b"2",
    b"5",
    b"-5",
    b"100",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775808",
    b"abc",
    b"",
    b" 1",
    b"+1",
    b"01",
    b"1.0",
];
const OFFSETS: [&[u8]; 8] = [b"0", b"1", b"5", b"20", b"-1", b"abc", b"536870912", b"9223372036854775807"];
const FLOATS: [&[u8]; 12] =
    [b"0.5", b"-0.25", b"3", b"1e2", b"nan", b"inf", b"-inf", b"abc", b"", b" 1", b"1e5000", b"0"];
const TIMES: [&[u8]; 12] = [
    b"100000",
    b"5000000",
    b"33177117420000",
    b"0",
    b"-1",
    b"-9223372036854775808",
    b"9223372036854775807",
    b"9223372036854775",
    b"abc",
    b"",
    b"100000",
    b"200000",
];
/// In no past: the reference keeps what SET puts into the past until it comes across it, and counts it meanwhile.
const MOMENTS: [&[u8]; 5] = [b"33177117420000", b"33177117420123", b"0", b"-1", b"9223372036854775807"];
const PATTERNS: [&[u8]; 10] = [b"*", b"a*", b"?", b"[a-c]", b"[^a]*", b"a\\*", b"", b"*\0*", b"[", b"a[b"];
const DATABASES: [&[u8]; 7] = [b"0", b"1", b"0", b"16", b"-1", b"abc", b"15"];
const WORDS: [&[u8]; 8] = [b"NX", b"XX", b"GT", b"LT", b"GET", b"REPLACE", b"what", b""];

/// What stands at a place of a command.
#[derive(Clone, Copy)]
enum Part {
    Key,
    Value,
    Number,
    Offset,
    Float,
    Time,
    Moment,
    Pattern,
    Database,
    Word(&'static str),
    /// None, one or several of these, each with its argument.
    Options(&'static [(&'static str, Option<Takes>)]),
    /// One to three times more.
    Repeat(&'static [Part]),
}

#[derive(Clone, Copy)]
enum Takes {
    Time,
    Moment,
    Number,
    Database,
    Pattern,
}

use Part::{Database, Float, Key, Moment, Number, Offset, Options, Pattern, Repeat, Time, Value, Word};

const EXPIRY_CONDITIONS: Part = Options(&[("NX", None), ("XX", None), ("GT", None), ("LT", None)]);
const EXPIRY_OF_VALUE: [(&str, Option<Takes>); 4] = [
    ("EX", Some(Takes::Time)),
    ("PX", Some(Takes::Time)),
    ("EXAT", Some(Takes::Moment)),
    ("PXAT", Some(Takes::Moment)),
];
const SET_OPTIONS: Part = Options(&[
    EXPIRY_OF_VALUE[0],
    EXPIRY_OF_VALUE[1],
    EXPIRY_OF_VALUE[2],
    EXPIRY_OF_VALUE[3],
    ("NX", None),
    ("XX", None),
    ("GET", None),
    ("KEEPTTL", None),
]);
const GETEX_OPTIONS: Part = Options(&[
    EXPIRY_OF_VALUE[0],
    EXPIRY_OF_VALUE[1],
    EXPIRY_OF_VALUE[2],
    EXPIRY_OF_VALUE[3],
    ("PERSIST", None),
]);
const LCS_OPTIONS: Part =
    Options(&[("LEN", None), ("IDX", None), ("WITHMATCHLEN", None), ("MINMATCHLEN", Some(Takes::Number))]);
const COPY_OPTIONS: Part = Options(&[("DB", Some(Takes::Database)), ("REPLACE", None)]);
const SCAN_OPTIONS: Part = Options(&[("MATCH", Some(Takes::Pattern)), ("TYPE", Some(Takes::Pattern))]);

const COMMANDS: &[(&str, &[Part])] = &[
    ("GET", &[Key]),
    ("SET", &[Key, Value, SET_OPTIONS]),
    ("SET", &[Key, Value]),
    ("APPEND", &[Key, Value]),
    ("STRLEN", &[Key]),
    ("GETRANGE", &[Key, Number, Number]),
    ("SUBSTR", &[Key, Number, Number]),
    ("SETRANGE", &[Key, Offset, Value]),
    ("GETSET", &[Key, Value]),
    ("GETDEL", &[Key]),
    ("GETEX", &[Key, GETEX_OPTIONS]),
    ("INCR", &[Key]),
    ("DECR", &[Key]),
    ("INCRBY", &[Key, Number]),
    ("DECRBY", &[Key, Number]),
    ("INCRBYFLOAT", &[Key, Float]),
    ("SETEX", &[Key, Time, Value]),
    ("PSETEX", &[Key, Time, Value]),
    ("SETNX", &[Key, Value]),
    ("MGET", &[Repeat(&[Key])]),
    ("MSET", &[Repeat(&[Key, Value])]),
    ("MSETNX", &[Repeat(&[Key, Value])]),
    ("LCS", &[Key, Key, LCS_OPTIONS]),
    ("DEL", &[Repeat(&[Key])]),
    ("UNLINK", &[Repeat(&[Key])]),
    ("EXISTS", &[Repeat(&[Key])]),
    ("TOUCH", &[Repeat(&[Key])]),
    ("TYPE", &[Key]),
    ("EXPIRE", &[Key, Time, EXPIRY_CONDITIONS]),
    ("PEXPIRE", &[Key, Time, EXPIRY_CONDITIONS]),
    ("EXPIREAT", &[Key, Time, EXPIRY_CONDITIONS]),
    ("PEXPIREAT", &[Key, Time, EXPIRY_CONDITIONS]),
    ("TTL", &[Key]),
    ("PTTL", &[Key]),
    ("EXPIRETIME", &[Key]),
    ("PEXPIRETIME", &[Key]),
    ("PERSIST", &[Key]),
    ("RENAME", &[Key, Key]),
    ("RENAMENX", &[Key, Key]),
    ("COPY", &[Key, Key, COPY_OPTIONS]),
    ("MOVE", &[Key, Database]),
    ("KEYS", &[Pattern]),
    ("SCAN", &[Word("0"), SCAN_OPTIONS, Word("COUNT"), Word("1000")]),
    ("OBJECT", &[Word("ENCODING"), Key]),
    ("DBSIZE", &[]),
    ("SELECT", &[Database]),
    ("SWAPDB", &[Database, Database]),
    ("FLUSHDB", &[]),
    ("ECHO", &[Value]),
    ("PING", &[Value]),
    ("MULTI", &[]),
    ("EXEC", &[]),
    ("EXEC", &[]),
    ("DISCARD", &[]),
    ("WATCH", &[Repeat(&[Key])]),
    ("UNWATCH", &[]),
    ("COMMAND", &[Word("GETKEYS"), Word("MSET"), Repeat(&[Key, Value])]),
    ("NOSUCHCOMMAND", &[]),
];

/// An endless, repeatable stream of commands.
pub struct Generator {
    state: u64,
}

impl Generator {
    pub fn new(seed: u64) -> Generator {
        Generator { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The client that sends, and what it sends.
    pub fn next(&mut self) -> (usize, Vec<Vec<u8>>) {
        let (name, parts) = COMMANDS[self.below(COMMANDS.len())];
        let mut argv = vec![name.as_bytes().to_vec()];
        for part in parts {
            self.add(&mut argv, *part);
        }
        // One in sixteen loses or gains an argument. A lifetime may not be lost: another number would take its place.
        let has_time = argv.iter().any(|word| matches!(word.as_slice(), b"EX" | b"PX" | b"EXAT" | b"PXAT"));
        match self.below(32) {
            0 if argv.len() > 1 && !has_time && !name.contains("EX") => drop(argv.pop()),
            1 => argv.push(WORDS[self.below(WORDS.len())].to_vec()),
            _ => {}
        }
        (self.below(3), argv)
    }

    fn add(&mut self, argv: &mut Vec<Vec<u8>>, part: Part) {
        let pool: &[&[u8]] = match part {
            Key => &KEYS,
            Value => &VALUES,
            Number => &NUMBERS,
            Offset => &OFFSETS,
            Float => &FLOATS,
            Time => &TIMES,
            Moment => &MOMENTS,
            Pattern => &PATTERNS,
            Database => &DATABASES,
            Word(word) => return argv.push(word.as_bytes().to_vec()),
            Repeat(parts) => {
                for _ in 0..=self.below(3) {
                    parts.iter().for_each(|part| self.add(argv, *part));
                }
                return;
            }
            Options(options) => return self.add_options(argv, options),
        };
        argv.push(pool[self.below(pool.len())].to_vec());
    }

    fn add_options(&mut self, argv: &mut Vec<Vec<u8>>, options: &[(&str, Option<Takes>)]) {
        let count = [0, 0, 1, 1, 1, 2, 2, 3][self.below(8)];
        for _ in 0..count {
            let (token, takes) = options[self.below(options.len())];
            argv.push(token.as_bytes().to_vec());
            match takes {
                Some(Takes::Time) => self.add(argv, Time),
                Some(Takes::Moment) => self.add(argv, Moment),
                Some(Takes::Number) => self.add(argv, Number),
                Some(Takes::Database) => self.add(argv, Database),
                Some(Takes::Pattern) => self.add(argv, Pattern),
                None => {}
            }
        }
    }

    /// xorshift64*: good enough to pick from small tables, and the same everywhere.
    fn below(&mut self, bound: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        ((self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % bound
    }
}
