//! How a run or a function fails.

use super::{Value, Vm};
use crate::script::{Stop, compile::chunk_id};
use std::sync::Arc;

/// A line of a chunk.
#[derive(Debug, Clone)]
pub struct Place {
    pub chunk: Arc<[u8]>,
    pub line: u32,
}

/// An error on its way to whoever catches it.
pub struct Raised {
    pub value: Value,
    /// The innermost line of Lua that it came from.
    pub at: Option<Place>,
}

pub enum Fail {
    /// A script's or a library's error, which `pcall` catches.
    Raised(Box<Raised>),
    /// A library function's error; its caller's place is to be put before it.
    Message(Vec<u8>),
    /// As `Message`, about an argument (from 1).
    Argument(usize, String),
    /// An error without a place, where a library function breaks a rule of the language.
    Plain(&'static str),
    /// `coroutine.yield`.
    Yield(Vec<Value>),
    /// Nothing catches it.
    Stop(Box<Stop>),
}

impl Fail {
    /// A table of the base cannot be changed.
    pub const READ_ONLY: Fail = Fail::Plain("Attempt to modify a readonly table");

    pub fn message(text: impl AsRef<[u8]>) -> Self {
        Fail::Message(text.as_ref().to_vec())
    }

    pub fn raised(value: Value) -> Self {
        Fail::Raised(Box::new(Raised { value, at: None }))
    }

    pub fn stop(stop: Stop) -> Self {
        Fail::Stop(Box::new(stop))
    }
}

impl Place {
    /// As it stands before a message.
    pub fn prefix(&self) -> String {
        format!("{}:{}: ", chunk_id(&self.chunk), self.line)
    }
}

impl Vm<'_> {
    /// The line being executed.
    pub fn place(&self) -> Option<Place> {
        let frame = self.thread.frames.last()?;
        let line = frame.code.proto.line_at(self.pc.saturating_sub(1));
        Some(Place { chunk: frame.code.proto.chunk_name.clone(), line })
    }

    /// An error of the running Lua function, with its place; of a library function, without.
    #[cold]
    pub fn error_here(&mut self, text: impl AsRef<[u8]>) -> Fail {
        let mut full = self
            .place()
            .filter(|_| !self.is_native)
            .map(|place| place.prefix())
            .unwrap_or_default()
            .into_bytes();
        full.extend_from_slice(text.as_ref());
        self.raise_text(full)
    }

    pub fn raise_text(&mut self, text: Vec<u8>) -> Fail {
        match self.string(text) {
            Ok(value) => Fail::Raised(Box::new(Raised { value, at: self.place() })),
            Err(fail) => fail,
        }
    }

    /// The failure of a library function as an error that can be caught. `name`: what its caller calls it, if that was Lua.
    #[cold]
    pub fn finish_error(&mut self, fail: Fail, caller: Option<Caller>) -> Fail {
        let text = match fail {
            Fail::Message(text) => text,
            Fail::Argument(number, text) => argument_text(number, &text, caller.as_ref()).into_bytes(),
            Fail::Raised(mut raised) => {
                if raised.at.is_none() {
                    raised.at = self.place();
                }
                return Fail::Raised(raised);
            }
            Fail::Plain(text) => return self.raise_text(text.into()),
            other @ (Fail::Stop(_) | Fail::Yield(_)) => return other,
        };
        match caller {
            Some(_) => self.error_here(text),
            None => self.raise_text(text),
        }
    }

    /// The place of the function at this level, 1 = who called the running library function; empty where that is not Lua.
    pub fn place_of_level(&self, level: usize) -> Option<Place> {
        let mut level = level.checked_sub(1)?;
        // The library function that called this one is a level without a place.
        level = level.checked_sub(usize::from(!self.is_direct))?;
        let mut pc = self.pc;
        for frame in self.thread.frames.iter().rev() {
            if level == 0 {
                let line = frame.code.proto.line_at(pc.saturating_sub(1));
                return Some(Place { chunk: frame.code.proto.chunk_name.clone(), line });
            }
            level = level.checked_sub(1)?;
            // Calls that this one took the place of, and the library function that called it, count as levels.
            level = level.checked_sub(frame.tail_calls as usize + usize::from(frame.is_entry))?;
            pc = frame.caller_pc;
        }
        None
    }
}

/// How the caller of a library function calls it.
pub struct Caller {
    pub name: Option<(crate::script::compile::NameKind, crate::script::compile::Text)>,
}

fn argument_text(number: usize, text: &str, caller: Option<&Caller>) -> String {
    use crate::script::compile::NameKind;
    let name = caller.and_then(|caller| caller.name.as_ref());
    let shown = name.map_or_else(|| "?".into(), |(_, name)| String::from_utf8_lossy(name));
    match name {
        Some((NameKind::Method, _)) if number == 1 => format!("calling '{shown}' on bad self ({text})"),
        Some((NameKind::Method, _)) => {
            format!("bad argument #{} to '{shown}' ({text})", number.saturating_sub(1))
        }
        _ => format!("bad argument #{number} to '{shown}' ({text})"),
    }
}
