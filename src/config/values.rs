//! Checked values, still as text: what each kind accepts, and how it is normalised.

use super::parameter::{Kind, Parameter};
use super::table::PARAMETERS;
use std::{collections::BTreeMap, net::IpAddr};

/// A value for every parameter.
#[derive(Debug, Clone)]
pub struct Values(BTreeMap<&'static str, String>);

impl Default for Values {
    fn default() -> Self {
        let normal = |p: &Parameter| normalise(p, p.default).unwrap_or_else(|_| p.default.to_owned());
        Values(PARAMETERS.iter().map(|p| (p.name, normal(p))).collect())
    }
}

impl Values {
    /// The value of a parameter; empty for a name that is not in the table.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Sets a value after checking it.
    pub fn set(&mut self, parameter: &'static Parameter, value: &str) -> Result<(), String> {
        let mut value = normalise(parameter, value)?;
        if parameter.kind == Kind::OutputLimit {
            value = output_limits_with(self.get(parameter.name), &value);
        }
        self.0.insert(parameter.name, value);
        Ok(())
    }

    /// A number. Only for rows whose kind is a number.
    pub(super) fn number<N: TryFrom<i128>>(&self, name: &str) -> Result<N, String> {
        let value: i128 = self.get(name).parse().map_err(|_| format!("{name}: not a number"))?;
        N::try_from(value).map_err(|_| format!("{name}: out of range"))
    }
}

/// The canonical text of a value, or Redis's error text if it is not valid.
pub(super) fn normalise(parameter: &Parameter, value: &str) -> Result<String, String> {
    match parameter.kind {
        Kind::Bytes { min, max } => {
            let bytes = parse_bytes(value).ok_or("argument must be a memory value")?;
            if bytes < min || bytes > max {
                return Err(format!("argument must be between {min} and {max} inclusive"));
            }
            Ok(bytes.to_string())
        }
        Kind::Number { min, max } => {
            let number: i64 = value.parse().map_err(|_| "argument couldn't be parsed into an integer")?;
            if number < min || number > max {
                return Err(format!("argument must be between {min} and {max} inclusive"));
            }
            Ok(number.to_string())
        }
        Kind::Bool => match value.to_ascii_lowercase().as_str() {
            word @ ("yes" | "no") => Ok(word.to_owned()),
            _ => Err("argument must be 'yes' or 'no'".to_owned()),
        },
        Kind::Choice(words) => match words.iter().find(|word| word.eq_ignore_ascii_case(value)) {
            Some(word) => Ok((*word).to_owned()),
            None => Err(format!("argument(s) must be one of the following: {}", words.join(", "))),
        },
        Kind::Addresses => {
            let addresses: Vec<&str> = value.split_whitespace().collect();
            if addresses.is_empty() || !addresses.iter().all(|word| word.parse::<IpAddr>().is_ok()) {
                return Err("argument must be IP addresses separated by spaces".to_owned());
            }
            Ok(addresses.join(" "))
        }
        Kind::Text | Kind::Secret => Ok(value.to_owned()),
        Kind::MemoryShare => memory_share(value),
        Kind::OutputLimit => output_limit(value),
        Kind::EventClasses => event_classes(value),
        Kind::Clamped { min, max } => {
            let number: i64 = value.parse().map_err(|_| "argument couldn't be parsed into an integer")?;
            Ok(number.clamp(min, max).to_string())
        }
        Kind::Percentiles => percentiles(value),
        Kind::Only(kind) => {
            let of = |text: &str| normalise(&Parameter { kind: *kind, ..*parameter }, text);
            match of(value)? == of(parameter.default)? {
                true => of(value),
                false => Err(format!("only '{}' is supported: {}", parameter.default, parameter.help)),
            }
        }
    }
}

/// Redis's memory sizes: `1k` = 1000, `1kb` = 1024.
pub(super) fn parse_bytes(value: &str) -> Option<u64> {
    let value = value.to_ascii_lowercase();
    let digits_end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (digits, unit) = value.split_at(digits_end);
    let factor: u64 = match unit {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// As Redis writes them back: `A` if all classes are given, then the letters that say how events are published.
fn event_classes(value: &str) -> Result<String, String> {
    const CLASSES: &str = "g$lshzxetd";
    if value.chars().any(|letter| !"AKEmn".contains(letter) && !CLASSES.contains(letter)) {
        return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned());
    }
    let has = |letter: char| value.contains(letter);
    let mut out: String = match has('A') || CLASSES.chars().all(has) {
        true => "A".to_owned(),
        false => CLASSES.chars().chain(['n']).filter(|letter| has(*letter)).collect(),
    };
    out.extend(['K', 'E', 'm'].into_iter().filter(|letter| has(*letter)));
    Ok(out)
}

fn percentiles(value: &str) -> Result<String, String> {
    let read = |word: &str| word.parse::<f64>().ok().filter(|number| (0.0..=100.0).contains(number));
    let numbers: Option<Vec<String>> =
        value.split_whitespace().map(|word| read(word).map(|number| number.to_string())).collect();
    let text = "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]";
    Ok(numbers.ok_or(text)?.join(" "))
}

fn memory_share(value: &str) -> Result<String, String> {
    let percent = || value.strip_suffix('%')?.parse::<u8>().ok().filter(|percent| *percent <= 100);
    let share = percent().map(|percent| format!("{percent}%"));
    let share = share.or_else(|| parse_bytes(value).map(|bytes| bytes.to_string()));
    share.ok_or_else(|| "argument must be a memory or percent value".to_owned())
}

/// The limits of all classes, with new ones for those that `changed` names; the last one given counts.
fn output_limits_with(before: &str, changed: &str) -> String {
    let groups = |text: &str| {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        words
            .chunks(4)
            .filter_map(|group| Some((group.first()?.clone(), group.join(" "))))
            .collect::<Vec<_>>()
    };
    let (mut all, changed) = (groups(before), groups(changed));
    if all.is_empty() {
        all.clone_from(&changed);
    }
    for (class, limits) in changed {
        if let Some(known) = all.iter_mut().find(|(known, _)| *known == class) {
            known.1 = limits;
        }
    }
    all.into_iter().map(|(_, limits)| limits).collect::<Vec<_>>().join(" ")
}

fn output_limit(value: &str) -> Result<String, String> {
    let words: Vec<&str> = value.split_whitespace().collect();
    let mut out = Vec::new();
    for group in words.chunks(4) {
        let [class, hard, soft, seconds] = group else {
            return Err("wrong number of arguments".to_owned());
        };
        if !["normal", "slave", "replica", "pubsub"].contains(&class.to_ascii_lowercase().as_str()) {
            return Err("unrecognized client limit class".to_owned());
        }
        let bytes = [hard, soft].map(|word| parse_bytes(word));
        let ([Some(hard), Some(soft)], Ok(seconds)) = (bytes, seconds.parse::<u32>()) else {
            return Err("error in hard, soft or soft_seconds setting".to_owned());
        };
        let class = if class.eq_ignore_ascii_case("replica") {
            "slave".to_owned()
        } else {
            class.to_ascii_lowercase()
        };
        out.push(format!("{class} {hard} {soft} {seconds}"));
    }
    Ok(out.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_valid() {
        for parameter in PARAMETERS.iter() {
            assert!(normalise(parameter, parameter.default).is_ok(), "{}", parameter.name);
        }
    }

    #[test]
    fn event_classes_are_written_as_redis_writes_them() {
        for (given, shown) in
            [("", ""), ("KEA", "AKE"), ("Kg$lshzxetdmn", "AKm"), ("Elxt", "lxtE"), ("nlK", "lnK"), ("m", "m")]
        {
            assert_eq!(event_classes(given).as_deref(), Ok(shown));
        }
        assert!(event_classes("Kq").is_err());
    }

    #[test]
    fn kinds_refuse_in_the_words_of_redis() {
        let row = |kind| Parameter {
            name: "x",
            alias: "",
            kind,
            default: "0",
            change: super::super::parameter::Change::Live,
            help: "there is none",
        };
        let only = row(Kind::Only(&Kind::Bytes { min: 0, max: 1 << 40 }));
        assert_eq!(normalise(&only, "0kb").as_deref(), Ok("0"));
        assert_eq!(normalise(&only, "1kb"), Err("only '0' is supported: there is none".to_owned()));
        assert_eq!(normalise(&only, "x"), Err("argument must be a memory value".to_owned()));
        let clamped = row(Kind::Clamped { min: 1, max: 500 });
        assert_eq!(normalise(&clamped, "1000").as_deref(), Ok("500"));
        let percentiles = row(Kind::Percentiles);
        assert_eq!(normalise(&percentiles, " 50  99.90 100").as_deref(), Ok("50 99.9 100"));
        assert_eq!(normalise(&percentiles, "").as_deref(), Ok(""));
        for bad in ["101", "-1", "x", "nan", "50,99"] {
            assert!(normalise(&percentiles, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("1k", Some(1000)),
            ("1KB", Some(1024)),
            ("2gb", Some(2 << 30)),
            ("1t", None),
            ("", None),
            ("-1", None),
            ("99999999999gb", None),
        ] {
            assert_eq!(parse_bytes(text), bytes, "{text}");
        }
    }

    #[test]
    fn limits_of_one_class_leave_the_others() {
        let parameter = super::super::table::find("client-output-buffer-limit").unwrap();
        let mut values = Values::default();
        values.set(parameter, "replica 1mb 2 3  pubsub 4 5 6 pubsub 7 8 9").unwrap();
        assert_eq!(values.get("client-output-buffer-limit"), "normal 0 0 0 slave 1048576 2 3 pubsub 7 8 9");
        assert!(values.set(parameter, "normal 1 2").is_err());
    }

    #[test]
    fn a_share_of_memory_is_bytes_or_a_percentage() {
        for (given, shown) in [("1gb", "1073741824"), ("5%", "5%"), ("100%", "100%"), ("0", "0")] {
            assert_eq!(memory_share(given).as_deref(), Ok(shown));
        }
        for bad in ["101%", "-1", "5 %", "%", "x"] {
            assert!(memory_share(bad).is_err(), "{bad}");
        }
    }
}
