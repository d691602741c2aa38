//! What of a source cannot be carried, and what else an administrator should know before following it.

use super::{following::SourceInfo, link::Link};
use crate::{limits::DATABASES, resp::Answer};
use std::fmt;

/// The oldest that speaks PSYNC2 and propagates effects.
const VERSION_MIN: u64 = 5;
/// Below this, a source cuts off whoever follows while much is written.
const OUTPUT_BYTES_WANTED: u64 = 512 << 20;
const BACKLOG_BYTES_WANTED: u64 = 64 << 20;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    pub facts: Vec<String>,
    /// Why it cannot be followed.
    pub refusals: Vec<String>,
    /// What does not come along, or may go wrong.
    pub warnings: Vec<String>,
}

impl fmt::Display for Survey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.facts.iter().cloned();
        let warnings = self.warnings.iter().map(|line| format!("warning: {line}"));
        let refusals = self.refusals.iter().map(|line| format!("cannot be followed: {line}"));
        f.write_str(&lines.chain(warnings).chain(refusals).collect::<Vec<_>>().join("\n"))
    }
}

/// Looks at a source.
pub fn survey(link: &mut Link) -> Result<Survey, String> {
    let info = link.text(&[b"INFO", b"everything"])?;
    let mut survey = of_info(&info);
    survey.users(link)?;
    survey.buffers(link)?;
    survey.rights(link)?;
    Ok(survey)
}

fn of_info(info: &str) -> Survey {
    let field =
        |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim));
    let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
    let mut survey = Survey::default();
    let (product, version) = match field("valkey_version") {
        Some(version) => ("Valkey", version),
        None => ("Redis", field("redis_version").unwrap_or("of no known version")),
    };
    let keys = SourceInfo::of(info).keys;
    let bytes = number("used_memory").unwrap_or(0);
    survey.facts.push(format!("{product} {version}: {keys} keys, {:.1} MB of memory", bytes as f64 / 1e6));
    let major = version.split('.').next().and_then(|major| major.parse::<u64>().ok()).unwrap_or(0);
    if major < VERSION_MIN {
        survey.refusals.push(format!("{product} {version} is older than {VERSION_MIN}.0"));
    }
    if product == "Redis" && major >= 8 {
        survey.warnings.push(
            "Redis 8 may send commands and values that are not known here; it stops at the first".into(),
        );
    }
    if field("cluster_enabled") == Some("1") {
        survey.warnings.push(
            "it is one shard of a cluster: only its slots are followed, and not the other shards'".into(),
        );
    }
    if field("role").is_some_and(|role| role != "master") {
        survey.warnings.push(
            "it is a replica: its own primary goes on taking writes at the cut-over; follow that one".into(),
        );
    }
    for line in info.lines().filter(|line| line.starts_with("module:")) {
        let name = line.split([':', ',']).find_map(|part| part.strip_prefix("name=")).unwrap_or("?");
        survey.warnings.push(format!("module {name}: keys of its own types cannot be carried, and end it"));
    }
    let databases = info.lines().filter_map(|line| {
        let (name, keys) = line.split_once(':')?;
        let db = name.strip_prefix("db")?.parse::<u32>().ok()?;
        keys.starts_with("keys=").then_some(db)
    });
    for db in databases.filter(|db| *db >= DATABASES) {
        survey.refusals.push(format!("database {db} has keys; here there are 0 to {}", DATABASES - 1));
    }
    if field("maxmemory_policy").is_some_and(|policy| policy != "noeviction")
        && number("maxmemory") != Some(0)
    {
        survey.warnings.push("it evicts keys; they go here too".into());
    }
    if let Some(scripts) = number("number_of_cached_scripts").filter(|scripts| *scripts > 0) {
        survey.warnings.push(format!("{scripts} cached scripts do not come along; clients load them again"));
    }
    if let Some(functions) = number("number_of_functions").filter(|functions| *functions > 0) {
        survey.facts.push(format!("{functions} functions, which come along"));
    }
    survey
}

impl Survey {
    fn users(&mut self, link: &mut Link) -> Result<(), String> {
        if let Answer::List(users) = link.call(&[b"ACL", b"USERS"])? {
            let others = users.iter().filter_map(Answer::text).filter(|user| *user != b"default");
            let names: Vec<String> = others.map(|user| String::from_utf8_lossy(user).into_owned()).collect();
            if !names.is_empty() {
                let (count, some) = (names.len(), names.iter().take(10).cloned().collect::<Vec<_>>());
                self.warnings.push(format!("{count} users do not come along: {}", some.join(", ")));
            }
        }
        Ok(())
    }

