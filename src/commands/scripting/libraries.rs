//! The libraries of functions that the cluster keeps: rows of the system's database, replicated as all others.
//!
//! | key | value |
//! |---|---|
//! | `l` ‖ library | SHA-1 of the text in hexadecimal ‖ text |
//! | `f` ‖ function, in lower case | library |
//! | `u` | libraries u64 ‖ functions u64 ‖ bytes of texts u64 |

use super::{code, kept, sha1::Sha1};
use crate::{
    error::{Result, StoreError},
    limits::{LIBRARIES_BYTES_MAX, LIBRARIES_MAX, LIBRARY_FUNCTIONS_MAX, SYSTEM_DATABASE},
    resp::ErrorReply,
    script::{FunctionInfo, Library, ScriptFlags},
    store::{NewRow, Txn, View},
    value::Value,
};
use std::ops::ControlFlow;

const LIBRARY: u8 = b'l';
const FUNCTION: u8 = b'f';
const TOTALS: &[u8] = b"u";
const SHA1_BYTES: usize = 40;
/// What a library takes beside its text.
const LIBRARY_ROW_BYTES: u64 = 256;

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LibraryTotals {
    pub libraries: u64,
    pub functions: u64,
    pub bytes: u64,
}

impl LibraryTotals {
    /// Those of a view.
    pub fn of(view: &View<'_>) -> Result<Self> {
        let Some(row) = view.of_db(SYSTEM_DATABASE).quiet().get(TOTALS)? else { return Ok(Self::default()) };
        let (numbers, rest) = row.body.as_chunks::<8>();
        match (numbers, rest) {
            ([libraries, functions, bytes], []) => Ok(LibraryTotals {
                libraries: u64::from_be_bytes(*libraries),
                functions: u64::from_be_bytes(*functions),
                bytes: u64::from_be_bytes(*bytes),
            }),
            _ => Err(StoreError::corrupt("totals of libraries", "length").into()),
        }
    }

    fn put(self, txn: &mut Txn<'_>) -> Result<()> {
        let numbers = [self.libraries, self.functions, self.bytes];
        let body: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        txn.put_in(SYSTEM_DATABASE, TOTALS, NewRow::string(&body))
    }
}

fn library_key(name: &[u8]) -> Vec<u8> {
    [&[LIBRARY], name].concat()
}

fn function_key(name: &[u8]) -> Vec<u8> {
    [&[FUNCTION][..], &name.to_ascii_lowercase()].concat()
}

fn bytes_of(text: &[u8]) -> u64 {
    (text.len() as u64).saturating_add(LIBRARY_ROW_BYTES)
}

/// SHA-1 and text of a library's row.
fn parse(body: &Value) -> Result<(Sha1, Value)> {
    let sha1 = body.get(..SHA1_BYTES).and_then(Sha1::parse);
    let sha1 = sha1.ok_or_else(|| StoreError::corrupt("library of functions", "no name"))?;
    Ok((sha1, body.clone().without_first(SHA1_BYTES)))
}

fn find(view: &View<'_>, name: &[u8]) -> Result<Option<(Sha1, Value)>> {
    let row = view.of_db(SYSTEM_DATABASE).quiet().get(&library_key(name))?;
    row.map(|row| parse(&row.body)).transpose()
}

/// The library that has a function of this name, and what the function says of itself.
pub(super) fn function(view: &View<'_>, name: &[u8]) -> Result<(Library, String, ScriptFlags)> {
    let not_found = || ErrorReply::err("Function not found");
    let view = view.of_db(SYSTEM_DATABASE).quiet();
    let of = view.get(&function_key(name))?.ok_or_else(not_found)?;
    let (sha1, text) = find(&view, &of.body)?.ok_or_else(not_found)?;
    let library = code::library(&sha1, &text)?;
    let found = library.functions().iter().find(|info| name.eq_ignore_ascii_case(info.name.as_bytes()));
    let FunctionInfo { name, flags, .. } = found.ok_or_else(not_found)?;
    let (name, flags) = (name.clone(), *flags);
    Ok((library, name, flags))
}

