//! Functions: one library, loaded before each call, so that what is there does not depend on the order of seeds.

use super::super::part::Part::{Key, Of, OneOf, Value, Word};
use super::super::part::{Part, Template};
use super::super::pools::Kind::{Hash, List, String};
use super::super::pools::MEMBERS;

const LIBRARY: &str = "#!lua name=fuzz\n\
    local function last(t) return t[#t] end\n\
    redis.register_function('put', function(keys, args) return redis.call('set', keys[1], last(args)) end)\n\
    redis.register_function('push', function(keys, args) redis.call('rpush', keys[1], unpack(args)) return redis.call('llen', keys[1]) end)\n\
    redis.register_function('both', function(keys, args) redis.call('hset', keys[1], args[1], '1') redis.call('get', keys[1]) end)\n\
    redis.register_function{function_name='look', callback=function(keys, args) return redis.call('get', keys[1]) end, flags={'no-writes'}}\n\
    redis.register_function{function_name='lies', callback=function(keys, args) return redis.call('del', keys[1]) end, flags={'no-writes'}}";

const LOAD: &[&[&str]] = &[&["FUNCTION", "LOAD", "REPLACE", LIBRARY]];
const ONE: Part = Word("1");
const CALLS: Part = OneOf(&[
    &[Word("put"), ONE, Key(String), Value],
    &[Word("PUSH"), ONE, Key(List), Value, Value],
    &[Word("both"), ONE, Key(Hash), Of(&MEMBERS)],
    &[Word("look"), ONE, Key(String)],
    &[Word("lies"), ONE, Key(String)],
    &[Word("nosuch"), ONE, Key(String)],
]);

pub static TEMPLATES: &[Template] = &[
    Template::new("FCALL", &[CALLS]).rigid().weight(20).before(LOAD),
    Template::new("FCALL_RO", &[CALLS]).rigid().before(LOAD),
    Template::new("FUNCTION DELETE", &[OneOf(&[&[Word("fuzz")], &[Word("nosuch")]])]).weight(2),
];
