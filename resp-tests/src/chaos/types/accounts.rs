//! Money that scripts move between accounts. One script reads two balances, writes both and notes the transfer in a journal, so
//! the journal is the order in which all transfers happened: replayed, it must give every balance that a client was told
//! and those of the end. Whoever adds up all accounts, on any node and edge, must find the sum of the beginning.

use std::collections::{BTreeMap, BTreeSet};

use crate::chaos::append::Fate;

pub const ACCOUNTS: u64 = 6;
/// What an account has before its first transfer.
pub const OPENING: u64 = 100;
/// What all have together, always.
pub const TOTAL: u64 = ACCOUNTS * OPENING;

/// KEYS: from, to, journal. ARGV: amount, token, opening balance. Never more is moved than there is.
pub const TRANSFER: &str = "local function balance(key) return tonumber(redis.call('GET', key) or ARGV[3]) end \
    local moved = math.min(tonumber(ARGV[1]), balance(KEYS[1])) \
    redis.call('SET', KEYS[1], balance(KEYS[1]) - moved) \
    redis.call('SET', KEYS[2], balance(KEYS[2]) + moved) \
    redis.call('RPUSH', KEYS[3], ARGV[2]) \
    return {balance(KEYS[1]), balance(KEYS[2])}";

/// The name of `TRANSFER`. With a wrong one every EVALSHA is answered by NOSCRIPT, which is a violation.
pub const TRANSFER_SHA1: &str = "49c283fde5ee83284e089ca6a27052a79887adad";

/// KEYS: all accounts, journal. ARGV: opening balance. Gives their sum, and how many transfers there were.
pub const AUDIT: &str = "local sum = 0 \
    for i = 1, #KEYS - 1 do sum = sum + tonumber(redis.call('GET', KEYS[i]) or ARGV[1]) end \
    return {sum, redis.call('LLEN', KEYS[#KEYS])}";

#[derive(Clone, Debug)]
pub struct Transfer {
    pub token: u64,
    pub from: u64,
    pub to: u64,
    pub amount: u64,
    /// Both balances afterwards, where there was a reply.
    pub balances: (u64, u64),
    pub called_at: i64,
    pub fate: Fate,
}

impl Transfer {
    fn answered_at(&self) -> Option<i64> {
        match self.fate {
            Fate::Committed { at } => Some(at),
            Fate::Aborted | Fate::Unknown => None,
        }
    }
}

/// A sum over all accounts.
#[derive(Clone, Copy, Debug)]
pub struct Audit {
    pub sum: u64,
    pub transfers: u64,
    pub called_at: i64,
    pub answered_at: i64,
}

/// All that happened to the accounts of a round.
#[derive(Clone, Debug, Default)]
pub struct Accounts {
    pub transfers: Vec<Transfer>,
    pub audits: Vec<Audit>,
    /// When a node said that it does not know the script.
    pub unknown_scripts: Vec<i64>,
    /// As they are in the end.
    pub journal: Vec<u64>,
    pub balances: Vec<u64>,
}

impl Accounts {
    pub fn append(&mut self, mut other: Accounts) {
        self.transfers.append(&mut other.transfers);
        self.audits.append(&mut other.audits);
        self.unknown_scripts.append(&mut other.unknown_scripts);
        self.journal.append(&mut other.journal);
        self.balances.append(&mut other.balances);
    }

    /// Everything that is wrong with it.
    pub fn check(&self) -> Vec<String> {
        [
            self.check_journal(),
            self.replay(),
            self.check_real_time(),
            self.check_audits(),
            self.check_script(),
        ]
        .concat()
    }

    fn by_token(&self) -> BTreeMap<u64, &Transfer> {
        self.transfers.iter().map(|transfer| (transfer.token, transfer)).collect()
    }

    /// What was acknowledged is in the journal, what was refused is not, and nothing is there twice.
    fn check_journal(&self) -> Vec<String> {
        let (mut complaints, mut seen, known) = (Vec::new(), BTreeSet::new(), self.by_token());
        for token in &self.journal {
            if !seen.insert(*token) {
                complaints.push(format!("transfer {token} is twice in the journal"));
            }
            match known.get(token).map(|transfer| transfer.fate) {
                None => complaints.push(format!("transfer {token} of the journal was never sent")),
                Some(Fate::Aborted) => {
                    complaints.push(format!("transfer {token} was refused, and is in the journal"))
                }
                Some(Fate::Committed { .. } | Fate::Unknown) => {}
            }
        }
        let lost = self.transfers.iter().filter(|transfer| transfer.answered_at().is_some());
        let lost = lost.filter(|transfer| !seen.contains(&transfer.token));
        complaints
            .extend(lost.map(|transfer| format!("not in the journal, though acknowledged: {transfer:?}")));
        complaints
    }

    /// Does all transfers again, in the journal's order.
    fn replay(&self) -> Vec<String> {
        let (mut complaints, known) = (Vec::new(), self.by_token());
        let mut balances: BTreeMap<u64, u64> = (0..ACCOUNTS).map(|account| (account, OPENING)).collect();
        for transfer in self.journal.iter().filter_map(|token| known.get(token)) {
            let moved = transfer.amount.min(balances[&transfer.from]);
            balances.entry(transfer.from).and_modify(|balance| *balance -= moved);
            balances.entry(transfer.to).and_modify(|balance| *balance += moved);
            let after = (balances[&transfer.from], balances[&transfer.to]);
            if transfer.answered_at().is_some() && transfer.balances != after {
                complaints.push(format!("by the journal the balances are {after:?} after {transfer:?}"));
            }
        }
        let balances: Vec<u64> = balances.into_values().collect();
        if balances != self.balances {
            complaints
                .push(format!("by the journal the accounts have {balances:?}, not {:?}", self.balances));
        }
        complaints
    }

