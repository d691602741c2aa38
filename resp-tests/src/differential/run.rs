//! Sending steps to both servers at once, in batches of one client, and judging what comes back.

use std::collections::BTreeMap;
use std::io;

use super::explained::{Difference, changes_group};
use super::generator::{CLIENTS, Step};
use super::line::Line;
use super::verdict::{Exchange, Mismatch, Verdict};
use super::{Argv, name_of, state, words};
use crate::value::{Value, encode};

const BATCH_CALLS_MAX: usize = 256;
/// What is sent without reading must fit into a socket's buffers.
const BATCH_BYTES_MAX: usize = 48 * 1024;
/// All data are compared each time so many steps were made, and at the end.
const COMPARE_EVERY: usize = 4000;

/// The same of both servers.
#[derive(Debug)]
pub struct Both<T> {
    pub product: T,
    pub reference: T,
}

/// What is known of a client.
#[derive(Debug, Default)]
struct Session {
    /// What it has queued since MULTI.
    queue: Option<Vec<Argv>>,
    /// How many changes of consumer groups there were when it said WATCH.
    watched_at: Option<u64>,
}

/// Clients of both servers, in step.
#[derive(Debug)]
pub struct Pair {
    pub product_port: u16,
    pub reference_port: u16,
    clients: Vec<(Both<Line>, Session)>,
    /// How many commands were sent that change consumer groups.
    group_changes: u64,
    pub prober: Both<Line>,
}

/// What was done, and what was found that is no failure.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub operations: u64,
    /// How many of the replies were errors: a fuzzer that only errs tests nothing.
    pub errors: u64,
    pub explained: BTreeMap<&'static str, u64>,
}

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// In the last of these steps.
    Mismatch { history: Vec<Step>, mismatch: Box<Mismatch> },
    /// A server did not answer any more.
    Broken { history: Vec<Step>, error: io::Error },
}

enum Outcome {
    Same,
    /// Both stores differ as they are meant to: they must begin again.
    Stored,
    /// In which of the steps, and how.
    Differs(usize, Box<Mismatch>),
}

impl Pair {
    /// Connects all clients; the data of both servers are deleted.
    pub fn connect(product_port: u16, reference_port: u16) -> io::Result<Pair> {
        let both = || {
            Ok::<_, io::Error>(Both {
                product: Line::open(product_port)?,
                reference: Line::open(reference_port)?,
            })
        };
        let clients = (0..CLIENTS).map(|_| Ok((both()?, Session::default()))).collect::<io::Result<_>>()?;
        let mut pair = Pair { product_port, reference_port, clients, group_changes: 0, prober: both()? };
        pair.ask(&words(&["FLUSHALL"]))?;
        for (client, _) in pair.clients.iter_mut().skip(CLIENTS / 2) {
            client.ask(&words(&["HELLO", "3"]))?;
        }
        Ok(pair)
    }

    /// Everything as at the beginning.
    fn begin_again(&mut self) -> io::Result<()> {
        *self = Pair::connect(self.product_port, self.reference_port)?;
        Ok(())
    }

    /// Asks both servers beside all clients.
    pub fn ask(&mut self, argv: &[Vec<u8>]) -> io::Result<(Value, Value)> {
        self.prober.ask(argv)
    }

    /// Makes steps until they end or a difference is found that nothing explains; then compares all data.
    pub fn run(&mut self, steps: impl IntoIterator<Item = Step>, tally: &mut Tally) -> Result<(), Failure> {
        let mut history: Vec<Step> = Vec::new();
        let result = self.run_all(&mut steps.into_iter(), tally, &mut history);
        match result {
            Ok(None) => Ok(()),
            Ok(Some(mismatch)) => Err(Failure::Mismatch { history, mismatch }),
            Err(error) => Err(Failure::Broken { history, error }),
        }
    }

    fn run_all(
        &mut self,
        steps: &mut dyn Iterator<Item = Step>,
        tally: &mut Tally,
        history: &mut Vec<Step>,
    ) -> io::Result<Option<Box<Mismatch>>> {
        let mut steps = steps.peekable();
        let mut uncompared = 0;
        while let Some(step) = steps.next() {
            let from = history.len();
            let outcome = match step {
                Step::Probe(probe) => {
                    tally.operations += probe.operations();
                    history.push(Step::Probe(probe.clone()));
                    match probe.run(self)? {
                        Verdict::Same => Outcome::Same,
                        Verdict::Explained(difference) => {
                            tally.explain(difference);
                            if difference.is_stored { Outcome::Stored } else { Outcome::Same }
                        }
                        Verdict::Differs(mismatch) => Outcome::Differs(0, Box::new(mismatch)),
                    }
                }
                Step::Calls(client, calls) => {
                    let mut batch = Batch::default();
                    batch.add(calls, 0);
                    history.push(Step::Calls(client, batch.calls.clone()));
                    while let Some(Step::Calls(_, calls)) = steps.next_if(|next| {
                        batch.has_room() && matches!(next, Step::Calls(other, _) if *other == client)
                    }) {
                        history.push(Step::Calls(client, calls.clone()));
                        batch.add(calls, history.len() - 1 - from);
                    }
                    let (lines, session) = &mut self.clients[client];
                    batch.exchange(lines)?;
                    batch.judge(session, &mut self.group_changes, tally)
                }
            };
            uncompared += history.len() - from;
            match outcome {
                Outcome::Same => {}
                Outcome::Stored => {
                    self.begin_again()?;
                    history.clear();
                }
                Outcome::Differs(at, mismatch) => {
                    history.truncate(from + at + 1);
                    return Ok(Some(mismatch));
                }
            }
            if uncompared >= COMPARE_EVERY {
                uncompared = 0;
                if let Some(mismatch) = state::compare(&mut self.prober, tally)? {
                    return Ok(Some(mismatch));
                }
            }
        }
        state::compare(&mut self.prober, tally)
    }
}

