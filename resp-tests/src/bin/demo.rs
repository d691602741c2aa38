//! See `resp_tests::demo`. `demo [--seconds N] [--round-trip-ms N]`; with `--seconds` it does by itself what it suggests to a
//! person, and ends with 1 if an acknowledged write is not everywhere.

use std::env;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use resp_tests::demo::{self, World};
use resp_tests::server::Program;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(why) => {
            eprintln!("demo: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, String> {
    let (mut seconds, mut round_trip) = (None, 80);
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let value = words.next().and_then(|value| value.parse::<u64>().ok());
            value.ok_or_else(|| format!("{word} wants a number"))
        };
        match word.as_str() {
            "--seconds" => seconds = Some(number()?),
            "--round-trip-ms" => round_trip = number()?,
            _ => return Err("usage: demo [--seconds N] [--round-trip-ms N]".to_owned()),
        }
    }
    let is_over = Arc::new(AtomicBool::new(false));
    end_on_signal(&is_over)?;
    let mut world = World::start(&Program::product(), Duration::from_millis(round_trip))?;
    let Some(seconds) = seconds else {
        let (sender, lines) = channel();
        thread::spawn(move || {
            io::stdin().lines().map_while(Result::ok).all(|line| sender.send(line).is_ok())
        });
        demo::interact(&mut world, &lines, &is_over);
        return Ok(ExitCode::SUCCESS);
    };
    let report = demo::run_alone(&mut world, seconds)?;
    println!("{} writes acknowledged, {} reads, {} lost", report.writes, report.reads, report.lost.len());
    report.lost.iter().take(10).for_each(|lost| println!("  {lost}"));
    Ok(if report.lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ctrl-C and SIGTERM end the demo in order: its servers and their data must not stay behind.
fn end_on_signal(is_over: &Arc<AtomicBool>) -> Result<(), String> {
    let is_over = Arc::clone(is_over);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    thread::spawn(move || {
        runtime.block_on(async {
            let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            let Ok(mut terminate) = terminate else { return };
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            is_over.store(true, Ordering::Relaxed);
        });
    });
    Ok(())
}
