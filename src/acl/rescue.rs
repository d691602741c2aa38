//! A way back in for an operator whom no password lets in: a file in the data directory of a node, which `flotilla admin rescue` writes
//! and the node takes. Whoever can write there can do anything to the data anyway.

use super::{Definition, Hash};
use crate::checked::{seal, unseal};

/// Who is to have which password, and all rights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rescue {
    pub user: String,
    pub password: Hash,
}

impl Rescue {
    /// In the data directory. Gone once it is done,
    pub const FILE: &str = "RESCUE";
    /// or replaced by why it was not.
    pub const REFUSED: &str = "RESCUE.refused";
    /// A longer one is none.
    pub const BYTES_MAX: u64 = 1024;

    pub fn new(user: &str, password: &[u8]) -> Option<Rescue> {
        let is_name = Definition::allows_name(user.as_bytes()) && !user.is_empty();
        is_name.then(|| Rescue { user: user.to_owned(), password: Hash::of(password) })
    }

    pub fn encode(&self) -> String {
        seal(&format!("{}\n{}", self.user, self.password))
    }

    /// `None`: it is damaged.
    pub fn decode(text: &str) -> Option<Rescue> {
        let text = unseal(text).ok().filter(|read| read.is_checked)?.text;
        let (user, hash) = text.split_once('\n')?;
        let password = Hash::parse(hash.as_bytes())?;
        Definition::allows_name(user.as_bytes()).then(|| Rescue { user: user.to_owned(), password })
    }

    /// The call that the log is to carry.
    pub fn call(&self) -> Vec<Vec<u8>> {
        let hash = format!("#{}", self.password);
        let rules = ["reset", "on", &hash, "~*", "&*", "+@all"];
        ["ACL", "SETUSER", &self.user].iter().chain(&rules).map(|word| word.as_bytes().to_vec()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_no_password_is_in_it() {
        let rescue = Rescue::new("admin", b"secret").unwrap();
        let text = rescue.encode();
        assert!(!text.contains("secret"));
        assert_eq!(Rescue::decode(&text), Some(rescue));
        for bad in ["", "admin", "admin\nx", &text.replace("admin", "root"), &text[..text.len() - 4]] {
            assert_eq!(Rescue::decode(bad), None, "{bad}");
        }
        assert_eq!(Rescue::new("a b", b"x"), None);
        assert_eq!(Rescue::new("", b"x"), None);
    }
}
