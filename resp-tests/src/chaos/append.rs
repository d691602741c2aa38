//! Transactions over append-only lists: every key is a list of unique tokens, so what was read says in which order the
//! tokens were appended, and from that follows in which order the transactions must have happened. A cycle in that order,
//! together with real time, is a violation of strict serializability.

use std::collections::{BTreeMap, BTreeSet};

/// A step of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Append {
        key: String,
        token: u64,
    },
    /// The whole list; `None` where the transaction got no reply.
    Read {
        key: String,
        seen: Option<Vec<u64>>,
    },
}

impl Step {
    pub fn key(&self) -> String {
        match self {
            Step::Append { key, .. } | Step::Read { key, .. } => key.clone(),
        }
    }
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Committed {
        at: i64,
    },
    /// Definitely not done.
    Aborted,
    Unknown,
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Txn {
    pub steps: Vec<Step>,
    pub called_at: i64,
    pub fate: Fate,
}

impl Txn {
    /// When its results were known to the client.
    pub fn answered_at(&self) -> Option<i64> {
        match self.fate {
            Fate::Committed { at } => Some(at),
            Fate::Aborted | Fate::Unknown => None,
        }
    }

    pub fn appends(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Append { .. }))
    }
}

/// Everything that is wrong with a history.
pub fn check(history: &[Txn]) -> Vec<String> {
    let mut complaints = Vec::new();
    // Which transaction appended a token, and whether it was its last to that key.
    let mut writers: BTreeMap<u64, usize> = BTreeMap::new();
    let mut last_of: BTreeMap<(usize, &str), u64> = BTreeMap::new();
    for (index, txn) in history.iter().enumerate() {
        for step in &txn.steps {
            if let Step::Append { key, token } = step {
                assert!(writers.insert(*token, index).is_none(), "tokens are unique");
                last_of.insert((index, key), *token);
            }
        }
    }
    let versions = versions(history, &mut complaints);
    for (key, order) in &versions {
        let mut seen = BTreeSet::new();
        for token in order {
            if !seen.insert(token) {
                complaints.push(format!("{key}: token {token} is there twice"));
            }
            match writers.get(token).map(|writer| history[*writer].fate) {
                None => complaints.push(format!("{key}: token {token} was never appended")),
                Some(Fate::Aborted) => {
                    complaints.push(format!("{key}: token {token} was refused, but is there (G1a)"))
                }
                Some(Fate::Committed { .. } | Fate::Unknown) => {}
            }
        }
    }
    let mut graph = Graph::new(history.len());
    dependencies(history, &versions, &writers, &last_of, &mut graph, &mut complaints);
    real_time(history, &mut graph);
    for cycle in graph.cycles() {
        let txns: Vec<usize> = cycle.into_iter().filter(|node| *node < history.len()).collect();
        let shown: Vec<String> =
            txns.iter().take(6).map(|index| format!("{:?}", brief(&history[*index]))).collect();
        complaints.push(format!("{} transactions in a cycle: {}", txns.len(), shown.join("; ")));
    }
    complaints
}

/// A transaction with its reads cut to their ends, for messages.
fn brief(txn: &Txn) -> Txn {
    let steps = txn.steps.iter().map(|step| match step {
        Step::Read { key, seen } => {
            let tail = seen.as_ref().map(|seen| seen[seen.len().saturating_sub(3)..].to_vec());
            Step::Read { key: key.clone(), seen: tail }
        }
        append => append.clone(),
    });
    Txn { steps: steps.collect(), ..txn.clone() }
}

/// The order of tokens of each key: the longest read, of which all others must be beginnings.
fn versions(history: &[Txn], complaints: &mut Vec<String>) -> BTreeMap<String, Vec<u64>> {
    let mut longest: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (key, seen) in reads(history) {
        let known = longest.entry(key.to_owned()).or_default();
        if seen.len() > known.len() {
            known.clone_from(seen);
        }
    }
    for (key, seen) in reads(history) {
        if !longest[key].starts_with(seen) {
            complaints.push(format!("{key}: reads disagree on the order, one ends with {:?}", seen.last()));
        }
    }
    longest
}

fn reads(history: &[Txn]) -> impl Iterator<Item = (&str, &Vec<u64>)> {
    let committed = history.iter().filter(|txn| matches!(txn.fate, Fate::Committed { .. }));
    committed.flat_map(|txn| &txn.steps).filter_map(|step| match step {
        Step::Read { key, seen: Some(seen) } => Some((key.as_str(), seen)),
        _ => None,
    })
}

