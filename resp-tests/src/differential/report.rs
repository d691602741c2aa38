//! Many seeds one after the other: servers that died are started again, failures are shortened, all is counted.

use std::io;
use std::time::{Duration, Instant};

use super::catalogue::Catalogue;
use super::describe;
use super::generator::{Generator, Step};
use super::run::{Failure, Pair, Tally};
use super::shrink::shrink;
use super::verdict::Mismatch;
use crate::script::one_line;
use crate::server::{Program, Server};

const SHRINK_TRIES_MAX: usize = 400;
const SHRINK_WITHIN: Duration = Duration::from_secs(30);
const TEXT_BYTES_MAX: usize = 2000;

/// What to do.
#[derive(Clone, Debug)]
pub struct Options {
    pub first_seed: u64,
    pub seeds: u64,
    /// Commands per seed, about.
    pub operations: u64,
    /// Failures that are shortened at most; those like an earlier one never are.
    pub shortened_max: usize,
    /// Groups of commands that are drawn most of the time.
    pub groups: Vec<String>,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Report {
    pub seeds: u64,
    pub tally: Tally,
    pub failures: Vec<String>,
    pub left_out: Vec<String>,
    pub elapsed: Duration,
}

/// Two servers, started again when one of them dies.
struct Stage {
    product_program: Program,
    reference_program: Program,
    product: Server,
    reference: Server,
}

impl Stage {
    fn start(product_program: &Program, reference_program: &Program) -> io::Result<Stage> {
        Ok(Stage {
            product: Server::start(product_program, &[])?,
            reference: Server::start(reference_program, &[])?,
            product_program: product_program.clone(),
            reference_program: reference_program.clone(),
        })
    }

    fn pair(&mut self) -> io::Result<Pair> {
        if !self.product.is_running()? {
            self.product = Server::start(&self.product_program, &[])?;
        }
        if !self.reference.is_running()? {
            self.reference = Server::start(&self.reference_program, &[])?;
        }
        Pair::connect(self.product.port, self.reference.port)
    }

    /// The commands that both have.
    fn catalogue(&self) -> io::Result<(Catalogue, Vec<String>)> {
        let product = Catalogue::of(&mut self.product.connect()?)?;
        let reference = Catalogue::of(&mut self.reference.connect()?)?;
        let both = product.both(&reference);
        Ok((both.clone(), Catalogue::all().without(&both)))
    }
}

/// Runs the seeds.
pub fn fuzz(product: &Program, reference: &Program, options: Options) -> io::Result<Report> {
    let started = Instant::now();
    let mut stage = Stage::start(product, reference)?;
    let (catalogue, left_out) = stage.catalogue()?;
    let mut report = Report { left_out, ..Report::default() };
    let mut kinds: Vec<(u64, Mismatch)> = Vec::new();
    for seed in options.first_seed..options.first_seed + options.seeds {
        report.seeds += 1;
        let mut tally = Tally::default();
        let generator = Generator::new(seed, &catalogue).dwelling_on(&options.groups);
        let steps = Limited { steps: generator, left: options.operations };
        let failure = stage.pair()?.run(steps, &mut tally);
        report.tally.add(&tally);
        if let Err(failure) = failure {
            let known = match &failure {
                Failure::Mismatch { mismatch, .. } => kinds.iter().find(|(_, other)| mismatch.is_like(other)),
                Failure::Broken { .. } => None,
            };
            let text = match known {
                Some((first, _)) => format!("seed {seed}: as seed {first}"),
                None => {
                    if let Failure::Mismatch { mismatch, .. } = &failure {
                        kinds.push((seed, (**mismatch).clone()));
                    }
                    tell(seed, failure, &mut stage, kinds.len() > options.shortened_max)?
                }
            };
            println!("{text}\n");
            report.failures.push(text);
        }
    }
    report.elapsed = started.elapsed();
    Ok(report)
}

/// Steps until so many commands were sent.
struct Limited<'a> {
    steps: Generator<'a>,
    left: u64,
}

