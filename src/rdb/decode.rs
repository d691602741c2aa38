//! An object of any type and encoding, from the bytes that follow its type.

use super::{
    compact::{Element, TOO_MANY, intset, listpack, ziplist, zipmap},
    decode_stream::{self, StreamVersion},
    error::{Fault, RdbError, Result},
    input::Input,
    object::{Field, Member, Object},
    score, types,
    types::Dialect,
};
use foldhash::HashSet;
use std::io::Read;

/// A score of a sorted set in the oldest encoding: special values replace its length.
const SCORE_NAN: u8 = 253;
const SCORE_INFINITE: u8 = 254;
const SCORE_MINUS_INFINITE: u8 = 255;

/// Decodes one value.
pub fn object<R: Read>(input: &mut Input<R>, rdb_type: u8, dialect: Dialect) -> Result<Object> {
    input.next_object();
    let object = match (rdb_type, dialect) {
        (types::STRING, _) => Object::String(input.string()?),
        (types::LIST, _) => Object::List(strings(input)?),
        (types::SET, _) => Object::Set(strings(input)?),
        (types::ZSET, _) => Object::SortedSet(scored(input, text_score)?),
        (types::ZSET_2, _) => Object::SortedSet(scored(input, Input::float)?),
        (types::HASH, _) => Object::Hash(fields(input, Expiry::None)?),
        (types::HASH_22, Dialect::Valkey) => Object::Hash(fields(input, Expiry::Behind)?),
        (types::HASH_22, Dialect::Redis) => Object::Hash(fields(input, Expiry::After(1))?),
        (types::HASH_METADATA, Dialect::Redis) => {
            let earliest = input.time_ms()?;
            Object::Hash(fields(input, Expiry::After(earliest))?)
        }
        (types::SET_METADATA, Dialect::Redis) => {
            let earliest = input.time_ms()?;
            Object::ExpiringSet(members(input, earliest)?)
        }
        (types::HASH_ZIPMAP, _) => Object::Hash(from_zipmap(input)?),
        (types::LIST_ZIPLIST, _) => Object::List(from_ziplist(input)?),
        (types::SET_INTSET, _) => Object::Set(from_intset(input)?),
        (types::ZSET_ZIPLIST, _) => Object::SortedSet(pack(input, ZIPLIST, to_scored)?),
        (types::HASH_ZIPLIST, _) => Object::Hash(pack(input, ZIPLIST, to_fields)?),
        (types::LIST_QUICKLIST, _) => Object::List(quicklist(input, false)?),
        (types::LIST_QUICKLIST_2, _) => Object::List(quicklist(input, true)?),
        (types::HASH_LISTPACK, _) => Object::Hash(pack(input, LISTPACK, to_fields)?),
        (types::ZSET_LISTPACK, _) => Object::SortedSet(pack(input, LISTPACK, to_scored)?),
        (types::SET_LISTPACK, _) => Object::Set(pack(input, LISTPACK, to_strings)?),
        (types::HASH_LISTPACK_EX_PRE_GA, Dialect::Redis) => {
            Object::Hash(pack(input, LISTPACK, to_expiring_fields)?)
        }
        (types::HASH_LISTPACK_EX, Dialect::Redis) => {
            let _earliest = input.time_ms()?;
            Object::Hash(pack(input, LISTPACK, to_expiring_fields)?)
        }
        (types::STREAM_LISTPACKS, _) => Object::Stream(decode_stream::stream(input, StreamVersion::One)?),
        (types::STREAM_LISTPACKS_2, _) => Object::Stream(decode_stream::stream(input, StreamVersion::Two)?),
        (types::STREAM_LISTPACKS_3, _) => Object::Stream(decode_stream::stream(input, StreamVersion::Three)?),
        (types::MODULE_PRE_GA | types::MODULE_2, _) => {
            let name = module_name(input.number()?);
            return Err(input.fault(Fault::Module(name)));
        }
        _ => return Err(input.fault(Fault::UnknownType(rdb_type))),
    };
    check(input, object)
}

/// No collection is empty but a stream, and none has a member twice.
fn check<R: Read>(input: &Input<R>, object: Object) -> Result<Object> {
    let distinct = match &object {
        Object::Set(members) => are_distinct(members.iter().map(Vec::as_slice)),
        Object::ExpiringSet(members) => are_distinct(members.iter().map(|member| member.name.as_slice())),
        Object::SortedSet(members) => are_distinct(members.iter().map(|(member, _)| member.as_slice())),
        Object::Hash(fields) => are_distinct(fields.iter().map(|field| field.name.as_slice())),
        Object::String(_) | Object::List(_) | Object::Stream(_) => true,
    };
    if !distinct {
        return Err(input.corrupt("a member occurs twice"));
    }
    if object.elements() == 0 && !matches!(object, Object::Stream(_)) {
        return Err(input.fault(Fault::Empty));
    }
    Ok(object)
}