fn dependencies(
    history: &[Txn],
    versions: &BTreeMap<String, Vec<u64>>,
    writers: &BTreeMap<u64, usize>,
    last_of: &BTreeMap<(usize, &str), u64>,
    graph: &mut Graph,
    complaints: &mut Vec<String>,
) {
    // ww: who appended a token comes before who appended the next one.
    for order in versions.values() {
        for pair in order.windows(2) {
            if let (Some(first), Some(second)) = (writers.get(&pair[0]), writers.get(&pair[1])) {
                graph.edge(*first, *second);
            }
        }
    }
    for (reader, txn) in history.iter().enumerate() {
        if !matches!(txn.fate, Fate::Committed { .. }) {
            continue;
        }
        let mut own: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        for step in &txn.steps {
            let (key, seen) = match step {
                Step::Append { key, token } => {
                    own.entry(key).or_default().push(*token);
                    continue;
                }
                Step::Read { key, seen: Some(seen) } => (key.as_str(), seen),
                Step::Read { .. } => continue,
            };
            let mine = own.get(key).cloned().unwrap_or_default();
            let Some(before) = seen.strip_suffix(mine.as_slice()) else {
                complaints.push(format!("{key}: a transaction does not see its own append"));
                continue;
            };
            // wr: it saw the last token of another one, all of whose tokens it must have seen.
            if let Some(writer) = before.last().and_then(|token| writers.get(token)) {
                graph.edge(*writer, reader);
                if last_of.get(&(*writer, key)) != before.last() && *writer != reader {
                    complaints.push(format!("{key}: half of a transaction was seen (G1b)"));
                }
            }
            // rw: it did not see the next token.
            let next = versions.get(key).and_then(|order| order.get(seen.len()));
            if let Some(writer) = next.and_then(|token| writers.get(token)) {
                graph.edge(reader, *writer);
            }
        }
    }
    // What was acknowledged must be there: a token that no read shows can only be newer than all reads.
    let shown: BTreeSet<u64> = versions.values().flatten().copied().collect();
    for (index, txn) in history.iter().enumerate() {
        for step in &txn.steps {
            let Step::Append { key, token } = step else { continue };
            if !matches!(txn.fate, Fate::Committed { .. }) || shown.contains(token) {
                continue;
            }
            for (reader, other) in history.iter().enumerate() {
                let reads_key = other
                    .steps
                    .iter()
                    .any(|step| matches!(step, Step::Read { key: read, seen: Some(_) } if read == key));
                if reads_key && reader != index && matches!(other.fate, Fate::Committed { .. }) {
                    graph.edge(reader, index);
                }
            }
        }
    }
}

/// A transaction that was answered before another one was sent comes before it. Moments of answers are nodes of their
/// own, in a chain, so that there are few edges.
fn real_time(history: &[Txn], graph: &mut Graph) {
    // (time, whether it is a call, transaction): at one moment answers count before calls only if strictly earlier.
    let mut moments: Vec<(i64, bool, usize)> = Vec::new();
    for (index, txn) in history.iter().enumerate() {
        match txn.fate {
            Fate::Committed { at } => {
                moments.push((at, true, index));
                moments.push((txn.called_at, false, index));
            }
            Fate::Unknown => moments.push((txn.called_at, false, index)),
            Fate::Aborted => {}
        }
    }
    // Calls first at equal times: then nothing is concluded from a tie.
    moments.sort();
    let mut chain: Option<usize> = None;
    for (_, is_answer, index) in moments {
        if is_answer {
            let node = graph.add();
            graph.edge(index, node);
            if let Some(before) = chain {
                graph.edge(before, node);
            }
            chain = Some(node);
        } else if let Some(before) = chain {
            graph.edge(before, index);
        }
    }
}

struct Graph {
    edges: Vec<Vec<usize>>,
}

impl Graph {
    fn new(nodes: usize) -> Graph {
        Graph { edges: vec![Vec::new(); nodes] }
    }

    fn add(&mut self) -> usize {
        self.edges.push(Vec::new());
        self.edges.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize) {
        if from != to {
            self.edges[from].push(to);
        }
    }

