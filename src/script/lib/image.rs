//! The base: all libraries as tables that no script can change, made once in a process.

use super::{
    Settings, base::BASE as BASIC, bit, coroutine::COROUTINE, json, math, msgpack, redis, string, structs,
    table,
};
use crate::script::vm::{BASE, Base, Id, Native, Str, Strings, Table, Text, Value};
use std::{collections::HashMap, sync::OnceLock};

/// What a global table is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Globals {
    /// EVAL: with KEYS and ARGV, the first two tables of a run.
    Script,
    /// A function of a library, when it is called.
    Function,
    /// A library, when it is loaded.
    Library,
}

impl Globals {
    pub fn of(self, base: &Base) -> Id {
        match self {
            Globals::Script => base.script_globals,
            Globals::Function => base.function_globals,
            Globals::Library => base.library_globals,
        }
    }
}

/// A member of a library that is no function.
pub enum Constant {
    Number(f64),
    Text(&'static str),
    Null,
}

/// A library: name, functions, constants.
type Library = (&'static str, Vec<&'static Native>, Vec<(&'static str, Constant)>);

fn libraries() -> Vec<Library> {
    vec![
        ("string", string::STRING.iter().collect(), vec![]),
        ("table", table::TABLE.iter().collect(), vec![]),
        ("math", math::MATH.iter().collect(), math::constants()),
        ("os", math::OS.iter().collect(), vec![]),
        ("bit", bit::BIT.iter().collect(), vec![]),
        ("struct", structs::STRUCT.iter().collect(), vec![]),
        ("cjson", json::CJSON.iter().chain([&json::NEW]).collect(), json::constants()),
        ("cmsgpack", msgpack::CMSGPACK.iter().collect(), msgpack::constants()),
        ("coroutine", COROUTINE.iter().collect(), vec![]),
    ]
}

static BASE_IMAGE: OnceLock<Base> = OnceLock::new();

pub fn base() -> &'static Base {
    BASE_IMAGE.get_or_init(|| Image::new().build())
}

struct Image {
    known: HashMap<&'static str, Id>,
    strings: Vec<Str>,
}

impl Image {
    fn new() -> Self {
        let mut image = Image { known: HashMap::new(), strings: Vec::new() };
        let names = ["_G", "_VERSION", "Lua 5.1", "KEYS", "ARGV", "redis", "server", "__index"];
        names.into_iter().for_each(|name| image.add(name));
        for native in BASIC.iter() {
            image.add(native.name);
        }
        let api = redis::libraries();
        for (name, natives, constants) in libraries().iter().chain(&api) {
            image.add(name);
            natives.iter().for_each(|native| image.add(native.name));
            for (name, constant) in constants {
                image.add(name);
                if let Constant::Text(text) = constant {
                    image.add(text);
                }
            }
        }
        image
    }

    fn add(&mut self, text: &'static str) {
        if !self.known.contains_key(text) {
            let id = u32::try_from(self.strings.len()).unwrap_or(0) | BASE;
            self.known.insert(text, id);
            self.strings.push(Str::new(Text::Own(text.as_bytes().into())));
        }
    }

    fn build(self) -> Base {
        // One base in a process, for as long as it lives.
        let strings = Strings::new(Vec::leak(self.strings));
        let text = |text: &str| Value::Str(self.known.get(text).copied().unwrap_or(BASE));
        let mut tables: Vec<Table> = Vec::new();
        let add = |tables: &mut Vec<Table>, table: Table| {
            tables.push(table);
            (u32::try_from(tables.len()).unwrap_or(1).saturating_sub(1)) | BASE
        };
        let fill = |(_, natives, constants): &Library| {
            let mut table = Table::EMPTY;
            for native in natives {
                table.set(&strings, text(native.name), Value::Native(native));
            }
            for (name, constant) in constants {
                let value = match constant {
                    Constant::Number(number) => Value::Number(*number),
                    Constant::Text(of) => text(of),
                    Constant::Null => Value::Null,
                };
                table.set(&strings, text(name), value);
            }
            table
        };
        let mut shared: Vec<(&str, Id)> = Vec::new();
        for library in &libraries() {
            shared.push((library.0, add(&mut tables, fill(library))));
        }
        let string_library = shared.iter().find(|(name, _)| *name == "string").map_or(BASE, |(_, id)| *id);
        let mut string_meta = Table::EMPTY;
        string_meta.set(&strings, text("__index"), Value::Table(string_library));
        let string_meta = add(&mut tables, string_meta);
        let mut missing = Table::EMPTY;
        missing.set(&strings, text("__index"), Value::Native(&redis::MISSING_GLOBAL));
        let missing = add(&mut tables, missing);
        let mut globals = Vec::new();
        for (number, api) in redis::libraries().iter().enumerate() {
            let mut api = fill(api);
            if number == 2 {
                api.meta = Some(missing);
            }
            let api = add(&mut tables, api);
            let mut table = Table::with_meta(missing);
            // A library that is being loaded only registers its functions, as in Redis.
            let is_loading = number == 2;
            for native in BASIC.iter().filter(|_| !is_loading) {
                table.set(&strings, text(native.name), Value::Native(native));
            }
            for (name, library) in shared.iter().filter(|_| !is_loading) {
                table.set(&strings, text(name), Value::Table(*library));
            }
            table.set(&strings, text("redis"), Value::Table(api));
            table.set(&strings, text("server"), Value::Table(api));
            table.set(&strings, text("_VERSION"), text("Lua 5.1"));
            if number == 0 {
                table.set(&strings, text("KEYS"), Value::Table(0));
                table.set(&strings, text("ARGV"), Value::Table(1));
            }
            let own = u32::try_from(tables.len()).unwrap_or(0) | BASE;
            table.set(&strings, text("_G"), Value::Table(own));
            globals.push(add(&mut tables, table));
        }
        let global = |number: usize| globals.get(number).copied().unwrap_or(BASE);
        Base {
            strings: strings.base,
            script_globals: global(0),
            function_globals: global(1),
            library_globals: global(2),
            string_meta,
            tables,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            random: super::Random::new(0),
            registered: Vec::new(),
            json: super::json::Settings::default(),
            is_resp3: false,
        }
    }
}
