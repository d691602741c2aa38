//! Faults that Redis, Valkey and their libraries had, and attempts at the sandbox.

use super::{LIMITS, TestHost, reply, run_bytes};
use crate::script::Script;

/// CVE-2022-24834: sizes of cjson and cmsgpack overflowed.
#[test]
fn large_json_and_messagepack() {
    let body = "local s = string.rep('\\1', 5e6) return pcall(cjson.encode, s)";
    assert_eq!(reply(body), ":1", "six bytes for each");
    assert_eq!(reply("return #cjson.encode({[string.rep('a', 1e6)] = 1})"), ":1000006");
    assert_eq!(reply("return #cmsgpack.pack(string.rep('x', 1e6))"), ":1000005");
    assert_eq!(
        reply("return (select(2, pcall(cmsgpack.unpack, '\\221\\255\\255\\255\\255')))"),
        "\"Missing bytes in input.\""
    );
    assert_eq!(
        reply("return (select(2, pcall(cmsgpack.unpack, '\\219\\255\\255\\255\\255')))"),
        "\"Missing bytes in input.\""
    );
    let nested = "return pcall(cmsgpack.unpack, string.rep('\\145', 1e5))";
    assert_eq!(reply(nested), "Nil");
}

/// CVE-2024-31449: the least integer as a number of digits.
#[test]
fn digits_of_tohex() {
    assert_eq!(reply("return bit.tohex(65535, -2147483648)"), "\"0000FFFF\"");
    assert_eq!(
        reply("return {bit.tohex(1, 2147483647), bit.tohex(1, 0), bit.tohex(1, -1)}"),
        "[\"00000001\", \"\", \"1\"]"
    );
}

/// CVE-2024-46981: the collector ran while a script was loaded, or freed what was in use.
#[test]
fn collection_while_loading() {
    let body = "for i = 1, 200 do local f = loadstring('local t = {} for i = 1, 20 do t[i] = \"x\" .. i end return #t') \
                collectgarbage() assert(f() == 20) end return 1";
    assert_eq!(reply(body), ":1");
}

/// CVE-2025-46817: the number of results of `unpack` overflowed.
#[test]
fn bounds_of_unpack() {
    for bounds in ["-2147483648, 2147483647", "1, 2147483647", "-9007199254740992, 9007199254740992"] {
        let text = reply(&format!("return unpack({{}}, {bounds})"));
        assert!(text.contains("too many results to unpack"), "{bounds}: {text}");
    }
    assert_eq!(reply("return select('#', unpack({}, 2147483640, 2147483647))"), ":8");
}

/// CVE-2025-46818: metatables of basic types were shared between users.
#[test]
fn metatables_of_basic_types_are_read_only() {
    for change in [
        "getmetatable('').__index = function() return 'bad' end",
        "rawset(getmetatable(''), '__index', {})",
        "getmetatable('').__add = error",
        "setmetatable(getmetatable(''), {})",
        "table.insert(getmetatable(''), 1)",
        "string.upper = error",
        "rawset(string, 'upper', error)",
        "table.sort(string) string[1] = 1",
        "_G.tostring = error",
        "rawset(_G, 'tostring', error)",
        "setmetatable(_G, nil)",
        "getmetatable(_G).__index = error",
        "redis.call = error",
        "redis.sha1hex = nil",
        "cjson.encode = error",
        "KEYS = 1",
        "local f = loadstring('x = 1') f()",
    ] {
        let text = reply(change);
        assert!(text.contains("Attempt to modify a readonly table"), "{change}: {text}");
    }
    assert_eq!(reply("return ('x'):upper()"), "\"X\"");
}

/// CVE-2025-46819: long brackets that were never closed were read past their end.
#[test]
fn long_brackets() {
    for source in [
        "return [=[",
        "return [==[ x ]=]",
        "return [=",
        "return [[",
        "--[==[",
        "return [[ ]=]",
        "return [=[ ]]",
    ] {
        let text = reply(source);
        assert!(text.starts_with("-ERR Error compiling script"), "{source:?}: {text}");
    }
    assert_eq!(reply("return [==[a]=]b]==]"), "\"a]=]b\"");
}