    fn buffers(&mut self, link: &mut Link) -> Result<(), String> {
        let mut setting = |name: &[u8]| -> Result<Option<String>, String> {
            Ok(match link.call(&[b"CONFIG", b"GET", name])? {
                Answer::List(pair) => {
                    pair.get(1).and_then(Answer::text).map(|text| String::from_utf8_lossy(text).into_owned())
                }
                _ => None,
            })
        };
        if let Some(limits) = setting(b"client-output-buffer-limit")? {
            let words: Vec<&str> = limits.split(' ').collect();
            let of_replicas = words.iter().position(|word| matches!(*word, "slave" | "replica"));
            let numbers = of_replicas.and_then(|at| words.get(at.saturating_add(1)..at.saturating_add(3)));
            let low = numbers.into_iter().flatten().filter_map(|word| word.parse::<u64>().ok());
            if low.into_iter().any(|bytes| bytes > 0 && bytes < OUTPUT_BYTES_WANTED) {
                self.warnings.push(format!(
                    "client-output-buffer-limit replica is low there: if much is written while the RDB is read, it begins anew; \
                     CONFIG SET client-output-buffer-limit \"replica {OUTPUT_BYTES_WANTED} {OUTPUT_BYTES_WANTED} 0\""
                ));
            }
        }
        let backlog = setting(b"repl-backlog-size")?.and_then(|text| text.parse::<u64>().ok());
        if backlog.is_some_and(|bytes| bytes < BACKLOG_BYTES_WANTED) {
            self.warnings.push(format!(
                "repl-backlog-size is low there: after a cut all is read again, not only what is missing; CONFIG SET \
                 repl-backlog-size {BACKLOG_BYTES_WANTED}"
            ));
        }
        Ok(())
    }

    /// Whether the user may do what is needed; a source before 7.0 cannot say.
    fn rights(&mut self, link: &mut Link) -> Result<(), String> {
        let Answer::Text(user) = link.call(&[b"ACL", b"WHOAMI"])? else { return Ok(()) };
        let needed: [(&[&[u8]], bool); 5] = [
            (&[b"PSYNC", b"?", b"-1"], true),
            (&[b"REPLCONF", b"ACK", b"0"], true),
            (&[b"PING"], true),
            (&[b"INFO"], true),
            (&[b"CLIENT", b"PAUSE", b"1", b"WRITE"], false),
        ];
        for (words, is_for_all) in needed {
            let answer = link.call(&[&[&b"ACL"[..], b"DRYRUN", &user], words].concat())?;
            // OK, an error of a server that does not know DRYRUN, or a sentence that says why not.
            if let Answer::Text(text) = answer
                && text != b"OK"
            {
                let text = String::from_utf8_lossy(&text).into_owned();
                match is_for_all {
                    true => self.refusals.push(text),
                    false => self.warnings.push(format!("no cut-over: {text}")),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_carried_is_named() {
        let plain = of_info(
            "redis_version:7.0.15\r\nused_memory:1500000\r\nrole:master\r\ndb0:keys=3,expires=1,avg_ttl=0\r\ndb9:keys=4\r\n",
        );
        assert_eq!(plain.to_string(), "Redis 7.0.15: 7 keys, 1.5 MB of memory");
        let odd = of_info(
            "redis_version:7.2.4\nvalkey_version:8.1.0\nrole:slave\ncluster_enabled:1\nmodule:name=search,ver=1\ndb16:keys=1\n\
             maxmemory:9\nmaxmemory_policy:allkeys-lru\nnumber_of_cached_scripts:2\nnumber_of_functions:3\n",
        );
        assert_eq!(odd.refusals, ["database 16 has keys; here there are 0 to 15"]);
        let text = odd.to_string();
        for part in [
            "Valkey 8.1.0",
            "one shard",
            "is a replica",
            "module search",
            "evicts",
            "2 cached",
            "3 functions",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(of_info("redis_version:4.0.1\n").to_string().contains("older than 5.0"));
        assert!(of_info("redis_version:8.0.0\n").to_string().contains("Redis 8"));
    }
}
