//! What is asked of a server: each workload is a way to write one request.

use resp_tests::dice::Dice;

/// Keys that GET of hot keys chooses from.
pub const HOT_KEYS: u64 = 100_000;

/// A script and its name. An error reply ends the benchmark, so no run is counted that did less than it should.
struct Script {
    text: &'static str,
    sha1: &'static [u8],
}

const COMPARE_AND_SET: Script = Script {
    text: "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('SET', KEYS[1], ARGV[2]) end \
           return redis.error_reply('ERR another value')",
    sha1: b"0009eed83009941b026a9bc97b5688c1699a1e5d",
};

const COMPARE: Script = Script {
    text: "if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end \
           return redis.error_reply('ERR another value')",
    sha1: b"fd14ba4e0c247794fc9aaf42487128e32b7a9516",
};

/// A workload. `Get` reads a hot set, `GetAny` all keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    Ping,
    Set,
    Get,
    GetAny,
    Incr,
    Mset,
    Scan,
    Lpush,
    /// LPUSH and RPOP, half of each, so that there mostly is something to pop.
    Rpop,
    Sadd,
    Sismember,
    Hset,
    Hget,
    Zadd,
    Zscore,
    /// ZADD and ZPOPMIN, half of each.
    Zpopmin,
    Xadd,
    Lrange,
    Zrange,
    /// A script that compares a value and sets it.
    Evalsha,
    /// One that compares a value, of the hot set, by EVALSHA_RO.
    EvalshaRo,
}

impl Workload {
    /// Those on collections, on one key each as redis-benchmark does.
    pub const COLLECTIONS: [Workload; 12] = [
        Workload::Lpush,
        Workload::Rpop,
        Workload::Sadd,
        Workload::Hset,
        Workload::Zadd,
        Workload::Xadd,
        Workload::Zpopmin,
        Workload::Lrange,
        Workload::Zrange,
        Workload::Hget,
        Workload::Sismember,
        Workload::Zscore,
    ];

    pub const SCRIPTS: [Workload; 2] = [Workload::Evalsha, Workload::EvalshaRo];

