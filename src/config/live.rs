//! The configuration of the running server: CONFIG GET and CONFIG SET.

use super::{
    Settings, Values,
    parameter::{Change, Kind},
    table::{PARAMETERS, find},
};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::sync::Arc;

/// Shared by all threads.
pub struct Config {
    values: Mutex<Values>,
    settings: ArcSwap<Settings>,
}

impl Config {
    /// A configuration with these values.
    pub fn new(values: Values) -> Result<Self, String> {
        let settings = Settings::new(&values)?;
        Ok(Config { values: Mutex::new(values), settings: ArcSwap::from_pointee(settings) })
    }

    /// The typed values in force.
    pub fn settings(&self) -> arc_swap::Guard<Arc<Settings>> {
        self.settings.load()
    }

    /// CONFIG GET: all parameters that the predicate likes, in the table's order. `dir` is the data directory.
    pub fn get(&self, wanted: impl Fn(&str) -> bool) -> Vec<(&'static str, String)> {
        let values = self.values.lock();
        let mut out: Vec<(&'static str, String)> = PARAMETERS
            .iter()
            .filter(|parameter| wanted(parameter.name))
            .map(|parameter| (parameter.name, values.get(parameter.name).to_owned()))
            .collect();
        if wanted("dir") {
            let dir = std::path::absolute(values.get("data-dir")).unwrap_or_default();
            out.push(("dir", dir.to_string_lossy().into_owned()));
        }
        out
    }

    /// CONFIG SET: all pairs or none. The error is the text behind `ERR`.
    pub fn set(&self, pairs: &[(String, String)]) -> Result<(), String> {
        let mut held = self.values.lock();
        let mut values = held.clone();
        for (index, (name, _)) in pairs.iter().enumerate() {
            let Some(parameter) = find(name) else {
                if name.eq_ignore_ascii_case("dir") {
                    return Err(failed(name, "can't set protected config"));
                }
                return Err(format!("Unknown option or number of arguments for CONFIG SET - '{name}'"));
            };
            if matches!(parameter.change, Change::Start | Change::Never) {
                return Err(failed(name, "can't set immutable config"));
            }
            if pairs.iter().take(index).any(|(earlier, _)| earlier.eq_ignore_ascii_case(name)) {
                return Err(failed(name, "duplicate parameter"));
            }
        }
        for (name, value) in pairs {
            if let Some(parameter) = find(name) {
                values.set(parameter, value).map_err(|why| failed(name, &why))?;
            }
        }
        let settings = Settings::new(&values)?;
        self.settings.store(Arc::new(settings));
        *held = values;
        Ok(())
    }

    /// Name and value of every parameter, secrets masked.
    pub fn show(&self) -> Vec<(&'static str, String)> {
        let values = self.values.lock();
        PARAMETERS
            .iter()
            .map(|parameter| {
                let value = values.get(parameter.name);
                let masked = parameter.kind == Kind::Secret && !value.is_empty();
                (parameter.name, if masked { "********".to_owned() } else { value.to_owned() })
            })
            .collect()
    }
}

fn failed(name: &str, why: &str) -> String {
    format!("CONFIG SET failed (possibly related to argument '{name}') - {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(config: &Config, pairs: &[(&str, &str)]) -> Result<(), String> {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        config.set(&pairs)
    }

    #[test]
    fn set_is_all_or_nothing() {
        let config = Config::new(Values::default()).unwrap();
        assert!(set(&config, &[("maxclients", "20"), ("timeout", "x")]).is_err());
        assert_eq!(config.settings().maxclients, 10_000);
        assert_eq!(set(&config, &[("maxclients", "20"), ("TIMEOUT", "5")]), Ok(()));
        assert_eq!((config.settings().maxclients, config.settings().timeout_seconds), (20, 5));
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
        for (name, value) in [("appendonly", "no"), ("maxmemory", "100mb"), ("save", "900 1")] {
            assert!(set(&config, &[(name, value)]).is_err(), "{name} must not promise what is not so");
        }
        assert_eq!(set(&config, &[("save", ""), ("appendonly", "yes")]), Ok(()));
    }
}