    /// Strongly connected components of more than one node (Tarjan 1972, without recursion).
    fn cycles(&self) -> Vec<Vec<usize>> {
        let count = self.edges.len();
        let (mut index, mut low) = (vec![usize::MAX; count], vec![0; count]);
        let (mut on_stack, mut stack, mut next) = (vec![false; count], Vec::new(), 0);
        let mut found = Vec::new();
        for root in 0..count {
            if index[root] != usize::MAX {
                continue;
            }
            let mut work = vec![(root, 0)];
            while let Some((node, edge)) = work.pop() {
                if edge == 0 {
                    index[node] = next;
                    low[node] = next;
                    next += 1;
                    stack.push(node);
                    on_stack[node] = true;
                }
                if let Some(&to) = self.edges[node].get(edge) {
                    work.push((node, edge + 1));
                    if index[to] == usize::MAX {
                        work.push((to, 0));
                    } else if on_stack[to] {
                        low[node] = low[node].min(index[to]);
                    }
                    continue;
                }
                if low[node] == index[node] {
                    let mut component = Vec::new();
                    while let Some(member) = stack.pop() {
                        on_stack[member] = false;
                        component.push(member);
                        if member == node {
                            break;
                        }
                    }
                    if component.len() > 1 {
                        found.push(component);
                    }
                }
                if let Some((parent, _)) = work.last() {
                    low[*parent] = low[*parent].min(low[node]);
                }
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(key: &str, token: u64) -> Step {
        Step::Append { key: key.into(), token }
    }

    fn read(key: &str, seen: &[u64]) -> Step {
        Step::Read { key: key.into(), seen: Some(seen.to_vec()) }
    }

    fn txn(steps: &[Step], from: i64, to: i64) -> Txn {
        Txn { steps: steps.to_vec(), called_at: from, fate: Fate::Committed { at: to } }
    }

    fn lost(steps: &[Step], from: i64) -> Txn {
        Txn { steps: steps.to_vec(), called_at: from, fate: Fate::Unknown }
    }

    #[test]
    fn good_histories_pass() {
        let none: Vec<String> = vec![];
        assert_eq!(check(&[txn(&[append("x", 1)], 0, 1), txn(&[read("x", &[1])], 2, 3)]), none);
        // Concurrent, and each sees the other's whole transaction or nothing.
        let both = [append("x", 1), append("y", 2)];
        assert_eq!(check(&[txn(&both, 0, 10), txn(&[read("x", &[]), read("y", &[])], 1, 9)]), none);
        assert_eq!(check(&[txn(&both, 0, 10), txn(&[read("x", &[1]), read("y", &[2])], 1, 9)]), none);
        // Unknown: done late, or never.
        assert_eq!(
            check(&[lost(&both, 0), txn(&[read("x", &[])], 5, 6), txn(&[read("x", &[1])], 7, 8)]),
            none
        );
        assert_eq!(check(&[lost(&both, 0), txn(&[read("x", &[])], 5, 6)]), none);
        // Its own append.
        assert_eq!(
            check(&[
                txn(&[append("x", 1), read("x", &[1]), append("x", 2)], 0, 1),
                txn(&[read("x", &[1, 2])], 2, 3)
            ]),
            none
        );
        // Acknowledged after the only read was sent: it need not be seen.
        assert_eq!(check(&[txn(&[read("x", &[])], 0, 5), txn(&[append("x", 1)], 1, 3)]), none);
    }

    #[test]
    fn anomalies_are_found() {
        let aborted = Txn { fate: Fate::Aborted, ..txn(&[append("x", 1)], 0, 1) };
        for (anomaly, history) in [
            (
                "G0: writes in two orders",
                vec![
                    txn(&[append("x", 1), append("y", 2)], 0, 10),
                    txn(&[append("x", 3), append("y", 4)], 0, 10),
                    txn(&[read("x", &[1, 3]), read("y", &[4, 2])], 20, 30),
                ],
            ),
            ("G1a: a refused write is seen", vec![aborted, txn(&[read("x", &[1])], 2, 3)]),
            (
                "G1b: half of a transaction",
                vec![
                    txn(&[append("x", 1), append("x", 2)], 0, 10),
                    txn(&[read("x", &[1])], 0, 10),
                    txn(&[read("x", &[1, 2])], 20, 30),
                ],
            ),
            (
                "G1c: each sees the other",
                vec![
                    txn(&[append("x", 1), read("y", &[2])], 0, 10),
                    txn(&[append("y", 2), read("x", &[1])], 0, 10),
                ],
            ),
            (
                "G-single: read skew",
                vec![
                    txn(&[append("x", 1), append("y", 2)], 0, 10),
                    txn(&[read("x", &[]), read("y", &[2])], 0, 10),
                    txn(&[read("x", &[1])], 20, 30),
                ],
            ),
            (
                "G2: write skew",
                vec![
                    txn(&[read("x", &[]), append("y", 1)], 0, 10),
                    txn(&[read("y", &[]), append("x", 2)], 0, 10),
                    txn(&[read("x", &[2]), read("y", &[1])], 20, 30),
                ],
            ),
            ("a lost append", vec![txn(&[append("x", 1)], 0, 1), txn(&[read("x", &[])], 2, 3)]),
            (
                "a stale read",
                vec![
                    txn(&[append("x", 1)], 0, 1),
                    txn(&[append("x", 2)], 2, 3),
                    txn(&[read("x", &[1])], 4, 5),
                    txn(&[read("x", &[1, 2])], 6, 7),
                ],
            ),
            ("an append done twice", vec![txn(&[append("x", 1)], 0, 1), txn(&[read("x", &[1, 1])], 2, 3)]),
            (
                "two orders",
                vec![
                    txn(&[append("x", 1)], 0, 9),
                    txn(&[append("x", 2)], 0, 9),
                    txn(&[read("x", &[1])], 3, 4),
                    txn(&[read("x", &[2, 1])], 10, 11),
                ],
            ),
            ("a token from nowhere", vec![txn(&[read("x", &[7])], 2, 3)]),
            (
                "a transaction that misses its own append",
                vec![txn(&[append("x", 1), read("x", &[])], 0, 1), txn(&[read("x", &[1])], 2, 3)],
            ),
            (
                "an unknown one that comes and goes",
                vec![lost(&[append("x", 1)], 0), txn(&[read("x", &[1])], 2, 3), txn(&[read("x", &[])], 4, 5)],
            ),
        ] {
            assert!(!check(&history).is_empty(), "not found: {anomaly}");
        }
    }
}
