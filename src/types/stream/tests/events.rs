//! Keyspace events, and who is woken.

use super::support::Home;
use crate::store::{ChangeEvent, EventClass, Interest, Observer};
use parking_lot::Mutex;
use std::sync::Arc;

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Observer for Heard {
    fn interest(&self) -> Interest {
        Interest { keys: true, events: true, ..Interest::default() }
    }

    fn changed(&self, _index: u64, changes: Vec<ChangeEvent>) {
        self.0.lock().extend(changes.into_iter().map(|change| match change {
            ChangeEvent::Keyspace { class: EventClass::Stream, name, key, .. } => {
                format!("{name} {}", String::from_utf8(key).unwrap())
            }
            ChangeEvent::Keyspace { name, .. } => name.to_owned(),
            ChangeEvent::Key(change) if change.may_unblock() => {
                format!("ready {}", String::from_utf8(change.key).unwrap())
            }
            other => format!("{other:?}"),
        }));
    }

    fn replaced(&self) {}
}

/// As redis-server 7.0 emits them. READY stands where the row was written.
#[test]
fn each_command_tells_what_it_did() {
    let heard = Arc::new(Heard::default());
    let home = Home::observed(heard.clone());
    for (line, told) in [
        ("XADD s 1-1 n 1", "new, ready s, xadd s"),
        ("XADD s 2-1 n 1", "ready s, xadd s"),
        ("XADD s MAXLEN 2 3-1 n 1", "ready s, xadd s, xtrim s"),
        ("XADD s MAXLEN 9 4-1 n 1", "ready s, xadd s"),
        ("XADD none NOMKSTREAM 1-1 n 1", ""),
        ("XADD s 1-1 n 1", ""),
        ("XTRIM s MAXLEN 9", ""),
        ("XTRIM s MAXLEN 2", "ready s, xtrim s"),
        ("XDEL s 9-9", ""),
        ("XGROUP CREATE s g 0", "ready s, xgroup-create s"),
        ("XGROUP CREATE s g 0", ""),
        ("XGROUP CREATE t g 0 MKSTREAM", "new, ready t, xgroup-create t"),
        ("XREADGROUP GROUP g c COUNT 1 STREAMS s >", "xgroup-createconsumer s"),
        ("XREADGROUP GROUP g c COUNT 1 STREAMS s >", ""),
        ("XREADGROUP GROUP g c STREAMS s 0", ""),
        ("XCLAIM s g d 0 3-1", "xgroup-createconsumer s"),
        ("XAUTOCLAIM s g e 0 0", "xgroup-createconsumer s"),
        ("XACK s g 3-1", ""),
        ("XGROUP SETID s g 0", "xgroup-setid s"),
        ("XGROUP CREATECONSUMER s g z", "xgroup-createconsumer s"),
        ("XGROUP CREATECONSUMER s g z", ""),
        ("XGROUP DELCONSUMER s g z", "xgroup-delconsumer s"),
        ("XGROUP DELCONSUMER s g z", ""),
        ("XGROUP DESTROY s g", "ready s, xgroup-destroy s"),
        ("XGROUP DESTROY s g", ""),
        ("XSETID s 9-9", "ready s, xsetid s"),
        ("XDEL s 3-1 4-1", "ready s, xdel s"),
        ("DEL s", "ready s"),
        ("XADD u IDMP p i * n 1", "new, ready u, xadd u"),
        ("XADD u IDMP p i * n 1", ""),
        ("XCFGSET u IDMP-MAXSIZE 1", ""),
        ("XADD u 9-1 n 1", "ready u, xadd u"),
        ("XGROUP CREATE u g 0", "ready u, xgroup-create u"),
        ("XREADGROUP GROUP g c CLAIM 0 STREAMS u >", "xgroup-createconsumer u"),
        ("XDELEX u ACKED IDS 1 9-1", ""),
        ("XDELEX u IDS 1 8-1", ""),
        ("XACKDEL u g ACKED IDS 1 8-1", ""),
        ("XACKDEL u g IDS 1 9-1", "ready u, xdel u"),
        ("XADD u ACKED MAXLEN 0 10-1 n 1", "ready u, xadd u"),
        ("XTRIM u DELREF MAXLEN 0", "ready u, xtrim u"),
    ] {
        home.call(1, line);
        let mut events = std::mem::take(&mut *heard.0.lock());
        events.retain(|event| event != "del");
        assert_eq!(events.join(", "), told, "{line}");
    }
}
