//! What a script may use: nothing in it can catch its end, and what counts is the same in every run.

use super::{LIMITS, TestHost, run_with};
use crate::script::{Limits, Stop};

/// Scripts without an end, each by a way of its own.
const ENDLESS: &[&str] = &[
    "while true do end",
    "repeat until false",
    "for i = 1, 1/0 do end",
    "local function f() return f() end f()",
    "while true do pcall(function() while true do end end) end",
    "while true do pcall(error) end",
    "local function f() return xpcall(f, f) end while true do f() end",
    "while true do coroutine.wrap(function() while true do end end)() end",
    "local c = coroutine.wrap(function() while true do coroutine.yield() end end) while true do c() end",
    "local t = setmetatable({}, {__index = function(t, k) return k end}) while true do local x = t.x end",
    "for i = 1, 1e9 do string.rep('x', 1e6) end",
    "local s = string.rep('x', 1e6) while true do local t = s .. 'y' end",
    "local a, b = string.rep('x', 1e6), string.rep('x', 1e6) while true do local c = a == b end",
    "local a, b = string.rep('x', 1e6), string.rep('x', 1e6) while true do local c = a < b end",
    "local s = string.rep('1', 1e6) while true do local x = s + 1 end",
    "local s = string.rep('1', 1e6) while true do tonumber(s) end",
    "local s = string.rep(' ', 1e6) while true do tonumber(s, 16) end",
    "local t = {} for i = 1, 1e5 do t[i] = i end for i = 1, 1e5 do t[i] = nil end while true do next(t) end",
    "local t = {} for i = 1, 4096 do t['k'..i] = i end local i = 4096 while true do i = i + 1 t['k'..(i-4096)] = nil t['k'..i] = i end",
    "return string.find(string.rep('a', 100000), '.-.-.-.-b')",
    "return string.rep('a', 5000):find(string.rep('a*', 50)..'b')",
    "return string.rep('a', 5000):gsub(string.rep('a-', 50)..'b', '')",
    "for w in string.rep('a', 100000):gmatch('.-.-.-b') do end",
    "local s = string.rep('x', 1e5) while true do s:gsub('x', 'y') end",
    "local s = string.rep('x', 1e6) while true do s:upper() s:reverse() s:sub(2) s:byte(1, 7000) end",
    "local s = string.rep('x', 1e6) while true do string.format('%s', s) string.format('%q', s) end",
    "local t = {} while true do table.insert(t, 1, 1) end",
    "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.remove(t, 1) t[#t + 1] = 1 end",
    "local t = {} while true do for i = 1, 1e4 do t[i] = (i * 7919) % 10007 end table.sort(t) end",
    "local t = {} for i = 1, 1e4 do t[i] = 'abc' end while true do table.concat(t) end",
    "local t = {} for i = 1, 7000 do t[i] = i end while true do select('#', unpack(t)) end",
    "local t = {} for i = 1, 1000 do t[i] = {id = i} end while true do cjson.encode(t) end",
    "local s = '[' .. string.rep('1,', 1e5) .. '1]' while true do cjson.decode(s) end",
    "local t = {} for i = 1, 1000 do t[i] = {id = i} end while true do cmsgpack.unpack(cmsgpack.pack(t)) end",
    "local s = string.rep('x', 1e6) while true do redis.sha1hex(s) end",
    "local s = string.rep('i', 10000) while true do struct.size(s) end",
    "while true do redis.call('get', 'x') end",
    "while true do redis.pcall('wrong') end",
    "local s = string.rep('x', 1e6) while true do redis.call('set', 'x', s) end",
    "redis.call('set', 'x', string.rep('x', 1e6)) while true do redis.call('get', 'x') end",
    "while true do loadstring('return 1')() end",
    "load(function() return ' ' end)",
    "while true do redis.log(3, string.rep('x', 1000)) end",
    "while true do local t = {} for i = 1, 100 do t[i] = {} end end",
    "local t = {} for i = 1, 1e4 do t[i] = {} end while true do local x = {} end",
];

/// Scripts that take memory without an end.
const GROWING: &[&str] = &[
    "local s = 'x' while true do s = s .. s end",
    "local t = {} while true do t = {t} end",
    "local t = {} for i = 1, 1e9 do t[i] = i end",
    "local t = {} for i = 1, 1e9 do t['k'..i] = i end",
    "local t = {} while true do t[#t + 1] = function() return t end end",
    "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
    "local f = {} for i = 1, 1e9 do f[i] = loadstring('return ' .. i .. string.rep('+x', 10000)) end",
    "return string.rep('x', 2^31 - 1)",
    "return string.rep('x', 1e9)",
    "while true do pcall(string.rep, 'x', 1e9) end",
    "local s = string.rep('x', 2e7) return s .. s .. s .. s",
    "local s = string.rep('x', 2e7) return table.concat({s, s, s, s})",
    "local s = string.rep('x', 2e7) return string.format('%s%s%s%s', s, s, s, s)",
    "local s = string.rep('x', 1e6) return s:gsub('x', s)",
    "local s = string.rep('x', 1e4) return s:gsub('x', '%0%0%0%0'):rep(1e5)",
    "local t = {} for i = 1, 5000 do t[i] = string.rep('x', 2e4) .. i end return cjson.encode(t)",
    "local s = string.rep('x', 2e7) return cmsgpack.pack(s, s, s, s)",
    "local s = string.rep('x', 2e7) return struct.pack('sss', s, s, s)",
    "local s = string.rep('x', 2e7) redis.call('set', s, s, s, s)",
    "local c = {} while true do c = {pcall(function() c = {c, c} error(c) end)} end",
];