impl Both<Line> {
    pub fn ask(&mut self, argv: &[Vec<u8>]) -> io::Result<(Value, Value)> {
        let bytes = encode(argv);
        self.product.send(&bytes)?;
        self.reference.send(&bytes)?;
        Ok((self.product.receive()?.0, self.reference.receive()?.0))
    }
}

/// Commands of one client that travel together.
#[derive(Debug, Default)]
pub struct Batch {
    pub calls: Vec<Argv>,
    /// Which step each command belongs to.
    steps: Vec<usize>,
    bytes: Vec<u8>,
    product: Vec<Value>,
    reference: Vec<Value>,
    /// Whether the replies are equal as they came.
    is_same: Vec<bool>,
}

impl Batch {
    pub fn add(&mut self, calls: Vec<Argv>, step: usize) {
        for argv in calls {
            self.bytes.extend_from_slice(&encode(&argv));
            self.steps.push(step);
            self.calls.push(argv);
        }
    }

    pub fn has_room(&self) -> bool {
        self.calls.len() < BATCH_CALLS_MAX && self.bytes.len() < BATCH_BYTES_MAX
    }

    /// Sends all, then takes all replies of both servers.
    pub fn exchange(&mut self, lines: &mut Both<Line>) -> io::Result<()> {
        lines.product.send(&self.bytes)?;
        lines.reference.send(&self.bytes)?;
        for _ in 0..self.calls.len() {
            let (reference, bytes) = lines.reference.receive()?;
            let is_same = lines.product.receive_same(&bytes)?;
            self.product.push(if is_same { reference.clone() } else { lines.product.receive()?.0 });
            self.reference.push(reference);
            self.is_same.push(is_same);
        }
        Ok(())
    }

    fn judge(&self, session: &mut Session, group_changes: &mut u64, tally: &mut Tally) -> Outcome {
        for at in 0..self.calls.len() {
            let (argv, reference) = (&self.calls[at], &self.reference[at]);
            tally.operations += 1;
            tally.errors += u64::from(matches!(reference, Value::Error(_)));
            *group_changes += u64::from(changes_group(argv));
            let is_group_changed = session.watched_at.is_some_and(|then| then < *group_changes);
            match self.verdict(at, session.queue.as_deref().unwrap_or_default(), is_group_changed) {
                Verdict::Same => {}
                Verdict::Explained(difference) => {
                    tally.explain(difference);
                    if difference.is_stored {
                        return Outcome::Stored;
                    }
                }
                Verdict::Differs(mismatch) => return Outcome::Differs(self.steps[at], Box::new(mismatch)),
            }
            session.follow(argv, reference, *group_changes);
        }
        Outcome::Same
    }

    /// `queue` is what EXEC would run there.
    pub fn verdict(&self, at: usize, queue: &[Argv], is_group_changed: bool) -> Verdict {
        let (calls, product, reference) = (&self.calls, &self.product, &self.reference);
        let exchange = Exchange { calls, product, reference, is_group_changed };
        // What is equal to the byte needs no judge, unless lots were drawn.
        let needs_judge = matches!(
            name_of(&self.calls[at]).as_slice(),
            b"EXEC" | b"SRANDMEMBER" | b"HRANDFIELD" | b"ZRANDMEMBER" | b"RANDOMKEY" | b"SPOP"
        );
        if self.is_same[at] && !needs_judge { Verdict::Same } else { exchange.judge(at, queue) }
    }

    pub fn product(&self) -> &[Value] {
        &self.product
    }

    pub fn reference(&self) -> &[Value] {
        &self.reference
    }
}

impl Tally {
    pub fn explain(&mut self, difference: &'static Difference) {
        *self.explained.entry(difference.name).or_default() += 1;
    }

    pub fn add(&mut self, other: &Tally) {
        self.operations += other.operations;
        self.errors += other.errors;
        for (name, count) in &other.explained {
            *self.explained.entry(name).or_default() += count;
        }
    }
}

impl Session {
    /// Keeps in mind what became of a command.
    fn follow(&mut self, argv: &Argv, reply: &Value, group_changes: u64) {
        let is = |text: &[u8]| matches!(reply, Value::Simple(other) if other == text);
        match (name_of(argv).as_slice(), &mut self.queue) {
            (b"MULTI", None) if is(b"OK") => self.queue = Some(Vec::new()),
            // Wrongly written it ends the transaction as well.
            (b"EXEC", Some(_)) => *self = Session::default(),
            (b"DISCARD", Some(_)) if is(b"OK") => *self = Session::default(),
            (b"RESET", _) if is(b"RESET") => *self = Session::default(),
            (b"WATCH", None) if is(b"OK") => {
                self.watched_at.get_or_insert(group_changes);
            }
            (b"UNWATCH", None) if is(b"OK") => self.watched_at = None,
            (_, Some(queued)) if is(b"QUEUED") => queued.push(argv.clone()),
            _ => {}
        }
    }
}
