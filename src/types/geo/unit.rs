//! Units of length.

/// A unit that distances are given and shown in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unit {
    #[default]
    Metre,
    Kilometre,
    Foot,
    Mile,
}

impl Unit {
    /// Parses its name; case does not matter.
    pub fn parse(word: &[u8]) -> Option<Self> {
        let names = [("m", Unit::Metre), ("km", Unit::Kilometre), ("ft", Unit::Foot), ("mi", Unit::Mile)];
        let found = names.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, unit)| unit)
    }

    /// Metres in one.
    pub fn metres(self) -> f64 {
        match self {
            Unit::Metre => 1.0,
            Unit::Kilometre => 1000.0,
            Unit::Foot => 0.3048,
            Unit::Mile => 1609.34,
        }
    }
}