/// All, by name.
pub(super) fn all(view: &View<'_>) -> Result<Vec<(Library, Value)>> {
    let mut rows = Vec::new();
    view.of_db(SYSTEM_DATABASE).scan(&[LIBRARY], &[LIBRARY], |_, row| {
        rows.push(row.body.clone());
        Ok(ControlFlow::Continue(()))
    })?;
    let read = |body: Value| {
        let (sha1, text) = parse(&body)?;
        Ok((code::library(&sha1, &text)?, text))
    };
    rows.into_iter().map(read).collect()
}

/// The texts of all, by name.
pub fn library_texts(view: &View<'_>) -> Result<Vec<Vec<u8>>> {
    Ok(all(view)?.into_iter().map(|(_, text)| text.to_vec()).collect())
}

/// FUNCTION LOAD and FUNCTION RESTORE; returns the library's name. `exists`: what is wrong if there is one of this name;
/// `None`: it is replaced.
pub(super) fn load(txn: &mut Txn<'_>, text: &[u8], exists: Option<fn(&str) -> String>) -> Result<String> {
    let sha1 = Sha1::of(text);
    let library = code::library(&sha1, text)?;
    let name = library.name().to_owned();
    let before = find(&txn.view(), name.as_bytes())?;
    if let Some(exists) = exists.filter(|_| before.is_some()) {
        return Err(ErrorReply::err(exists(&name)).into());
    }
    for function in library.functions() {
        let of = txn.system_view().quiet().get(&function_key(function.name.as_bytes()))?;
        if of.is_some_and(|of| of.body[..] != *name.as_bytes()) {
            return Err(ErrorReply::err(format!("Function {} already exists", function.name)).into());
        }
    }
    if before.is_some() {
        remove(txn, name.as_bytes())?;
    }
    let mut totals = LibraryTotals::of(&txn.view())?;
    totals.libraries = totals.libraries.saturating_add(1);
    totals.functions = totals.functions.saturating_add(library.functions().len() as u64);
    totals.bytes = totals.bytes.saturating_add(bytes_of(text));
    let are_too_many = totals.libraries > LIBRARIES_MAX || library.functions().len() > LIBRARY_FUNCTIONS_MAX;
    if are_too_many || totals.bytes > LIBRARIES_BYTES_MAX {
        let mib = LIBRARIES_BYTES_MAX >> 20;
        let text = format!(
            "no more than {LIBRARIES_MAX} libraries, of {mib} MiB in all, can be loaded, each with {LIBRARY_FUNCTIONS_MAX} functions"
        );
        return Err(ErrorReply::err(text).into());
    }
    let body = [&sha1.hex()[..], text].concat();
    txn.put_in(SYSTEM_DATABASE, &library_key(name.as_bytes()), NewRow::string(&body))?;
    for function in library.functions() {
        let key = function_key(function.name.as_bytes());
        txn.put_in(SYSTEM_DATABASE, &key, NewRow::string(name.as_bytes()))?;
    }
    totals.put(txn)?;
    Ok(name)
}

/// FUNCTION DELETE; false: there is no such library.
pub(super) fn remove(txn: &mut Txn<'_>, name: &[u8]) -> Result<bool> {
    let Some((sha1, text)) = find(&txn.view(), name)? else { return Ok(false) };
    let library = code::library(&sha1, &text)?;
    txn.delete_in(SYSTEM_DATABASE, &library_key(name))?;
    for function in library.functions() {
        txn.delete_in(SYSTEM_DATABASE, &function_key(function.name.as_bytes()))?;
    }
    let mut totals = LibraryTotals::of(&txn.view())?;
    totals.libraries = totals.libraries.saturating_sub(1);
    totals.functions = totals.functions.saturating_sub(library.functions().len() as u64);
    totals.bytes = totals.bytes.saturating_sub(bytes_of(&text));
    totals.put(txn)?;
    Ok(true)
}

/// FUNCTION FLUSH.
pub(super) fn flush(txn: &mut Txn<'_>) -> Result<()> {
    kept::remove_all(txn, [LIBRARY, FUNCTION])?;
    LibraryTotals::default().put(txn)
}