#[test]
fn a_script_without_an_end_is_ended() {
    let limits = Limits { instructions: 300_000, ..LIMITS };
    for body in ENDLESS {
        let ended = run_with(&mut TestHost::default(), body, &limits);
        assert!(matches!(ended, Err(Stop::Limit(_))), "{body}: {ended:?}");
    }
}

#[test]
fn a_script_that_grows_is_ended() {
    for body in GROWING {
        let ended = run_with(&mut TestHost::default(), body, &LIMITS);
        assert!(matches!(ended, Err(Stop::Limit(_))), "{body}: {ended:?}");
    }
}

#[test]
fn garbage_is_no_growth() {
    let limits = Limits { memory_bytes: 4 << 20, ..LIMITS };
    for body in [
        "for i = 1, 1e5 do local t = {i, {i}} end return 1",
        "local s for i = 1, 1e5 do s = 'text' .. i end return 1",
        "for i = 1, 1e4 do local a, b = {}, {} a.b = b b.a = a end return 1",
        "for i = 1, 1e4 do local f = function() return i end f() end return 1",
        "for i = 1, 3e3 do local c = coroutine.wrap(function() coroutine.yield(i) end) c() end return 1",
        "for i = 1, 1e3 do cjson.decode('[[1,2,3],{\"a\":\"b\"}]') end return 1",
    ] {
        let ran = run_with(&mut TestHost::default(), body, &limits);
        assert!(ran.as_ref().is_ok_and(|ran| ran.reply == crate::resp::Reply::Int(1)), "{body}: {ran:?}");
    }
}

/// What the script refers to survives the collector, wherever it is held.
#[test]
fn what_is_in_use_is_kept() {
    for body in [
        "local keep = {} for i = 1, 2000 do keep[i] = {i, 'x' .. i} end for i = 1, 3e5 do local g = {} end \
         local n = 0 for i = 1, 2000 do if keep[i][1] == i and keep[i][2] == 'x' .. i then n = n + 1 end end return n == 2000 and 1",
        "local x = {1} local f = function() return x end x = nil for i = 1, 3e5 do local g = {} end return f() == nil and 1",
        "local c = coroutine.wrap(function() local t = {7} coroutine.yield() return t[1] end) c() \
         for i = 1, 3e5 do local g = {} end return c() == 7 and 1",
        "local t = {} for i = 1, 300 do t[i] = 'k' .. (301 - i) end \
         table.sort(t, function(a, b) for i = 1, 100 do local g = {a, b} end return a < b end) \
         for i = 2, 300 do assert(t[i - 1] < t[i]) end return 1",
        "local r = ('a b c d'):gsub('%a', function(x) for i = 1, 1e5 do local g = {x} end return x .. x end) return r == 'aa bb cc dd' and 1",
        "return select('#', (function(...) for i = 1, 3e5 do local g = {} end return ... end)({}, 'y' .. 1, 3)) == 3 and 1",
        "local m = setmetatable({}, {__index = function(t, k) for i = 1, 3e5 do local g = {} end return {k} end}) return m['q' .. 1][1] == 'q1' and 1",
    ] {
        let ran = run_with(&mut TestHost::default(), body, &LIMITS);
        assert!(ran.as_ref().is_ok_and(|ran| ran.reply == crate::resp::Reply::Int(1)), "{body}: {ran:?}");
    }
}

#[test]
fn a_killed_script_ends() {
    let host = TestHost { kill: std::cell::Cell::new(Some(3)), ..TestHost::default() };
    let mut host = host;
    let ended = run_with(&mut host, "while true do pcall(function() while true do end end) end", &LIMITS);
    assert!(matches!(ended, Err(Stop::Killed)), "{ended:?}");
}

#[test]
fn a_host_can_end_a_script_that_catches_everything() {
    let mut host = TestHost { is_readonly: true, ..TestHost::default() };
    let body = "while true do pcall(redis.call, 'set', 'x', 'y') redis.pcall('set', 'x', 'y') end";
    assert!(matches!(run_with(&mut host, body, &LIMITS), Err(Stop::Writes)));
    assert_eq!(host.calls, 1);
}

#[test]
fn a_reply_has_a_limit() {
    let limits = Limits { reply_bytes: 100_000, ..LIMITS };
    for body in [
        "return string.rep('x', 200000)",
        "local t = {} for i = 1, 5000 do t[i] = i end return t",
        "local s = string.rep('x', 1000) local t = {} for i = 1, 200 do t[i] = s end return t",
        "local t = {} for i = 1, 20 do t = {t, t} end return t",
        "return {err = string.rep('x', 200000)}",
    ] {
        let ended = run_with(&mut TestHost::default(), body, &limits);
        assert!(matches!(ended, Err(Stop::Limit(_))), "{body}: {ended:?}");
    }
}

/// A source cannot make the compiler slow: each name is looked up once in each function around it. (A search of all variables for
/// each name takes minutes.)
#[test]
fn names_are_found_at_once() {
    let mut source = String::new();
    for level in 0..55 {
        for local in 0..100 {
            source.push_str(&format!("local v{level}_{local} "));
        }
        source.push_str("local function f() ");
    }
    source.push_str(&"x = v0_0 ".repeat(40_000));
    source.push_str(&"end ".repeat(55));
    assert!(crate::script::Script::new(source.as_bytes()).is_ok());
    let error = |source: String| crate::script::Script::new(source.as_bytes()).unwrap_err().to_string();
    assert!(error(format!("return 1 --{}", "x".repeat(16 << 20))).contains("longer than"));
    assert!(error("x = 1 ".repeat(200_000)).contains("more than 500000 tokens"));
    assert!(crate::script::Script::new(format!("return 1 --{}", "x".repeat(8 << 20)).as_bytes()).is_ok());
}
