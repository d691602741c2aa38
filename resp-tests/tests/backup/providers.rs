//! Object stores as Amazon, Google and Microsoft offer them, on this machine, and that backups go there and come back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use resp_tests::installed::installed;
use resp_tests::ports::free_port;
use resp_tests::process::Process;
use resp_tests::server::{Program, Server};
use resp_tests::support::{admin, eventually};
use tempfile::TempDir;

use super::stage::{dumps, fill, fill_large, said, start_on, status};

pub const BUCKET: &str = "backups";
/// They import much.
const START_MAX: Duration = Duration::from_secs(60);

/// What the environment of a program says about an object store.
pub type Variables = Vec<(String, String)>;

fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Variables {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

pub fn program_with(variables: &Variables) -> Program {
    variables.iter().fold(Program::product(), |program, (name, value)| program.with_variable(name, value))
}

pub fn flotilla_with(variables: &Variables, args: &[&str]) -> Output {
    Command::new(Program::product().path).args(args).envs(variables.iter().cloned()).output().unwrap()
}

fn until(process: &Process, mut is_done: impl FnMut() -> bool) {
    let deadline = Instant::now() + START_MAX;
    while !is_done() {
        assert!(Instant::now() < deadline, "{}", process.log_tail(20));
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// moto, which keeps objects in memory and speaks S3's protocol. Google's XML interface, which is what `gs://` uses, takes the
/// same requests but for how they are signed, and moto looks at no signature.
pub struct Moto {
    process: Process,
    port: u16,
    _home: TempDir,
}

impl Moto {
    pub fn start() -> Moto {
        let home = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let mut moto = Moto { process: Process::new(home.path().join("log")), port, _home: home };
        moto.start_again();
        moto
    }

    /// With an empty bucket.
    pub fn start_again(&mut self) {
        let port = self.port.to_string();
        let mut command = Command::new(installed("objects/bin/moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port]).stdin(Stdio::null());
        self.process.start(&mut command).unwrap();
        until(&self.process, || self.make_bucket());
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    fn make_bucket(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let request = format!(
            "PUT /{BUCKET} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)).is_ok()
            && answer.contains(" 200 ")
    }

    fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn as_amazon(&self) -> Variables {
        variables([
            ("AWS_ENDPOINT", &self.endpoint()),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "tests"),
            ("AWS_SECRET_ACCESS_KEY", "secret-of-the-tests"),
        ])
    }

    fn as_google(&self) -> Variables {
        variables([
            ("GOOGLE_BASE_URL", &self.endpoint()),
            ("GOOGLE_ALLOW_HTTP", "true"),
            ("GOOGLE_BEARER_TOKEN", "secret-of-the-tests"),
        ])
    }
}

/// Azurite, Microsoft's own.
struct Azurite {
    _process: Process,
    port: u16,
    _home: TempDir,
}

impl Azurite {
    fn start() -> Azurite {
        let home = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let mut process = Process::new(home.path().join("log"));
        let mut command = Command::new("node");
        command
            .arg(installed("azure/node_modules/azurite/dist/src/blob/main.js"))
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent"])
            .args(["--skipApiVersionCheck", "--disableTelemetry", "--location"])
            .arg(home.path())
            .stdin(Stdio::null());
        process.start(&mut command).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/backup/container.js");
        until(&process, || {
            let made = Command::new("node").arg(&script).args([&port.to_string(), BUCKET]).output().unwrap();
            made.status.success()
        });
        Azurite { _process: process, port, _home: home }
    }

    fn variables(&self) -> Variables {
        variables([
            ("AZURE_STORAGE_USE_EMULATOR", "true"),
            ("AZURITE_BLOB_STORAGE_URL", &format!("http://127.0.0.1:{}", self.port)),
            ("AZURE_ALLOW_HTTP", "true"),
        ])
    }
}

/// A backup with a file of several parts, the log archived beside it, both verified and restored.
fn there_and_back(url: &str, variables: &Variables) {
    let args = ["--backup-to", url, "--archive-interval", "1", "--memtable-bytes", "16mb"].map(str::to_owned);
    let node = Server::start(&program_with(variables), &args).unwrap();
    fill(&node, 0..1000);
    fill_large(&node);
    said(&admin(&node, &["backup"]));
    fill(&node, 1000..1100);
    let then = dumps(&node);
    eventually("entries are archived", || {
        let status = status(&node);
        status["archived_revision"].as_u64() >= status["last"]["revision"].as_u64().map(|at| at + 100)
    });
    let list = said(&flotilla_with(variables, &["backup", "list", "--from", url]));
    assert_eq!(list.lines().count(), 2, "{list}");
    let verified = said(&flotilla_with(variables, &["backup", "verify", "--from", url]));
    assert!(verified.contains("is sound"), "{verified}");
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    said(&flotilla_with(variables, &["restore", "--from", url, "--data-dir", data.to_str().unwrap()]));
    assert_eq!(dumps(&start_on(&data, &[])), then);
    said(&admin(&node, &["backup"]));
    let told = said(&flotilla_with(variables, &["backup", "prune", "--from", url, "--keep", "1"]));
    assert!(told.contains("1 backups deleted"), "{told}");
    said(&flotilla_with(variables, &["backup", "verify", "--from", url]));
}

#[test]
fn backups_go_to_google() {
    let moto = Moto::start();
    there_and_back(&format!("gs://{BUCKET}/some/where"), &moto.as_google());
}

#[test]
fn backups_go_to_microsoft() {
    let azurite = Azurite::start();
    there_and_back(&format!("az://{BUCKET}/some/where"), &azurite.variables());
}