    /// What was answered before another one was sent stands before it.
    fn check_real_time(&self) -> Vec<String> {
        let (mut complaints, mut first_answer, known) = (Vec::new(), i64::MAX, self.by_token());
        for transfer in self.journal.iter().rev().filter_map(|token| known.get(token)) {
            if first_answer < transfer.called_at {
                complaints.push(format!("it stands before one that was answered earlier: {transfer:?}"));
            }
            first_answer = first_answer.min(transfer.answered_at().unwrap_or(i64::MAX));
        }
        complaints
    }

    fn check_audits(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for audit in &self.audits {
            let before = |transfer: &&Transfer| transfer.answered_at().is_some_and(|at| at < audit.called_at);
            let perhaps = |t: &&Transfer| t.fate != Fate::Aborted && t.called_at < audit.answered_at;
            let least = self.transfers.iter().filter(before).count() as u64;
            let most = self.transfers.iter().filter(perhaps).count() as u64;
            if audit.sum != TOTAL {
                complaints.push(format!("all accounts have {TOTAL} together, and {audit:?}"));
            }
            if !(least..=most).contains(&audit.transfers) {
                complaints.push(format!("there were {least} to {most} transfers, and {audit:?}"));
            }
        }
        complaints
    }

    /// A script that has run is known on every node.
    fn check_script(&self) -> Vec<String> {
        let first = self.transfers.iter().filter_map(Transfer::answered_at).min().unwrap_or(i64::MAX);
        let late = self.unknown_scripts.iter().filter(|called_at| first < **called_at);
        late.map(|called_at| format!("NOSCRIPT for a call at {called_at}, and the script ran at {first}"))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(token: u64, amount: u64, balances: (u64, u64), from: i64, fate: Fate) -> Transfer {
        Transfer { token, from: 0, to: 1, amount, balances, called_at: from, fate }
    }

    fn done(token: u64, amount: u64, balances: (u64, u64), from: i64, to: i64) -> Transfer {
        transfer(token, amount, balances, from, Fate::Committed { at: to })
    }

    fn accounts(transfers: &[Transfer], journal: &[u64], first: u64, second: u64) -> Accounts {
        let mut balances = vec![OPENING; ACCOUNTS as usize];
        (balances[0], balances[1]) = (first, second);
        Accounts { transfers: transfers.to_vec(), journal: journal.to_vec(), balances, ..Accounts::default() }
    }

    fn audited(sum: u64, transfers: u64) -> Accounts {
        let audits = vec![Audit { sum, transfers, called_at: 5, answered_at: 6 }];
        Accounts { audits, ..accounts(&[done(1, 30, (70, 130), 0, 1)], &[1], 70, 130) }
    }

    #[test]
    fn good_histories_pass() {
        let none: Vec<String> = vec![];
        let (first, second) = (done(1, 30, (70, 130), 0, 1), done(2, 90, (0, 200), 2, 3));
        assert_eq!(accounts(&[first.clone(), second.clone()], &[1, 2], 0, 200).check(), none);
        // At once, in either order.
        let at_once = [done(1, 30, (0, 200), 0, 9), done(2, 90, (10, 190), 0, 9)];
        assert_eq!(accounts(&at_once, &[2, 1], 0, 200).check(), none);
        // Unknown: done, or not.
        let unknown = transfer(2, 20, (0, 0), 2, Fate::Unknown);
        assert_eq!(accounts(&[first.clone(), unknown.clone()], &[1, 2], 50, 150).check(), none);
        assert_eq!(accounts(&[first.clone(), unknown], &[1], 70, 130).check(), none);
        let refused = transfer(2, 20, (0, 0), 2, Fate::Aborted);
        assert_eq!(accounts(&[first, refused], &[1], 70, 130).check(), none);
        assert_eq!(audited(TOTAL, 1).check(), none);
    }

    #[test]
    fn faults_are_found() {
        let (first, second) = (done(1, 30, (70, 130), 0, 1), done(2, 90, (0, 200), 2, 3));
        let both = [first.clone(), second.clone()];
        let refused = transfer(2, 20, (0, 0), 2, Fate::Aborted);
        let forgotten = accounts(&both, &[1, 2], 0, 200);
        for (fault, history) in [
            ("an acknowledged transfer is lost", accounts(&both, &[1], 70, 130)),
            ("one is done twice", accounts(&both, &[1, 2, 2], 0, 200)),
            ("a refused one is done", accounts(&[first.clone(), refused], &[1, 2], 50, 150)),
            ("half of one is done", accounts(&[first], &[1], 70, 100)),
            ("it is done twice, but noted once", accounts(&both, &[1, 2], 0, 230)),
            (
                "two worked on one balance",
                accounts(&[done(1, 30, (70, 130), 0, 9), done(2, 90, (10, 190), 0, 9)], &[1, 2], 10, 190),
            ),
            (
                "the order is not that of real time",
                accounts(&[done(1, 90, (0, 200), 0, 1), done(2, 30, (70, 130), 2, 3)], &[2, 1], 0, 200),
            ),
            ("a sum of another moment", audited(TOTAL - 30, 1)),
            ("a read that misses a transfer", audited(TOTAL, 0)),
            ("a read of the future", audited(TOTAL, 2)),
            ("a node has forgotten the script", Accounts { unknown_scripts: vec![7], ..forgotten }),
        ] {
            assert!(!history.check().is_empty(), "not found: {fault}");
        }
    }
}
