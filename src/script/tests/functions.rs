//! Libraries of functions.

use super::{LIMITS, TestHost, show};
use crate::script::{Call, Library, ScriptFlags};

fn load(code: &str) -> Result<Library, String> {
    Library::load(code.as_bytes(), &LIMITS).map_err(|error| error.to_string())
}

fn call(library: &Library, function: &str) -> String {
    let call = Call { keys: &[b"k"], argv: &[b"a", b"b"], seed: 1, limits: &LIMITS };
    match library.run(function, call, &mut TestHost::default()) {
        Ok(ran) => show(&ran.reply),
        Err(stop) => format!("{stop:?}"),
    }
}

#[test]
fn a_library_has_its_functions() {
    let library = load(
        "#!lua name=mine\n\
         local function double(keys, argv) return {keys[1], argv[2], #argv} end\n\
         redis.register_function('second', double)\n\
         redis.register_function{function_name = 'first', callback = function() return redis.call('get', 'x') end,\n\
         description = 'reads', flags = {'no-writes', 'allow-stale'}}",
    )
    .unwrap();
    assert_eq!(library.name(), "mine");
    let names: Vec<&str> = library.functions().iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    let first = &library.functions()[0];
    assert_eq!(first.description.as_deref(), Some(&b"reads"[..]));
    assert_eq!(first.flags.names().collect::<Vec<_>>(), ["no-writes", "allow-stale"]);
    assert!(first.flags.no_writes && !library.functions()[1].flags.no_writes);
    assert_eq!(call(&library, "second"), "[\"k\", \"b\", :2]");
    assert_eq!(call(&library, "first"), "Nil");
    assert!(library.memory_bytes() > 100);
    let _ = ScriptFlags::default();
}

/// As redis-server 7.0.15 says them.
#[test]
fn errors_of_loading() {
    let name = "#!lua name=x\n";
    for (code, error) in [
        ("return 1", "ERR Missing library metadata"),
        ("#!lua\nreturn 1", "ERR Library name was not given"),
        ("#!lua name=a name=b\n", "ERR Invalid metadata value, name argument was given multiple times"),
        ("#!lua name=a foo=b\n", "ERR Invalid metadata value given: foo=b"),
        ("#!js name=a\n", "ERR Engine 'js' not found"),
        (
            "#!lua name=a-b\n",
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ),
        ("return 1", "ERR No functions registered"),
        ("(", "ERR Error compiling function: user_function:2: unexpected symbol near '<eof>'"),
        (
            "redis.call('ping')",
            "ERR Error registering functions: ERR user_function:2: Script attempted to access nonexistent global variable 'call'",
        ),
        ("x = 1", "ERR Error registering functions: ERR user_function:2: Attempt to modify a readonly table"),
        (
            "redis.register_function('f', 1)",
            "ERR Error registering functions: ERR second argument to redis.register_function must be a function",
        ),
        (
            "redis.register_function('f', function() end) redis.register_function('f', function() end)",
            "ERR Error registering functions: ERR Function already exists in the library",
        ),
        (
            "redis.register_function{function_name = 'f', callback = function() end, flags = {'bad'}}",
            "ERR Error registering functions: ERR unknown flag given",
        ),
        (
            "redis.register_function{function_name = 'f'}",
            "ERR Error registering functions: ERR redis.register_function must get a callback argument",
        ),
    ] {
        let code = if code.starts_with("#!") || error.contains("Missing") {
            code.to_owned()
        } else {
            format!("{name}{code}")
        };
        assert_eq!(load(&code).unwrap_err(), error, "{code}");
    }
    assert!(load(&format!("{name}while true do end")).unwrap_err().contains("more instructions"));
}

#[test]
fn errors_of_functions_name_them() {
    let library = load(
        "#!lua name=x\n\
         redis.register_function('bad', function() error('x') end)\n\
         redis.register_function('global', function() return KEYS end)\n\
         redis.register_function('again', function() redis.register_function('n', function() end) end)",
    )
    .unwrap();
    assert_eq!(call(&library, "bad"), "-ERR user_function:2: x script: bad, on @user_function:2.");
    assert!(call(&library, "global").contains("nonexistent global variable 'KEYS'"));
    assert!(call(&library, "again").contains("attempt to call field 'register_function' (a nil value)"));
}

/// Every node starts from the code: what a call leaves in the library's variables is not there for the next.
#[test]
fn variables_of_a_library_do_not_last() {
    let library =
        load("#!lua name=x\nlocal n = 0\nredis.register_function('next', function() n = n + 1 return n end)")
            .unwrap();
    assert_eq!(call(&library, "next"), ":1");
    assert_eq!(call(&library, "next"), ":1");
}