/// CVE-2025-49844: the name of a chunk was freed while the parser used it.
#[test]
fn names_of_chunks() {
    let body = "for i = 1, 50 do local f, e = loadstring('return ' .. i .. ' +', string.rep('n', 1000) .. i) \
                assert(f == nil and #e < 200) end collectgarbage() return 1";
    assert_eq!(reply(body), ":1");
}

/// CVE-2022-0543, and what else a sandbox must not have.
#[test]
fn nothing_of_the_machine_is_there() {
    for name in [
        "package", "require", "io", "dofile", "loadfile", "print", "debug", "module", "newproxy", "setfenv",
        "getfenv", "loadlib", "ffi", "jit",
    ] {
        let text = reply(&format!("return {name}"));
        assert!(text.contains(&format!("nonexistent global variable '{name}'")), "{name}: {text}");
    }
    for name in ["execute", "exit", "getenv", "remove", "rename", "time", "date", "tmpname"] {
        assert_eq!(reply(&format!("return os.{name} == nil")), ":1", "{name}");
    }
}

#[test]
fn bytecode_is_not_loaded() {
    let text = reply("return {select(2, loadstring('\\27Lua\\81\\0\\1\\4\\8\\4\\8\\0'))}");
    assert!(text.contains("precompiled"), "{text}");
    assert!(Script::new(b"\x1bLuaQ\0").is_err());
    assert!(reply("return string.dump(function() end)").contains("unable to dump"));
}

/// No address, no clock and no state of the process can be seen.
#[test]
fn nothing_differs_between_nodes() {
    for body in [
        "return {tostring({}), tostring(function() end), tostring(string.rep), tostring(coroutine.create(function() end))}",
        "return {collectgarbage('count') * 1024, gcinfo()}",
        "local t = {} for i = 1, 50 do t[{}] = i t[function() end] = i end local r = {} for _, v in pairs(t) do r[#r + 1] = v end return r",
        "local t = setmetatable({}, {__mode = 'k'}) t[{}] = 1 for i = 1, 1e5 do local g = {} end local n = 0 for _ in pairs(t) do n = n + 1 end return n",
        "for i = 1, 1e4 do end return {tostring(os.clock()), math.random(1000), math.random(1000)}",
        "return select(2, pcall(function() return {} .. {} end))",
        "return {tostring(0 / 0), tostring(-(0 / 0)), string.format('%g', 0 / 0), struct.pack('d', 0 / 0), cmsgpack.pack(0 / 0)}",
    ] {
        assert_eq!(reply(body), reply(body), "{body}");
        assert!(!reply(body).starts_with('-'), "{body}: {}", reply(body));
    }
}

