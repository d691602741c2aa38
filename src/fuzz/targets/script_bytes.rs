//! Bytes that a script hands to cjson, cmsgpack, struct and patterns. What is read can be written, and read
//! again; JSON is as long then, but keys may have another order. MessagePack writes nil for tables that lie deeper than 16, as
//! Redis's does; where such a table was a key, it cannot be read again.

use flotilla::{
    resp::Reply,
    script::{Call, Host, Limits, LogLevel, Script, Stop},
};
use std::sync::OnceLock;

const LIMITS: Limits = Limits { instructions: 200_000, memory_bytes: 4 << 20, reply_bytes: 1 << 20 };

struct Nothing;

impl Host for Nothing {
    fn call(&mut self, _: &[&[u8]]) -> Result<Reply, Stop> {
        Ok(Reply::Nil)
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn is_killed(&self) -> bool {
        false
    }

    fn may_call(&self, _: &[&[u8]]) -> Option<bool> {
        None
    }
}

/// One for each library; the first byte of an input chooses.
const BODIES: [&str; 6] = [
    "local ok, v = pcall(cjson.decode, ARGV[1]) if not ok then return 1 end \
     local ok, text = pcall(cjson.encode, v) if not ok then return 1 end \
     return #cjson.encode(cjson.decode(text)) == #text and 1",
    "local ok, v = pcall(function() return (cmsgpack.unpack(ARGV[1])) end) if not ok then return 1 end \
     local ok, why = pcall(cmsgpack.unpack, cmsgpack.pack(v)) return (ok or tostring(why):find('index is nil', 1, true)) and 1",
    "pcall(struct.unpack, ARGV[1], ARGV[2]) pcall(struct.size, ARGV[1]) pcall(struct.pack, ARGV[1], 1, 'x', 2, 3) return 1",
    "pcall(string.find, ARGV[2], ARGV[1]) pcall(string.gsub, ARGV[2], ARGV[1], ARGV[2]) \
     pcall(function() for w in ARGV[2]:gmatch(ARGV[1]) do end end) return 1",
    "pcall(string.format, ARGV[1], 1, 'x', 2.5, -3, 'y') return 1",
    "local n = tonumber(ARGV[1]) if n and n == n then return tonumber(string.format('%.17g', n)) == n and 1 end return 1",
];

static SCRIPTS: OnceLock<Vec<Script>> = OnceLock::new();

pub fn run(data: &[u8]) {
    let scripts =
        SCRIPTS.get_or_init(|| BODIES.iter().map(|body| Script::new(body.as_bytes()).unwrap()).collect());
    let [which, rest @ ..] = data else { return };
    let script = &scripts[usize::from(*which) % scripts.len()];
    let (first, second) = rest.split_at(rest.len() / 2);
    let whole: [&[u8]; 2] = if usize::from(*which) % scripts.len() < 2 { [rest, b""] } else { [first, second] };
    match script.run(Call { keys: &[], argv: &whole, seed: 0, limits: &LIMITS }, &mut Nothing) {
        Ok(ran) => assert_eq!(ran.reply, Reply::Int(1)),
        Err(Stop::Limit(_)) => {}
        Err(stop) => panic!("{stop:?}"),
    }
}
