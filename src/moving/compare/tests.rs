//! Which keys are looked at, on two sides that are only maps of strings.

use super::{Answer, Options, SEEN_MAX, Side, compare};
use std::collections::BTreeMap;

/// Lists its keys in pages; if `twice`, each page's last key once more with the next, as SCAN may.
#[derive(Default)]
struct Strings {
    keys: BTreeMap<Vec<u8>, Vec<u8>>,
    asked: BTreeMap<String, usize>,
    twice: bool,
}

impl Strings {
    fn of(numbers: std::ops::Range<usize>, twice: bool) -> Self {
        let keys = numbers.map(|number| (format!("key:{number:05}").into_bytes(), b"value".to_vec()));
        Strings { keys: keys.collect(), asked: BTreeMap::new(), twice }
    }

    fn page(&self, cursor: &[u8]) -> Answer {
        let from: usize = String::from_utf8_lossy(cursor).parse().unwrap();
        let listed: Vec<_> = self
            .keys
            .keys()
            .skip(from.saturating_sub(usize::from(self.twice)))
            .take(40 + usize::from(self.twice))
            .cloned()
            .collect();
        let next = if from + 40 >= self.keys.len() { 0 } else { from + 40 };
        let listed = listed.into_iter().map(Answer::Text).collect();
        Answer::List(vec![Answer::Text(next.to_string().into_bytes()), Answer::List(listed)])
    }
}

impl Side for Strings {
    fn ask(&mut self, commands: &[Vec<Vec<u8>>]) -> Result<Vec<Answer>, String> {
        let mut answers = Vec::new();
        for argv in commands {
            let name = String::from_utf8(argv[0].clone()).unwrap();
            *self.asked.entry(name.clone()).or_default() += 1;
            let value = argv.get(1).and_then(|key| self.keys.get(key));
            answers.push(match name.as_str() {
                "INFO" => Answer::Text(format!("db0:keys={},expires=0\r\n", self.keys.len()).into_bytes()),
                "SELECT" => Answer::Text(b"OK".to_vec()),
                "SCAN" => self.page(&argv[1]),
                "EXISTS" => Answer::Integer(i64::from(value.is_some())),
                "TYPE" => Answer::Text(value.map_or(b"none".to_vec(), |_| b"string".to_vec())),
                "PEXPIRETIME" => Answer::Integer(if value.is_some() { -1 } else { -2 }),
                "STRLEN" => Answer::Integer(value.map_or(0, |value| value.len() as i64)),
                "GET" => value.map_or(Answer::Nil, |value| Answer::Text(value.clone())),
                other => panic!("{other}"),
            });
        }
        Ok(answers)
    }
}

const ALL: Options = Options { sample: 0, shown: 10, tolerance_ms: 0 };

/// With hashes of all keys, and with so many that they are asked for instead.
#[test]
fn each_key_of_either_side_counts_once_and_what_differs_is_found() {
    for count in [SEEN_MAX / 2, SEEN_MAX * 5] {
        let (mut source, mut node) = (Strings::of(0..count, true), Strings::of(0..count, false));
        let compared = compare(&mut source, &mut node, &ALL).unwrap();
        assert_eq!(compared.to_string(), format!("equal: {count} keys"));
        assert_eq!(node.asked["TYPE"], count);
        assert_eq!(node.asked.contains_key("EXISTS"), count > SEEN_MAX);
        source.keys.insert(b"only there".to_vec(), b"1".to_vec());
        node.keys.insert(b"only here".to_vec(), b"1".to_vec());
        node.keys.insert(b"key:00007".to_vec(), b"other".to_vec());
        let compared = compare(&mut source, &mut node, &ALL).unwrap();
        assert_eq!(compared.differences, 3, "{compared}");
        let told = compared.to_string();
        for part in
            ["only there: a string there, no key here", "only here: no key there, a string here", "key:00007"]
        {
            assert!(told.contains(part), "{told}");
        }
    }
}
