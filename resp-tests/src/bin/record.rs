//! Records the expectations of the corpus from redis-server, or checks that they still are what it says.
//!
//! `cargo run -p resp-tests --bin record -- [--check] [NAME…]`, where NAME is a part of `group/script`.
//! Blocks that redis-server cannot answer (`!flotilla-only`) are left as they are.

use std::env;
use std::fs;
use std::process::ExitCode;

use resp_tests::corpus::{self, File};
use resp_tests::run::{Outcome, Runner, differences};
use resp_tests::script::{self, Paragraph, Script};
use resp_tests::server::Program;

fn main() -> ExitCode {
    let (flags, names): (Vec<String>, Vec<String>) =
        env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let check = flags.iter().any(|flag| flag == "--check");
    if flags.iter().any(|flag| flag != "--check") {
        eprintln!("usage: record [--check] [NAME…]");
        return ExitCode::FAILURE;
    }
    let program = match Program::reference() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("{error}; nothing was recorded or checked");
            return ExitCode::FAILURE;
        }
    };
    match record(&program, &names, check) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(bad) => {
            eprintln!("{bad} scripts need a person");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The number of scripts that could not be recorded, or that differ.
fn record(program: &Program, names: &[String], check: bool) -> Result<usize, String> {
    let mut runner = Runner::new(program.clone());
    let files = corpus::files().map_err(|error| error.to_string())?;
    let chosen =
        |file: &&File| names.is_empty() || names.iter().any(|name| file.name.contains(name.as_str()));
    let (mut count, mut bad) = (0, 0);
    for file in files.iter().filter(chosen) {
        count += 1;
        let text = fs::read_to_string(&file.path).map_err(|error| format!("{}: {error}", file.name))?;
        let script = script::parse(&text).map_err(|error| format!("{}: {error}", file.name))?;
        let outcome = runner.run(&script).map_err(|error| format!("{}: {error}", file.name))?;
        let complaints = if check { differences(&script, &outcome) } else { outcome.complaints.clone() };
        if !complaints.is_empty() {
            bad += 1;
            println!("{}\n  {}", file.name, complaints.join("\n  "));
        }
        let recorded = write(&script, &outcome);
        if !check && recorded != text {
            fs::write(&file.path, recorded).map_err(|error| format!("{}: {error}", file.name))?;
            println!("{}: recorded", file.name);
        }
    }
    println!("{count} scripts, {bad} with complaints");
    Ok(bad)
}

/// The script with what the server answered. A block that was not reached keeps what it had.
fn write(script: &Script, outcome: &Outcome) -> String {
    let mut answers = outcome.blocks.iter();
    let mut paragraphs = Vec::new();
    for paragraph in &script.paragraphs {
        let mut lines = Vec::new();
        match paragraph {
            Paragraph::Prose(prose) => lines.extend(prose.iter().cloned()),
            Paragraph::Block(block) => {
                lines.extend(block.source.iter().cloned());
                let answered = answers.next().and_then(Option::as_ref).or(block.expected.as_ref());
                if let Some(replies) = answered {
                    lines.push("---".into());
                    lines.extend(replies.iter().flatten().cloned());
                }
            }
        }
        paragraphs.push(lines.join("\n"));
    }
    paragraphs.join("\n\n") + "\n"
}
