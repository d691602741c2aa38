//! How a command of a group is written down, and how one is drawn from that.

use super::Argv;
use super::pools::{self, Kind, Pool};
use super::random::Random;

/// What stands at a place of a command.
#[derive(Debug)]
pub enum Part {
    Word(&'static str),
    /// Mostly a key that such commands use, now and then one of others.
    Key(Kind),
    /// One of a pool.
    Of(&'static Pool),
    /// A value, now and then a big one.
    Value,
    /// These, one to three times.
    Repeat(&'static [Part]),
    /// These, so often that collections are stored in another way; `#` in a word becomes a running number.
    Row(&'static [Part]),
    /// How often these follow, and they; now and then the number is wrong.
    Counted(&'static [Part]),
    /// These, or nothing.
    Maybe(&'static [Part]),
    /// One of these.
    OneOf(&'static [&'static [Part]]),
    /// None, one or several of these, in any order.
    Options(&'static [&'static [Part]]),
    /// A member and a place that no other member has: nothing is equally far from anything.
    Placed,
}

/// A command, and what must stand around it. `$1` is its first argument.
#[derive(Debug)]
pub struct Template {
    /// With its subcommand: `XGROUP CREATE`.
    pub name: &'static str,
    pub parts: &'static [Part],
    pub before: &'static [&'static [&'static str]],
    pub after: &'static [&'static [&'static str]],
    pub weight: u32,
    /// Never made wrong: with other arguments it would do what the reference does in a way of its own.
    pub is_rigid: bool,
}

impl Template {
    pub const fn new(name: &'static str, parts: &'static [Part]) -> Template {
        Template { name, parts, before: &[], after: &[], weight: 10, is_rigid: false }
    }

    pub const fn weight(self, weight: u32) -> Template {
        Template { weight, ..self }
    }

    pub const fn rigid(self) -> Template {
        Template { is_rigid: true, ..self }
    }

    pub const fn before(self, before: &'static [&'static [&'static str]]) -> Template {
        Template { before, ..self }
    }

    pub const fn after(self, after: &'static [&'static [&'static str]]) -> Template {
        Template { after, ..self }
    }

    /// Draws the command and what stands around it.
    pub fn draw(&self, random: &mut Random) -> Vec<Argv> {
        let mut argv: Argv = self.name.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        draw(&mut argv, self.parts, random);
        if random.one_in(24) && !self.is_rigid {
            spoil(&mut argv, self.parts.iter().any(is_fixed), random);
        }
        if random.one_in(16) {
            argv[0].make_ascii_lowercase();
        }
        let around = |commands: &[&[&str]]| commands.iter().filter_map(|words| fill(words, &argv)).collect();
        let (before, after): (Vec<Argv>, Vec<Argv>) = (around(self.before), around(self.after));
        before.into_iter().chain([argv.clone()]).chain(after).collect()
    }
}

/// Puts arguments of a command into another one; `None` if it has none there.
fn fill(words: &[&str], argv: &[Vec<u8>]) -> Option<Argv> {
    let word = |word: &&str| match word.strip_prefix('$').and_then(|at| at.parse::<usize>().ok()) {
        Some(at) => argv.get(at).cloned(),
        None => Some(word.as_bytes().to_vec()),
    };
    words.iter().map(word).collect()
}

/// Whether some word of it must stay where it is.
fn is_fixed(part: &Part) -> bool {
    match part {
        Part::Of(pool) => pool.is_fixed,
        Part::Repeat(parts) | Part::Row(parts) | Part::Counted(parts) | Part::Maybe(parts) => {
            parts.iter().any(is_fixed)
        }
        Part::OneOf(choices) | Part::Options(choices) => {
            choices.iter().any(|parts| parts.iter().any(is_fixed))
        }
        Part::Word(_) | Part::Key(_) | Part::Value | Part::Placed => false,
    }
}

/// Makes a command that is mostly wrong.
fn spoil(argv: &mut Argv, is_fixed: bool, random: &mut Random) {
    let stray = |random: &mut Random| random.pick(pools::STRAYS.items).to_vec();
    let at = random.below(argv.len());
    match random.below(if is_fixed { 2 } else { 6 }) {
        0 if argv.len() > 1 => drop(argv.pop()),
        // A number at the end could be the lifetime that an option before it waits for.
        0 | 1 => argv.push(if is_fixed { b"what".to_vec() } else { stray(random) }),
        _ if at == 0 => argv.push(Vec::new()),
        2 => argv[at] = stray(random),
        3 => argv.insert(at, stray(random)),
        4 => drop(argv.remove(at)),
        _ => {
            let other = 1 + random.below(argv.len() - 1);
            argv.swap(at, other);
        }
    }
}

fn draw(argv: &mut Argv, parts: &[Part], random: &mut Random) {
    parts.iter().for_each(|part| draw_part(argv, part, random));
}

fn draw_part(argv: &mut Argv, part: &Part, random: &mut Random) {
    match part {
        Part::Word(word) => argv.push(word.as_bytes().to_vec()),
        Part::Key(kind) => argv.push(key(*kind, random)),
        Part::Of(pool) => argv.push(random.pick(pool.items).to_vec()),
        Part::Value => argv.push(value(random)),
        Part::Repeat(parts) => (0..=random.below(3)).for_each(|_| draw(argv, parts, random)),
        Part::Row(parts) => {
            let count = [20, 100, 130, 200, 520][random.below(5)];
            let first = random.below(100);
            for number in first..first + count {
                let from = argv.len();
                draw(argv, parts, random);
                argv[from..].iter_mut().for_each(|word| number_word(word, number));
            }
        }
        Part::Counted(parts) => {
            let count = 1 + random.below(3);
            let told = match random.below(24) {
                0 => random.pick(pools::NUMBERS.items).to_vec(),
                _ => count.to_string().into_bytes(),
            };
            argv.push(told);
            (0..count).for_each(|_| draw(argv, parts, random));
        }
        Part::Maybe(parts) => {
            if random.one_in(2) {
                draw(argv, parts, random);
            }
        }
        Part::OneOf(choices) => draw(argv, choices[random.below(choices.len())], random),
        Part::Options(choices) => {
            let count = [0, 0, 0, 1, 1, 1, 1, 2, 2, 3][random.below(10)];
            (0..count).for_each(|_| draw(argv, choices[random.below(choices.len())], random));
        }
        Part::Placed => place(argv, random),
    }
}

fn key(kind: Kind, random: &mut Random) -> Vec<u8> {
    let kind = if random.one_in(8) { Kind::ALL[random.below(Kind::ALL.len())] } else { kind };
    random.pick(kind.keys()).to_vec()
}

fn value(random: &mut Random) -> Vec<u8> {
    if random.one_in(48) {
        let length = [44, 45, 64, 65, 100, 512, 2000, 5000, 8300][random.below(9)];
        return (0..length).map(|at| b"abcdefgh\0\xff"[(at * 7 + length) % 10]).collect();
    }
    random.pick(pools::VALUES.items).to_vec()
}

fn number_word(word: &mut Vec<u8>, number: usize) {
    if let Some(at) = word.iter().position(|byte| *byte == b'#') {
        word.splice(at..=at, number.to_string().into_bytes());
    }
}

fn place(argv: &mut Argv, random: &mut Random) {
    const MEMBERS: [(&str, f64, f64); 8] = [
        ("Palermo", 13.361389, 38.115556),
        ("Catania", 15.087269, 37.502669),
        ("edge", 179.5, -84.25),
        ("null", 0.125, 0.375),
        ("west", -179.75, 12.5),
        ("", -122.41942, 37.77493),
        ("a\0b", 2.35222, 48.85661),
        ("south", -68.3, -54.8),
    ];
    let (name, longitude, latitude) = MEMBERS[random.below(MEMBERS.len())];
    // Twice the same member is at two places.
    let shift = 0.01 * random.below(3) as f64;
    argv.extend([(longitude + shift).to_string(), (latitude - shift).to_string()].map(String::into_bytes));
    argv.push(name.as_bytes().to_vec());
}
