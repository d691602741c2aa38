//! The configuration of the running server: CONFIG GET and CONFIG SET.

use super::{
    Settings, Values,
    parameter::{Change, Kind, Parameter},
    table::{PARAMETERS, find},
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Shared by all threads.
pub struct Config {
    values: Mutex<Values>,
    settings: ArcSwap<Settings>,
    /// Clients that the system lets the process have.
    clients_max: AtomicUsize,
}

impl Config {
    /// The configuration that these values make.
    pub fn new(values: Values) -> Result<Self, String> {
        let settings = Settings::new(&values)?;
        Ok(Config {
            values: Mutex::new(values),
            settings: ArcSwap::from_pointee(settings),
            clients_max: AtomicUsize::new(usize::MAX),
        })
    }

    /// The system lets the process have no more clients: `maxclients` is no larger from now on.
    pub fn limit_clients(&self, max: usize) {
        self.clients_max.store(max, Ordering::Relaxed);
        let mut values = self.values.lock();
        let settings = self.settings.load();
        if settings.maxclients > max
            && let Some(parameter) = find("maxclients")
            && values.set(parameter, &max.to_string()).is_ok()
        {
            self.settings.store(Arc::new(Settings { maxclients: max, ..Settings::clone(&settings) }));
        }
    }

    /// The typed values in force.
    pub fn settings(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// The value of a parameter as text; empty for a name that is not in the table.
    pub fn value(&self, name: &str) -> String {
        self.values.lock().get(name).to_owned()
    }

    /// Names and values of all parameters that CONFIG GET returns, older names included. `dir` is the data directory.
    pub fn all(&self) -> Vec<(&'static str, String)> {
        let values = self.values.lock();
        let mut out = Vec::with_capacity(PARAMETERS.len().saturating_mul(2));
        for parameter in PARAMETERS.iter() {
            let names = [parameter.name, parameter.alias].into_iter().filter(|name| !name.is_empty());
            out.extend(names.map(|name| (name, shown(parameter, &values))));
        }
        let dir = std::path::absolute(values.get("data-dir")).unwrap_or_default();
        out.push(("dir", dir.to_string_lossy().into_owned()));
        out
    }

    /// CONFIG SET: all pairs or none. The error is the text behind `ERR`.
    pub fn set(&self, pairs: &[(String, String)], may_set_protected: bool) -> Result<(), String> {
        let mut held = self.values.lock();
        let mut values = held.clone();
        for (index, (name, _)) in pairs.iter().enumerate() {
            if name.eq_ignore_ascii_case("dir") {
                return Err(failed(name, "can't set protected config"));
            }
            let Some(parameter) = find(name) else {
                return Err(format!("Unknown option or number of arguments for CONFIG SET - '{name}'"));
            };
            match parameter.change {
                Change::Start | Change::Never => return Err(failed(name, "can't set immutable config")),
                Change::Protected if !may_set_protected => {
                    return Err(failed(name, "can't set protected config"));
                }
                Change::Live | Change::NoEffect | Change::Protected => {}
            }
            if pairs.iter().take(index).any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                return Err(failed(name, "duplicate parameter"));
            }
        }
        for (name, value) in pairs {
            if let Some(parameter) = find(name) {
                if parameter.kind == Kind::Secret && value == MASK {
                    return Err(failed(
                        name,
                        "this is the mask that is shown instead of a secret, not a secret",
                    ));
                }
                values.set(parameter, value).map_err(|why| failed(name, &why))?;
            }
        }
        let settings = Settings::new(&values)?;
        let clients_max = self.clients_max.load(Ordering::Relaxed);
        if settings.maxclients > clients_max {
            return Err(failed(
                "maxclients",
                &format!(
                    "The operating system is not able to handle the specified number of clients, try with {clients_max}"
                ),
            ));
        }
        // CONFIG SET must not make a configuration that the server would refuse to start with.
        if let (Some(danger), None) = (settings.danger(), self.settings.load().danger()) {
            return Err(failed(pairs.first().map_or("", |(name, _)| name), &danger));
        }
        self.settings.store(Arc::new(settings));
        *held = values;
        Ok(())
    }

    /// Passwords of `requirepass-file`, as they are now; whether they have changed.
    pub(super) fn replace_password(&self, lines: &str) -> Result<bool, String> {
        let mut values = self.values.lock();
        let Some(parameter) = find("requirepass").filter(|_| values.get("requirepass") != lines) else {
            return Ok(false);
        };
        let mut changed = values.clone();
        changed.set(parameter, lines)?;
        let settings = Settings::new(&changed)?;
        self.settings.store(Arc::new(settings));
        *values = changed;
        Ok(true)
    }

    /// Name and value of every parameter, secrets masked.
    pub fn show(&self) -> Vec<(&'static str, String)> {
        let values = self.values.lock();
        PARAMETERS.iter().map(|parameter| (parameter.name, shown(parameter, &values))).collect()
    }
}

/// Shown instead of a secret that is set.
const MASK: &str = "********";

fn shown(parameter: &Parameter, values: &Values) -> String {
    let value = values.get(parameter.name);
    match parameter.kind == Kind::Secret && !value.is_empty() {
        true => MASK.to_owned(),
        false => value.to_owned(),
    }
}

/// Whether the value of the parameter with this name is never shown.
pub fn is_secret(name: &str) -> bool {
    find(name).is_some_and(|parameter| matches!(parameter.kind, Kind::Secret | Kind::Only(Kind::Secret)))
}

fn failed(name: &str, why: &str) -> String {
    format!("CONFIG SET failed (possibly related to argument '{name}') - {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<(), String> {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        config.set(&pairs, false)
    }

    #[test]
    fn set_is_all_or_nothing() {
        let config = Config::new(Values::default()).unwrap();
        assert!(set(&config, &[("maxclients", "20"), ("timeout", "x")]).is_err());
        assert_eq!(config.settings().maxclients, 10_000);
        assert_eq!(set(&config, &[("maxclients", "20"), ("TIMEOUT", "5")]), Ok(()));
        assert_eq!((config.settings().maxclients, config.settings().timeout_seconds), (20, 5));
    }

    fn listening_on(bind: &str, password: &str) -> Config {
        let mut values = Values::default();
        for (name, value) in [("bind", bind), ("requirepass", password)] {
            values.set(find(name).unwrap(), value).unwrap();
        }
        Config::new(values).unwrap()
    }

    #[test]
    fn a_server_that_others_reach_keeps_its_password() {
        let open = listening_on("0.0.0.0", "secret");
        let refused = set(&open, &[("requirepass", "")]).unwrap_err();
        assert!(refused.contains("requirepass") && refused.contains("without a password"), "{refused}");
        assert_eq!(open.settings().requirepass, "secret");
        assert_eq!(set(&open, &[("requirepass", "another")]), Ok(()));
        let local = listening_on("127.0.0.1 ::1", "secret");
        assert_eq!(set(&local, &[("requirepass", "")]), Ok(()));
    }

    #[test]
    fn secrets_are_never_shown() {
        let config = listening_on("127.0.0.1", "secret");
        for shown in [config.all(), config.show()] {
            assert!(shown.contains(&("requirepass", MASK.to_owned())), "{shown:?}");
            assert!(!format!("{shown:?}").contains("secret"), "{shown:?}");
        }
        let refused = set(&config, &[("requirepass", MASK)]).unwrap_err();
        assert!(refused.contains("mask"), "the mask is not set as a password: {refused}");
        assert_eq!(set(&config, &[("requirepass", "")]), Ok(()));
        assert!(config.all().contains(&("requirepass", String::new())));
    }

    #[test]
    fn an_older_name_is_the_same_parameter() {
        let config = Config::new(Values::default()).unwrap();
        let value = |name: &str| config.all().into_iter().find(|(known, _)| *known == name).unwrap().1;
        assert_eq!(set(&config, &[("hash-max-ziplist-entries", "7")]), Ok(()));
        assert_eq!(value("hash-max-listpack-entries"), "7");
        assert_eq!(set(&config, &[("ZSET-max-listpack-value", "9")]), Ok(()));
        assert_eq!(value("zset-max-ziplist-value"), "9");
        // As redis-server: names of one parameter are no duplicates, the last one counts.
        assert_eq!(set(&config, &[("replica-lazy-flush", "yes"), ("slave-lazy-flush", "no")]), Ok(()));
        assert_eq!(value("replica-lazy-flush"), "no");
        let mut names: Vec<_> = config.all().into_iter().map(|(name, _)| name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "a name means one parameter");
    }

    #[test]
    fn protected_parameters_need_permission() {
        let config = Config::new(Values::default()).unwrap();
        let refused =
            "CONFIG SET failed (possibly related to argument 'dbfilename') - can't set protected config";
        assert_eq!(set(&config, &[("dbfilename", "x.rdb")]), Err(refused.to_owned()));
        assert_eq!(config.set(&[("dbfilename".to_owned(), "x.rdb".to_owned())], true), Ok(()));
        assert_eq!(config.value("dbfilename"), "x.rdb");
    }

    #[test]
    fn refusals_have_the_texts_of_redis() {
        let config = Config::new(Values::default()).unwrap();
        let failed = |name: &str, why: &str| {
            format!("CONFIG SET failed (possibly related to argument '{name}') - {why}")
        };
        for (name, value, text) in [
            ("nonsense", "1", "Unknown option or number of arguments for CONFIG SET - 'nonsense'".to_owned()),
            ("port", "1", failed("port", "can't set immutable config")),
            ("maxclients", "abc", failed("maxclients", "argument couldn't be parsed into an integer")),
            ("maxclients", "0", failed("maxclients", "argument must be between 1 and 1000000 inclusive")),
            ("dir", "/etc", failed("dir", "can't set protected config")),
        ] {
            assert_eq!(set(&config, &[(name, value)]), Err(text));
        }
        for (name, value) in [
            ("appendonly", "no"),
            ("appendfsync", "everysec"),
            ("maxmemory-policy", "allkeys-ttl"),
            ("maxmemory-clients", "101%"),
            ("save", "900 1"),
            ("activedefrag", "yes"),
            ("tls-port", "6380"),
            ("min-replicas-to-write", "1"),
            ("replica-read-only", "no"),
        ] {
            assert!(set(&config, &[(name, value)]).is_err(), "{name}: the server cannot honour {value}");
        }
        assert_eq!(set(&config, &[("save", ""), ("appendonly", "yes")]), Ok(()));
    }
}