    pub const ALL: [Workload; 7] = [
        Workload::Ping,
        Workload::Set,
        Workload::Get,
        Workload::GetAny,
        Workload::Incr,
        Workload::Mset,
        Workload::Scan,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Workload::Ping => "PING",
            Workload::Set => "SET",
            Workload::Get => "GET hot",
            Workload::GetAny => "GET any",
            Workload::Incr => "INCR",
            Workload::Mset => "MSET 10",
            Workload::Scan => "SCAN prefix",
            Workload::Lpush => "LPUSH",
            Workload::Rpop => "LPUSH, RPOP",
            Workload::Sadd => "SADD",
            Workload::Sismember => "SISMEMBER",
            Workload::Hset => "HSET",
            Workload::Hget => "HGET",
            Workload::Zadd => "ZADD",
            Workload::Zscore => "ZSCORE",
            Workload::Zpopmin => "ZADD, ZPOPMIN",
            Workload::Xadd => "XADD",
            Workload::Lrange => "LRANGE 100",
            Workload::Zrange => "ZRANGE 100",
            Workload::Evalsha => "EVALSHA",
            Workload::EvalshaRo => "EVALSHA_RO hot",
        }
    }

    /// Whether the size of values matters.
    pub fn has_value(self) -> bool {
        !matches!(self, Workload::Ping | Workload::Incr | Workload::Scan)
    }

    /// What must be there before it is measured, encoded; repeating it does no harm.
    pub fn setup(self) -> Vec<Vec<u8>> {
        let members: Vec<Vec<u8>> = (0..1000).map(element).collect();
        let scored = members.iter().flat_map(|member| [&b"1.5"[..], member]).collect::<Vec<_>>();
        let paired = members.iter().flat_map(|member| [&member[..], b"value"]).collect::<Vec<_>>();
        let plain = members.iter().map(Vec::as_slice).collect::<Vec<_>>();
        let (head, words): ([&[u8]; 2], Vec<&[u8]>) = match self {
            Workload::Lrange => ([b"RPUSH", b"list:range"], plain),
            Workload::Sismember => ([b"SADD", b"set:read"], plain),
            Workload::Hget => ([b"HSET", b"hash:read"], paired),
            Workload::Zscore | Workload::Zrange => ([b"ZADD", b"zset:read"], scored),
            Workload::Evalsha => ([b"SCRIPT", b"LOAD"], vec![COMPARE_AND_SET.text.as_bytes()]),
            Workload::EvalshaRo => ([b"SCRIPT", b"LOAD"], vec![COMPARE.text.as_bytes()]),
            _ => return Vec::new(),
        };
        let mut out = Vec::new();
        command(&mut out, &[&head[..], &words].concat());
        vec![out]
    }

    /// Appends one request; of a workload of two commands one of them.
    pub fn request(self, keys: u64, value: &[u8], dice: &mut Dice, out: &mut Vec<u8>) {
        let any = element(dice.below(keys));
        let read = element(dice.below(1000));
        let score = format!("{}.5", dice.below(keys));
        let zadd = [&b"ZADD"[..], b"zset", score.as_bytes(), &any];
        match self {
            Workload::Lpush => command(out, &[b"LPUSH", b"list", value]),
            Workload::Rpop => match dice.below(2) {
                0 => command(out, &[b"LPUSH", b"list:pop", value]),
                _ => command(out, &[b"RPOP", b"list:pop"]),
            },
            Workload::Sadd => command(out, &[b"SADD", b"set", &any]),
            Workload::Sismember => command(out, &[b"SISMEMBER", b"set:read", &read]),
            Workload::Hset => command(out, &[b"HSET", b"hash", &any, value]),
            Workload::Hget => command(out, &[b"HGET", b"hash:read", &read]),
            Workload::Zadd => command(out, &zadd),
            Workload::Zscore => command(out, &[b"ZSCORE", b"zset:read", &read]),
            Workload::Zpopmin => match dice.below(2) {
                0 => command(out, &zadd),
                _ => command(out, &[b"ZPOPMIN", b"zset"]),
            },
            Workload::Xadd => command(out, &[b"XADD", b"stream", b"*", b"field", value]),
            Workload::Lrange => command(out, &[b"LRANGE", b"list:range", b"0", b"99"]),
            Workload::Zrange => command(out, &[b"ZRANGE", b"zset:read", b"0", b"99"]),
            Workload::Ping => command(out, &[b"PING"]),
            Workload::Set => command(out, &[b"SET", &key(dice.below(keys)), value]),
            Workload::Get => command(out, &[b"GET", &key(dice.below(keys.min(HOT_KEYS)))]),
            Workload::GetAny => command(out, &[b"GET", &key(dice.below(keys))]),
            Workload::Evalsha => {
                let key = key(dice.below(keys));
                command(out, &[b"EVALSHA", COMPARE_AND_SET.sha1, b"1", &key, value, value]);
            }
            Workload::EvalshaRo => {
                let key = key(dice.below(keys.min(HOT_KEYS)));
                command(out, &[b"EVALSHA_RO", COMPARE.sha1, b"1", &key, value]);
            }
            Workload::Incr => {
                command(out, &[b"INCR", format!("counter:{:012}", dice.below(keys)).as_bytes()])
            }
            Workload::Mset => {
                let names: Vec<Vec<u8>> = (0..10).map(|_| key(dice.below(keys))).collect();
                let mut words: Vec<&[u8]> = vec![b"MSET"];
                for name in &names {
                    words.extend([name.as_slice(), value]);
                }
                command(out, &words);
            }
            Workload::Scan => {
                // All but the last two digits: a hundred keys.
                let mut pattern = key(dice.below(keys));
                pattern.truncate(pattern.len().saturating_sub(2));
                pattern.push(b'*');
                command(out, &[b"SCAN", b"0", b"MATCH", &pattern, b"COUNT", b"100"]);
            }
        }
    }
}

/// Member, field or element number `n`.
fn element(n: u64) -> Vec<u8> {
    format!("element:{n:012}").into_bytes()
}

/// The name of key number `n`.
pub fn key(n: u64) -> Vec<u8> {
    format!("key:{n:012}").into_bytes()
}

/// A value of `len` bytes that compresses about as well as text does.
pub fn value(len: usize) -> Vec<u8> {
    let mut dice = Dice::new(7);
    (0..len).map(|_| b"abcdefghijklmnop".get(dice.below(16) as usize).copied().unwrap_or(b'x')).collect()
}

/// A value of `len` bytes that does not compress.
pub fn random_value(len: usize, dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        out.extend_from_slice(&dice.roll().to_le_bytes());
    }
    out.truncate(len);
    out
}

/// Appends a command as an array of bulk strings.
pub fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
}