pub fn are_distinct<'a>(members: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut seen = HashSet::default();
    members.into_iter().all(|member| seen.insert(member))
}

fn strings<R: Read>(input: &mut Input<R>) -> Result<Vec<Vec<u8>>> {
    let count = input.count()?;
    (0..count).map(|_| input.string()).collect()
}

type Scored = Vec<(Vec<u8>, f64)>;

fn scored<R: Read>(input: &mut Input<R>, score: impl Fn(&mut Input<R>) -> Result<f64>) -> Result<Scored> {
    let count = input.count()?;
    let member = |_| {
        let member = input.string()?;
        match score(input)? {
            score if score.is_nan() => Err(input.corrupt("a score is not a number")),
            score => Ok((member, score)),
        }
    };
    (0..count).map(member).collect()
}

fn text_score<R: Read>(input: &mut Input<R>) -> Result<f64> {
    let len = match input.byte()? {
        SCORE_NAN => return Ok(f64::NAN),
        SCORE_INFINITE => return Ok(f64::INFINITY),
        SCORE_MINUS_INFINITE => return Ok(f64::NEG_INFINITY),
        len => len,
    };
    let text: Vec<u8> = (0..len).map(|_| input.byte()).collect::<Result<_>>()?;
    score::parse(&text).ok_or_else(|| input.corrupt("a score is not a number"))
}

/// The position of a field's expiry.
#[derive(Clone, Copy)]
enum Expiry {
    None,
    /// Before the field: 0 for none, else milliseconds after this time, less one.
    After(u64),
    /// After the value: eight bytes, -1 for none.
    Behind,
}

fn fields<R: Read>(input: &mut Input<R>, expiry: Expiry) -> Result<Vec<Field>> {
    let count = input.count()?;
    let field = |_| {
        let before = match expiry {
            Expiry::After(earliest) => relative(earliest, input.number()?),
            Expiry::None | Expiry::Behind => Ok(None),
        };
        let before = before.map_err(|what| input.corrupt(what))?;
        let (name, value) = (input.string()?, input.string()?);
        let behind = match expiry {
            // 0 is a time here, in the past; everywhere else it means never.
            Expiry::Behind => u64::try_from(i64::from_le_bytes(input.array()?)).ok().map(|at| at.max(1)),
            Expiry::None | Expiry::After(_) => None,
        };
        Ok(Field { name, value, expires_at_ms: before.or(behind) })
    };
    (0..count).map(field).collect()
}

fn members<R: Read>(input: &mut Input<R>, earliest: u64) -> Result<Vec<Member>> {
    let count = input.count()?;
    let member = |_| {
        let expires_at_ms = relative(earliest, input.number()?).map_err(|what| input.corrupt(what))?;
        Ok(Member { name: input.string()?, expires_at_ms })
    };
    (0..count).map(member).collect()
}

/// Never 0, as that means none where such a value is written: `Input::time_ms` says 0 of a time before 1970.
fn relative(earliest: u64, after: u64) -> Result<Option<u64>, &'static str> {
    let Some(after) = after.checked_sub(1) else { return Ok(None) };
    let at = earliest.checked_add(after).filter(|at| i64::try_from(*at).is_ok());
    at.map(|at| Some(at.max(1))).ok_or("the expiry of an element is out of range")
}

