//! What a client does with accounts (`accounts.rs`): transfers by EVALSHA, and by EVAL where a node does not know the script yet;
//! audits by EVAL_RO.

use std::time::Instant;

use crate::chaos::append::Fate;
use crate::chaos::clients::Round;
use crate::chaos::failure::Failure;
use crate::value::Value;

use super::accounts::{ACCOUNTS, AUDIT, Audit, OPENING, TRANSFER, TRANSFER_SHA1, Transfer};
use super::client::{Asked, Client};
use super::replies::{list, number, numbers};

const AMOUNT_MAX: u64 = 60;

/// All accounts of a round, and their journal behind them.
fn account_keys(round: &Round<'_>) -> Vec<String> {
    let accounts = (0..ACCOUNTS).map(|account| format!("account:{}:{account}", round.number));
    accounts.chain([format!("journal:{}", round.number)]).collect()
}

/// The words of an audit.
pub fn audit_words(round: &Round<'_>) -> Vec<String> {
    let keys = account_keys(round);
    let head = ["EVAL_RO".to_owned(), AUDIT.to_owned(), keys.len().to_string()];
    head.into_iter().chain(keys).chain([OPENING.to_string()]).collect()
}

/// Sum and number of transfers.
pub fn audited(reply: &Value) -> Result<(u64, u64), Failure> {
    match list(reply)? {
        [sum, transfers] => Ok((number(sum)?, number(transfers)?)),
        _ => Err(super::replies::odd(reply)),
    }
}

impl Client<'_> {
    pub(super) fn account(&mut self) -> Result<(), Failure> {
        if self.dice.below(3) == 0 { self.audit() } else { self.transfer() }
    }

    fn transfer(&mut self) -> Result<(), Failure> {
        let (keys, token) = (account_keys(self.round), self.round.next());
        let from = self.dice.below(ACCOUNTS);
        let to = (from + self.dice.between(1, ACCOUNTS - 1)) % ACCOUNTS;
        let amount = self.dice.between(1, AMOUNT_MAX);
        let key = |account: u64| keys[usize::try_from(account).unwrap_or(0)].as_str();
        let (amount_word, token_word, opening) = (amount.to_string(), token.to_string(), OPENING.to_string());
        let rest = ["3", key(from), key(to), &keys[keys.len() - 1], &amount_word, &token_word, &opening];
        let mut asked = self.ask(&[&["EVALSHA", TRANSFER_SHA1][..], &rest].concat(), true)?;
        if matches!(asked.reply, Value::Error(_)) {
            self.did.accounts.unknown_scripts.push(asked.called_at);
            asked = self.ask(&[&["EVAL", TRANSFER][..], &rest].concat(), true)?;
        }
        let Asked { called_at, fate, reply } = asked;
        let balances = match (fate, numbers(&reply)?.as_slice()) {
            (Fate::Committed { .. }, [first, second]) => (*first, *second),
            (Fate::Committed { .. }, _) => return Err(super::replies::odd(&reply)),
            (Fate::Aborted | Fate::Unknown, _) => (0, 0),
        };
        self.did.accounts.transfers.push(Transfer { token, from, to, amount, balances, called_at, fate });
        Ok(())
    }

    fn audit(&mut self) -> Result<(), Failure> {
        let words = audit_words(self.round);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Asked { called_at, fate, reply } = self.ask(&words, false)?;
        if let Fate::Committed { at: answered_at } = fate {
            let (sum, transfers) = audited(&reply)?;
            self.did.accounts.audits.push(Audit { sum, transfers, called_at, answered_at });
        }
        Ok(())
    }

    /// When all is quiet: journal and balances on this node.
    pub(super) fn look_at_accounts(&mut self, deadline: Instant) -> Result<(), Failure> {
        let keys = account_keys(self.round);
        let (journal, accounts) =
            keys.split_last().map_or(("", &[][..]), |(last, rest)| (last.as_str(), rest));
        let read = self.insist(deadline, &["LRANGE", journal, "0", "-1"])?;
        self.did.accounts.journal = numbers(&read)?;
        let words: Vec<&str> = ["MGET"].into_iter().chain(accounts.iter().map(String::as_str)).collect();
        let read = self.insist(deadline, &words)?;
        let balance = |value: &Value| match value {
            Value::NilBulk => Ok(OPENING),
            value => number(value),
        };
        self.did.accounts.balances = list(&read)?.iter().map(balance).collect::<Result<_, _>>()?;
        Ok(())
    }
}