impl Iterator for Limited<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let step = self.steps.next().filter(|_| self.left > 0)?;
        let count = match &step {
            Step::Calls(_, calls) => calls.len() as u64,
            Step::Probe(probe) => probe.operations(),
        };
        self.left = self.left.saturating_sub(count);
        Some(step)
    }
}

/// A failure as it can be read and tried by hand.
fn tell(seed: u64, failure: Failure, stage: &mut Stage, is_short: bool) -> io::Result<String> {
    match failure {
        Failure::Broken { history, error } => {
            let last = history[history.len().saturating_sub(12)..].to_vec();
            let (product, reference) = (stage.product.log_tail(), stage.reference.log_tail());
            let logs = format!("product says:\n{product}reference says:\n{reference}");
            Ok(format!("seed {seed}: {error}, after\n{}{logs}", list(&last)))
        }
        Failure::Mismatch { history, mismatch } => {
            let length = history.len();
            if is_short {
                return Ok(format!("seed {seed}, step {length}: {}", show(&mismatch)));
            }
            let (shrunk, mismatch, note) = shorten(history, *mismatch, stage)?;
            Ok(format!("seed {seed}, step {length}{note}:\n{}{}", list(&shrunk), show(&mismatch)))
        }
    }
}

/// Drops what is not needed; the failure of what is left.
fn shorten(
    history: Vec<Step>,
    first: Mismatch,
    stage: &mut Stage,
) -> io::Result<(Vec<Step>, Mismatch, &'static str)> {
    let deadline = Instant::now() + SHRINK_WITHIN;
    let mut last = None;
    let mut fails = |steps: &[Step]| {
        if Instant::now() > deadline {
            return false;
        }
        let Ok(mut pair) = stage.pair() else { return false };
        match pair.run(steps.iter().cloned(), &mut Tally::default()) {
            Err(Failure::Mismatch { mismatch, .. }) if mismatch.is_like(&first) => {
                last = Some(*mismatch);
                true
            }
            _ => false,
        }
    };
    if !fails(&history) {
        let tail = history[history.len().saturating_sub(20)..].to_vec();
        return Ok((tail, first, " (not seen again when tried once more; the last steps were)"));
    }
    let shrunk = shrink(history, SHRINK_TRIES_MAX, fails);
    Ok((shrunk, last.unwrap_or(first), ""))
}

fn list(steps: &[Step]) -> String {
    let line = |step: &Step| match step {
        Step::Calls(client, calls) => {
            calls.iter().map(|argv| format!("    @{client} {}\n", describe(argv))).collect::<String>()
        }
        Step::Probe(probe) => format!("    {}\n", probe.describe()),
    };
    steps.iter().map(line).collect()
}

fn show(mismatch: &Mismatch) -> String {
    let cut = |text: String| match text.char_indices().nth(TEXT_BYTES_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    };
    let (product, reference) = (cut(one_line(&mismatch.product)), cut(one_line(&mismatch.reference)));
    let fault = mismatch.fault.as_deref().map(|fault| format!(" ({fault})")).unwrap_or_default();
    format!("  {}{fault}\n  product   {product}\n  reference {reference}", describe(&mismatch.argv))
}

impl Report {
    /// The figures.
    pub fn summary(&self) -> String {
        let Report { seeds, tally, failures, left_out, elapsed } = self;
        let rate = tally.operations as f64 / elapsed.as_secs_f64().max(0.001);
        let errors = 100.0 * tally.errors as f64 / tally.operations.max(1) as f64;
        let mut text = format!(
            "{seeds} seeds, {} operations ({errors:.0} % of them answered with an error), {:.0} s, {rate:.0} a second, \
             {} mismatches\n",
            tally.operations,
            elapsed.as_secs_f64(),
            failures.len()
        );
        for (name, count) in &tally.explained {
            text += &format!("explained by {name}: {count}\n");
        }
        text + &format!(
            "left out, as not both servers have them: {} [{}]\n",
            left_out.len(),
            left_out.join(" ")
        )
    }
}
