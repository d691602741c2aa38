//! The values that RDB carries, free of encodings.

/// A field of a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
    /// Unix time in milliseconds, never 0.
    pub expires_at_ms: Option<u64>,
}

/// A member of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: Vec<u8>,
    /// Unix time in milliseconds, never 0.
    pub expires_at_ms: Option<u64>,
}

/// A value of one key.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(Vec<Vec<u8>>),
    /// Members of a set some of which expire. No other server has a form for them that is known to this one.
    ExpiringSet(Vec<Member>),
    SortedSet(Vec<(Vec<u8>, f64)>),
    Hash(Vec<Field>),
    Stream(Stream),
}

impl Object {
    /// As TYPE names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Object::String(_) => "string",
            Object::List(_) => "list",
            Object::Set(_) | Object::ExpiringSet(_) => "set",
            Object::SortedSet(_) => "zset",
            Object::Hash(_) => "hash",
            Object::Stream(_) => "stream",
        }
    }

    /// Members, fields or entries; 1 for a string.
    pub fn elements(&self) -> usize {
        match self {
            Object::String(_) => 1,
            Object::List(elements) | Object::Set(elements) => elements.len(),
            Object::ExpiringSet(members) => members.len(),
            Object::SortedSet(members) => members.len(),
            Object::Hash(fields) => fields.len(),
            Object::Stream(stream) => stream.entries.len(),
        }
    }

    /// As servers have it that know of no elements which expire, and whether some were to.
    pub fn without_element_expiries(self) -> (Object, bool) {
        match self {
            Object::ExpiringSet(members) => {
                (Object::Set(members.into_iter().map(|member| member.name).collect()), true)
            }
            Object::Hash(mut fields) => {
                let mut lost = false;
                for field in &mut fields {
                    lost |= field.expires_at_ms.take().is_some();
                }
                (Object::Hash(fields), lost)
            }
            Object::String(_)
            | Object::List(_)
            | Object::Set(_)
            | Object::SortedSet(_)
            | Object::Stream(_) => (self, false),
        }
    }
}

/// The id of an entry of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub ms: u64,
    pub seq: u64,
}

/// A stream. Its length is the number of entries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stream {
    /// Ids ascend.
    pub entries: Vec<Entry>,
    pub last_id: StreamId,
    /// The id of the first entry; 0-0 in an empty stream.
    pub first_id: StreamId,
    pub max_deleted_id: StreamId,
    /// Entries ever added, deleted ones included.
    pub entries_added: u64,
    pub groups: Vec<Group>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: StreamId,
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub name: Vec<u8>,
    pub last_id: StreamId,
    /// `None`: not known.
    pub entries_read: Option<u64>,
    /// Ids ascend.
    pub pending: Vec<Pending>,
    pub consumers: Vec<Consumer>,
}

/// An entry that was delivered and not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub id: StreamId,
    /// Unix time in milliseconds.
    pub delivered_at_ms: u64,
    pub deliveries: u64,
    /// Its consumer: an index in the group's `consumers`.
    pub consumer: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    pub name: Vec<u8>,
    /// Last asked, Unix time in milliseconds.
    pub seen_at_ms: u64,
    /// When it last got an entry; `None`: never. Written since Redis 7.2; for older files it equals `seen_at_ms`.
    pub active_at_ms: Option<u64>,
}