#[test]
fn deep_nesting_takes_no_stack() {
    for body in [
        "return loadstring('return ' .. string.rep('(', 1e5)) == nil and 1",
        "return loadstring('return ' .. string.rep('{', 1e5)) == nil and 1",
        "return loadstring(string.rep('do ', 1e5)) == nil and 1",
        "return loadstring('return ' .. string.rep('not ', 1e5) .. '1') == nil and 1",
        "return loadstring('return ' .. string.rep('1 .. ', 1e5) .. '1') == nil and 1",
        "return loadstring('return ' .. string.rep('1 + ', 1e5) .. '1')() == 100001 and 1",
        "return loadstring('local a = {} a.a = a return a' .. string.rep('.a', 1e5)) ~= nil and 1",
        "return loadstring('return ' .. string.rep('false or ', 1e5) .. '1')()",
        "return loadstring('if ' .. string.rep('false or ', 1e5) .. 'true then return 1 end')()",
        "return loadstring('return ' .. string.rep('(', 190) .. '1' .. string.rep(')', 190))()",
        "return #loadstring('return ' .. string.rep('{', 190) .. '1' .. string.rep('}', 190))()",
        "return loadstring('local function f(x) return x end return ' .. string.rep('f(', 150) .. '1' .. string.rep(')', 150))()",
        "return loadstring('local t = {} t[1] = 1 return ' .. string.rep('t[', 150) .. '1' .. string.rep(']', 150))()",
        "return loadstring(string.rep('if true then ', 180) .. 'return 1 ' .. string.rep('end ', 180))()",
        "return loadstring(string.rep('for i = 1, 1 do ', 60) .. 'return 1 ' .. string.rep('end ', 60))()",
        "local s = '1' for i = 1, 150 do s = '(' .. s .. string.rep(' and 1 or 2', 30) .. ')' end return loadstring('if ' .. s .. ' then return 1 end')()",
        "local s = '1' for i = 1, 150 do s = '(' .. s .. string.rep(' and 1 or 2', 30) .. ')' end return loadstring('return ' .. s)()",
        "return loadstring('return ' .. string.rep('-', 2) .. '\\n' .. string.rep('- ', 150) .. '1')()",
        "return pcall(cjson.decode, string.rep('[', 1e6)) == false and 1",
        "cjson.decode_max_depth(2^31 - 1) return pcall(cjson.decode, string.rep('[', 1e5)) == false and 1",
        "local t = {} for i = 1, 1e5 do t = {t} end return pcall(cjson.encode, t) == false and 1",
        "cjson.encode_max_depth(2^31 - 1) local t = {} for i = 1, 1e5 do t = {t} end return #cjson.encode(t) == 200002 and 1",
        "local t = {} for i = 1, 1e5 do t = {t} end return #cmsgpack.pack(t) == 17 and 1",
        "return pcall(string.find, string.rep('a', 1e5), string.rep('a?', 1e4) .. 'b') == false and 1",
        "return pcall(string.find, string.rep('(', 1e5), string.rep('(', 1e4)) == false and 1",
        "local function f() return pcall(f) end f() return 1",
        "local function f(n) return (string.gsub('x', 'x', f)) end return pcall(f) == false and 1",
        "local m = {} m.__index = function(t, k) return t[k] end local t = setmetatable({}, m) return pcall(function() return t.x end) == false and 1",
        "local m = {} m.__lt = function(a, b) return a < b end local t, u = setmetatable({}, m), setmetatable({}, m) return pcall(function() return t < u end) == false and 1",
        "local function f() return coroutine.wrap(f)() end return pcall(f) == false and 1",
        "local function f() return table.sort({1, 2, 3}, f) end return pcall(f) == false and 1",
        "local function f() return 1 + f() end return pcall(f) == false and 1",
        "local s = 'return function() ' for i = 1, 60 do s = s .. 'return function() ' end return loadstring(s .. string.rep('end ', 61)) ~= nil and 1",
    ] {
        assert_eq!(reply(body), ":1", "{body}");
    }
}

/// Line breaks in an error or status would end it early on the wire.
#[test]
fn errors_are_one_line() {
    for body in [
        "error('a\\r\\n+OK')",
        "return {err = 'a\\r\\n+OK'}",
        "return {ok = 'a\\r\\n+OK'}",
        "return redis.error_reply('a b\\r\\n+OK')",
    ] {
        let text = reply(body);
        assert!(!text.contains(['\r', '\n']), "{body}: {text:?}");
    }
}

/// Whatever the bytes are.
#[test]
fn any_bytes_are_a_script_or_an_error() {
    let mut state = 1_u64;
    for _ in 0..3000 {
        let mut body = Vec::new();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        for _ in 0..(state >> 59) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            const WORDS: [&[u8]; 24] = [
                b"local ",
                b"x",
                b"=",
                b"1",
                b"function ",
                b"(",
                b")",
                b"end ",
                b"return ",
                b"..",
                b"{",
                b"}",
                b"[[",
                b"]]",
                b"--",
                b"\"",
                b"if ",
                b"then ",
                b"for ",
                b"do ",
                b"\n",
                b"\xff",
                b"\0",
                b"nil ",
            ];
            body.extend_from_slice(WORDS[(state >> 40) as usize % WORDS.len()]);
        }
        let limits = crate::script::Limits { instructions: 10_000, ..LIMITS };
        let _ = run_bytes(&mut TestHost::default(), &body, &limits);
    }
}
