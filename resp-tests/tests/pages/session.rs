//! Runs the steps of a page in one shell, in a network namespace and a directory of its own.

use crate::blocks::Language;
use resp_tests::installed::{HOW_TO_INSTALL, installed, test_deps};
use resp_tests::server::Program;
use rustix::process::{Pid, Signal, kill_process_group};
use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

const PAGE_SECONDS_MAX: u64 = 240;
/// How long a command may go on to find a server that is still starting.
const STEP_SECONDS_MAX: u64 = 60;

/// One thing to run.
#[derive(Debug)]
pub struct Step {
    pub language: Language,
    /// Where it stands on the page.
    pub line: usize,
    pub text: String,
    /// What it must print; `None`: whatever it likes.
    pub expected: Option<Vec<String>>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    pub status: i32,
    pub output: String,
}

/// A shell and all that it started, ended when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Runs all steps in order. Panics, with what the servers printed, if one is not reached.
pub fn run(page: &str, steps: &[Step], is_told_how_to_build: bool) -> Vec<Outcome> {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path();
    fs::create_dir(place.join("shims")).unwrap();
    let make = place.join("shims/make");
    fs::write(&make, play_make()).unwrap();
    fs::set_permissions(&make, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(place.join("clone")).unwrap();
    fs::write(place.join("script"), script(place, steps, is_told_how_to_build)).unwrap();

    let mut command = in_own_network();
    command.arg("bash").arg(place.join("script")).current_dir(place.join("clone")).process_group(0);
    command.stdin(Stdio::null()).stdout(File::create(place.join("results")).unwrap());
    command.stderr(File::create(place.join("said")).unwrap());
    let path = env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}:/usr/sbin:/sbin", place.join("shims").display()));
    command.env("HOME", place).env("NODE_PATH", installed("node/node_modules"));
    command.envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode")]);
    command.env("GOCACHE", test_deps().join("go-cache"));
    let shown = format!("{command:?}");
    let mut running =
        Running(command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}. {HOW_TO_INSTALL}")));

    let deadline = Instant::now() + Duration::from_secs(PAGE_SECONDS_MAX);
    let status = loop {
        if let Some(status) = running.0.try_wait().unwrap() {
            break Some(status);
        }
        if Instant::now() > deadline {
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    let outcomes = outcomes(&fs::read_to_string(place.join("results")).unwrap());
    let said = || fs::read_to_string(place.join("said")).unwrap_or_default();
    assert!(
        outcomes.len() == steps.len(),
        "{page}: ended with {status:?} at line {}; it said:\n{}",
        steps.get(outcomes.len()).map_or(0, |step| step.line),
        said()
    );
    outcomes
}

/// A program that starts another one where nobody else listens on anything.
fn in_own_network() -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--net");
    command
}

/// What stands for `make`: the build would take minutes, and has been made.
fn play_make() -> String {
    format!(
        "#!/bin/sh\n\
         set -e\n\
         PATH=${{PATH#*:}} make -n -C '{}' \"$@\" >/dev/null\n\
         mkdir -p target/release\n\
         ln -sf '{}' target/release/flotilla\n",
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").display(),
        fs::canonicalize(Program::product().path).unwrap().display(),
    )
}

/// The steps as one script. Results go to its standard output: a line `@@ step status`, then what the step printed.
fn script(place: &Path, steps: &[Step], is_told_how_to_build: bool) -> String {
    let mut script = format!(
        "set -e\n\
         ip link set lo up\n\
         exec 3>&1 >&2\n\
         step() {{\n\
         \x20   local text out status until=$((SECONDS + {STEP_SECONDS_MAX}))\n\
         \x20   text=$(cat)\n\
         \x20   while :; do\n\
         \x20       status=0\n\
         \x20       # redis-cli prints as on a terminal.\n\
         \x20       out=$(export FAKETTY=1; eval \"$text\" 2>&1) || status=$?\n\
         \x20       case $out in\n\
         \x20           *'Connection refused'* | *LOADING* | *CLUSTERDOWN*)\n\
         \x20               if [ $SECONDS -lt $until ]; then sleep 0.1; continue; fi ;;\n\
         \x20       esac\n\
         \x20       break\n\
         \x20   done\n\
         \x20   printf '@@ %s %s\\n%s\\n' \"$1\" \"$status\" \"$out\" >&3\n\
         }}\n"
    );
    if !is_told_how_to_build {
        script.push_str("make build\nexport PATH=\"$PWD/target/release:$PATH\"\n");
    }
    for (number, step) in steps.iter().enumerate() {
        let program = |interpreter: String, ending: &str| {
            let path = place.join(format!("program-{number}.{ending}"));
            fs::write(&path, format!("{}\n", step.text)).unwrap();
            format!("{interpreter} {}", path.display())
        };
        let command = match step.language {
            Language::Sh => {
                writeln!(script, "{}\nprintf '@@ {number} 0\\n' >&3", step.text).unwrap();
                continue;
            }
            Language::Console | Language::Shown => step.text.clone(),
            Language::Python => program(installed("python/bin/python").display().to_string(), "py"),
            Language::Js => program("node".to_owned(), "js"),
            Language::Go => program("go run".to_owned(), "go"),
        };
        writeln!(script, "step {number} <<'@@end'\n{command}\n@@end").unwrap();
    }
    script
}

fn outcomes(text: &str) -> Vec<Outcome> {
    let mut outcomes: Vec<Outcome> = Vec::new();
    for line in text.lines() {
        if let Some(head) = line.strip_prefix("@@ ") {
            let (_, status) = head.split_once(' ').unwrap();
            outcomes.push(Outcome { status: status.parse().unwrap(), output: String::new() });
        } else if let Some(outcome) = outcomes.last_mut() {
            writeln!(outcome.output, "{line}").unwrap();
        }
    }
    outcomes
}