/// The name and the reader of a blob of elements.
type Format = (&'static str, fn(&[u8], usize) -> Result<Vec<Element<'_>>, &'static str>);
const LISTPACK: Format = ("listpack", listpack::read);
const ZIPLIST: Format = ("ziplist", ziplist::read);

/// The error of a blob's reader.
pub fn packed<R: Read>(input: &Input<R>, name: &'static str, what: &'static str) -> RdbError {
    if what == TOO_MANY { input.too_large() } else { input.fault(Fault::Packed(name, what)) }
}

/// Builds a value from the elements of a blob.
fn pack<R: Read, T>(
    input: &mut Input<R>,
    (name, read): Format,
    build: impl Fn(&[Element<'_>]) -> Result<T, &'static str>,
) -> Result<T> {
    let blob = input.string()?;
    let elements = read(&blob, input.elements_left()).map_err(|what| packed(input, name, what))?;
    input.charge(elements.len() as u64, 0)?;
    build(&elements).map_err(|what| input.fault(Fault::Packed(name, what)))
}

fn to_strings(elements: &[Element<'_>]) -> Result<Vec<Vec<u8>>, &'static str> {
    Ok(elements.iter().map(|element| element.to_bytes()).collect())
}

fn to_fields(elements: &[Element<'_>]) -> Result<Vec<Field>, &'static str> {
    let (pairs, rest) = elements.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a field has no value");
    }
    let field = |[name, value]: &[Element<'_>; 2]| Field {
        name: name.to_bytes(),
        value: value.to_bytes(),
        expires_at_ms: None,
    };
    Ok(pairs.iter().map(field).collect())
}

fn to_expiring_fields(elements: &[Element<'_>]) -> Result<Vec<Field>, &'static str> {
    let (triples, rest) = elements.as_chunks::<3>();
    if !rest.is_empty() {
        return Err("a field has no value or no expiry");
    }
    let field = |[name, value, expiry]: &[Element<'_>; 3]| {
        let expiry = expiry.integer().and_then(|at| u64::try_from(at).ok());
        let expiry = expiry.ok_or("the expiry of a field is not a time")?;
        Ok(Field {
            name: name.to_bytes(),
            value: value.to_bytes(),
            expires_at_ms: (expiry != 0).then_some(expiry),
        })
    };
    triples.iter().map(field).collect()
}

fn to_scored(elements: &[Element<'_>]) -> Result<Scored, &'static str> {
    let (pairs, rest) = elements.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a member has no score");
    }
    let member = |[member, score]: &[Element<'_>; 2]| {
        let score = score::parse(&score.to_bytes()).ok_or("a score is not a number")?;
        Ok((member.to_bytes(), score))
    };
    pairs.iter().map(member).collect()
}

fn from_ziplist<R: Read>(input: &mut Input<R>) -> Result<Vec<Vec<u8>>> {
    pack(input, ZIPLIST, to_strings)
}

fn from_zipmap<R: Read>(input: &mut Input<R>) -> Result<Vec<Field>> {
    let blob = input.string()?;
    let pairs = zipmap::read(&blob, input.elements_left()).map_err(|what| packed(input, "zipmap", what))?;
    input.charge(pairs.len() as u64, 0)?;
    let field = |(name, value): &zipmap::Pair<'_>| Field {
        name: name.to_vec(),
        value: value.to_vec(),
        expires_at_ms: None,
    };
    Ok(pairs.iter().map(field).collect())
}

fn from_intset<R: Read>(input: &mut Input<R>) -> Result<Vec<Vec<u8>>> {
    let blob = input.string()?;
    let members = intset::read(&blob, input.elements_left()).map_err(|what| packed(input, "intset", what))?;
    input.charge(members.len() as u64, 0)?;
    Ok(members.iter().map(|member| member.to_string().into_bytes()).collect())
}

/// A list in nodes: ziplists, or since 7.0 listpacks and single elements.
fn quicklist<R: Read>(input: &mut Input<R>, has_kinds: bool) -> Result<Vec<Vec<u8>>> {
    let mut list = Vec::new();
    for _ in 0..input.count()? {
        let kind = if has_kinds { input.number()? } else { types::NODE_PACKED };
        match (kind, has_kinds) {
            (types::NODE_PACKED, true) => list.append(&mut pack(input, LISTPACK, to_strings)?),
            (types::NODE_PACKED, false) => list.append(&mut pack(input, ZIPLIST, to_strings)?),
            (types::NODE_PLAIN, _) => match input.string()? {
                element if element.is_empty() => return Err(input.corrupt("a node of a list is empty")),
                element => list.push(element),
            },
            _ => return Err(input.corrupt("a node of a list has an unknown kind")),
        }
    }
    Ok(list)
}

/// A module's name is nine letters of six bits; ten bits of version follow.
pub fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |place: u32| {
        let index = usize::try_from((id >> (10 + 6 * place)) & 63).unwrap_or(0);
        LETTERS.get(index).copied().map_or('?', char::from)
    };
    (0..9).rev().map(letter).collect()
}

/// Skips a module's value; each part of it names its own type.
pub fn skip_module<R: Read>(input: &mut Input<R>) -> Result<()> {
    loop {
        match input.number()? {
            0 => return Ok(()),
            1 | 2 => drop(input.number()?),
            3 => drop(input.array::<4>()?),
            4 => drop(input.array::<8>()?),
            5 => input.skip_string()?,
            _ => return Err(input.corrupt("a module's value has a part of an unknown kind")),
        }
    }
}
