//! Clients that speak TLS: whose certificate lets them in, what happens to certificates that change, and that everything
//! else is as it is without TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod everywhere;
mod libraries;
mod users;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use resp_tests::certificates::{Authority, long_ago};
use resp_tests::ports::free_port;
use resp_tests::process::Process;
use resp_tests::server::{Program, Server};
use resp_tests::support::{bulk, call, eventually, ok};
use resp_tests::value::{Value, decode, encode};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version};

const WAIT: Duration = Duration::from_secs(20);
/// More than the buffers of two sockets and of TLS.
const LARGE: usize = 20 << 20;

/// A server with a TLS port and a plain one, and the authority of its clients.
struct Guarded {
    authority: Authority,
    files: [PathBuf; 3],
    server: Server,
    port: u16,
}

impl Guarded {
    fn start(more: &[&str]) -> Guarded {
        let authority = Authority::new();
        let files = authority.files("server", &["127.0.0.1"], |_| {});
        let port = free_port().unwrap();
        let [certificate, key, ca] = files.clone().map(|path| path.display().to_string());
        let mut args =
            ["--tls-port", &port.to_string(), "--tls-cert-file", &certificate].map(str::to_owned).to_vec();
        args.extend(["--tls-key-file", &key, "--tls-ca-cert-file", &ca].map(str::to_owned));
        args.extend(more.iter().map(|word| (*word).to_owned()));
        Guarded { server: Server::start(&Program::product(), &args).unwrap(), authority, files, port }
    }

    /// A client that trusts the server's authority and shows nothing.
    fn client(&self) -> io::Result<Client> {
        Client::open(self.port, &self.files[2], None, &[&version::TLS13, &version::TLS12])
    }

    fn client_with(&self, files: &[PathBuf; 3]) -> io::Result<Client> {
        Client::open(self.port, &self.files[2], Some(files), &[&version::TLS13, &version::TLS12])
    }

    /// A client with a certificate that need not be let in by it.
    fn client_with_any(&self, files: &[PathBuf; 3]) -> io::Result<Client> {
        Client::connect(self.port, &self.files[2], Some(files), &[&version::TLS13, &version::TLS12])
    }

    fn client_without(&self) -> io::Result<Client> {
        Client::connect(self.port, &self.files[2], None, &[&version::TLS13])
    }
}

/// A connection that speaks TLS.
struct Client {
    stream: StreamOwned<ClientConnection, TcpStream>,
    unread: Vec<u8>,
}

impl Client {
    /// A certificate that the server refuses is an error here only with TLS 1.2; else it is when something is read.
    fn open(
        port: u16,
        ca: &PathBuf,
        own: Option<&[PathBuf; 3]>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Client> {
        let mut client = Client::connect(port, ca, own, versions)?;
        match client.call(&["PING"])? {
            Value::Simple(text) if text == b"PONG" => Ok(client),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    fn connect(
        port: u16,
        ca: &PathBuf,
        own: Option<&[PathBuf; 3]>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<Client> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            None => config.with_no_client_auth(),
            Some([certificate, key, _]) => {
                let chain = vec![CertificateDer::from_pem_file(certificate).unwrap()];
                config.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap()).unwrap()
            }
        };
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(WAIT))?;
        socket.set_write_timeout(Some(WAIT))?;
        Ok(Client { stream: StreamOwned::new(connection, socket), unread: vec![] })
    }

    fn call(&mut self, words: &[&str]) -> io::Result<Value> {
        self.stream.write_all(&encode(words))?;
        self.receive()
    }

    fn receive(&mut self) -> io::Result<Value> {
        loop {
            if let Some((value, length)) = decode(&self.unread).map_err(io::Error::other)? {
                self.unread.drain(..length);
                return Ok(value);
            }
            let mut chunk = vec![0; 1 << 16];
            match self.stream.read(&mut chunk)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                read => self.unread.extend_from_slice(&chunk[..read]),
            }
        }
    }
}

#[test]
fn commands_pipelines_and_large_values_go_through_tls() {
    let guarded = Guarded::start(&["--tls-auth-clients", "no"]);
    let mut client = guarded.client().unwrap();
    let large = "x".repeat(LARGE);
    assert_eq!(client.call(&["SET", "large", &large]).unwrap(), ok());
    assert_eq!(client.call(&["GET", "large"]).unwrap(), bulk(&large));
    let increments: Vec<u8> = (0..5000).flat_map(|_| encode(&["INCR", "n"])).collect();
    client.stream.write_all(&increments).unwrap();
    for n in 1..=5000 {
        assert_eq!(client.receive().unwrap(), Value::Integer(n));
    }
    // A client that is slow to read gets all the same, and nobody waits for it.
    client.stream.write_all(&encode(&["GET", "large"])).unwrap();
    thread::sleep(Duration::from_millis(300));
    let mut other = guarded.client().unwrap();
    assert_eq!(other.call(&["GET", "n"]).unwrap(), bulk("5000"));
    assert_eq!(client.receive().unwrap(), bulk(&large));
    // Messages come to a client that only listens.
    client.stream.write_all(&encode(&["SUBSCRIBE", "news"])).unwrap();
    client.receive().unwrap();
    for n in 0..100 {
        let text = format!("message {n}");
        assert_eq!(
            call(&mut guarded.server.connect().unwrap(), &["PUBLISH", "news", &text]),
            Value::Integer(1)
        );
        assert_eq!(client.receive().unwrap(), Value::Array(vec![bulk("message"), bulk("news"), bulk(&text)]));
    }
}

/// A close is noticed although TLS has a close of its own: what is pushed afterwards stays.
#[test]
fn nothing_is_popped_for_a_client_that_has_gone() {
    let guarded = Guarded::start(&["--tls-auth-clients", "no"]);
    let mut plain = guarded.server.connect().unwrap();
    for says_so in [true, false] {
        let mut client = guarded.client().unwrap();
        client.stream.write_all(&encode(&["BLPOP", "queue", "0"])).unwrap();
        let is_blocked = |count: &str| {
            resp_tests::cluster::field(&guarded.server, "blocked_clients").as_deref() == Some(count)
        };
        eventually("it waits", || is_blocked("1"));
        if says_so {
            client.stream.conn.send_close_notify();
            client.stream.flush().unwrap();
        }
        drop(client);
        eventually("it is gone", || is_blocked("0"));
        assert_eq!(call(&mut plain, &["RPUSH", "queue", "precious"]), Value::Integer(1));
        assert_eq!(call(&mut plain, &["LPOP", "queue"]), bulk("precious"));
    }
}

#[test]
fn only_clients_with_a_valid_certificate_of_the_authority_are_served() {
    let foreign = Authority::new();
    for (mode, without) in [("yes", false), ("optional", true)] {
        let guarded = Guarded::start(&["--tls-auth-clients", mode]);
        let own = guarded.authority.files("client", &["a client"], |_| {});
        assert!(guarded.client_with(&own).is_ok(), "{mode}");
        assert_eq!(guarded.client().is_ok(), without, "{mode}: no certificate");
        let stranger = foreign.files("client", &["a client"], |_| {});
        let expired = guarded.authority.files("expired", &["a client"], long_ago);
        for (what, files) in [("foreign or self-signed", stranger), ("expired", expired)] {
            assert!(guarded.client_with(&files).is_err(), "{mode}: {what}");
        }
        assert!(guarded.client_with(&own).is_ok(), "{mode}: after others were refused");
    }
}

#[test]
fn versions_of_tls_are_those_that_are_set() {
    let guarded = Guarded::start(&["--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3"]);
    let open = |version| Client::open(guarded.port, &guarded.files[2], None, &[version]);
    assert!(open(&version::TLS13).is_ok());
    assert!(open(&version::TLS12).is_err());
    let both = Guarded::start(&["--tls-auth-clients", "no"]);
    assert!(Client::open(both.port, &both.files[2], None, &[&version::TLS12]).is_ok());
}

#[test]
fn a_changed_certificate_is_for_new_connections_and_a_bad_one_for_nobody() {
    let guarded = Guarded::start(&["--tls-auth-clients", "no"]);
    let mut old = guarded.client().unwrap();
    // The clock of a file system may be coarse.
    thread::sleep(Duration::from_millis(50));
    let other = Authority::new();
    let renewed = other.files("renewed", &["127.0.0.1"], |_| {});
    for (from, to) in renewed.iter().zip(&guarded.files).take(2) {
        std::fs::copy(from, to).unwrap();
    }
    assert!(guarded.client().is_err(), "the old authority has not signed it");
    let new = || Client::open(guarded.port, &renewed[2], None, &[&version::TLS13]);
    assert!(new().is_ok());
    assert_eq!(old.call(&["SET", "still", "here"]).unwrap(), ok());
    thread::sleep(Duration::from_millis(50));
    std::fs::write(&guarded.files[0], "no certificate").unwrap();
    assert!(new().is_ok(), "the one before stays in use");
    assert!(guarded.server.has_said("the changed certificate is not valid"));
    assert_eq!(old.call(&["GET", "still"]).unwrap(), bulk("here"));
}

#[test]
fn half_a_hello_or_another_protocol_is_closed_and_keeps_nobody_waiting() {
    let guarded = Guarded::start(&["--tls-auth-clients", "no", "--preauth-timeout-ms", "1500"]);
    let mut strangers = vec![];
    for bytes in [
        &b""[..],
        b"\x16\x03\x01\x02\x00\x01",
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff",
    ] {
        for _ in 0..20 {
            let mut stranger = TcpStream::connect(("127.0.0.1", guarded.port)).unwrap();
            stranger.write_all(bytes).unwrap();
            stranger.set_read_timeout(Some(WAIT)).unwrap();
            strangers.push(stranger);
        }
    }
    let began = Instant::now();
    assert!(guarded.client().is_ok());
    let served_after = began.elapsed();
    for stranger in &mut strangers {
        // An alert at most, then the end.
        let mut answer = vec![];
        let ended = stranger.read_to_end(&mut answer);
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
        assert!(answer.len() < 100, "{answer:?}");
    }
    assert!(served_after < WAIT / 2, "a client waited for {served_after:?}");
    eventually("their places are free", || {
        resp_tests::cluster::field(&guarded.server, "connected_clients").as_deref() == Some("1")
    });
}

#[test]
fn with_port_0_clients_come_by_tls_only() {
    let authority = Authority::new();
    let [certificate, key, ca] =
        authority.files("server", &["127.0.0.1"], |_| {}).map(|path| path.display().to_string());
    let port = free_port().unwrap();
    let home = tempfile::tempdir().unwrap();
    let http = free_port().unwrap();
    let mut process = Process::new(home.path().join("log"));
    let mut command = Command::new(Program::product().path);
    command
        .args(["--port", "0", "--tls-port", &port.to_string(), "--tls-auth-clients", "no"])
        .args(["--tls-cert-file", &certificate, "--tls-key-file", &key])
        .args(["--http-port", &http.to_string(), "--peer-port", &free_port().unwrap().to_string()])
        .arg("--data-dir")
        .arg(home.path().join("data"));
    process.start(&mut command).unwrap();
    let open = || Client::open(port, &PathBuf::from(&ca), None, &[&version::TLS13]);
    eventually("it serves", || open().is_ok());
    let Value::Bulk(info) = open().unwrap().call(&["INFO", "server"]).unwrap() else { panic!("INFO") };
    assert!(String::from_utf8(info).unwrap().contains(&format!("tcp_port:{port}")));
    // The ports that it listens on, as the kernel sees them: TLS, HTTP, and the one for edges.
    let listening = listening_ports(process.pid().unwrap());
    assert_eq!(listening.len(), 3, "{listening:?}");
    assert!(listening.contains(&port) && listening.contains(&http), "{listening:?}");
}

/// The TCP ports on which a process listens.
fn listening_ports(pid: u32) -> BTreeSet<u16> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let sockets: BTreeSet<String> = links
        .filter_map(|link| std::fs::read_link(link.unwrap().path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|target| Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let port = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // State 0A is LISTEN; the tenth word is the socket's number.
        let is_own =
            words.get(3) == Some(&"0A") && words.get(9).is_some_and(|inode| sockets.contains(*inode));
        is_own.then(|| u16::from_str_radix(words[1].rsplit_once(':')?.1, 16).ok())?
    };
    table.lines().skip(1).filter_map(port).collect()
}

#[test]
fn a_tls_port_without_its_files_is_refused_at_start() {
    for (args, text) in [
        (&["--tls-port", "1"][..], "tls-port needs tls-ca-cert-file, or tls-auth-clients no"),
        (&["--tls-port", "1", "--tls-auth-clients", "no"], "tls-port needs tls-cert-file"),
        (
            &[
                "--tls-port",
                "1",
                "--tls-auth-clients",
                "no",
                "--tls-cert-file",
                "/none",
                "--tls-key-file",
                "/none",
            ],
            "/none",
        ),
    ] {
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(Program::product().path)
            .args(["--port", "0", "--http-port", "0", "--data-dir"])
            .arg(home.path())
            .args(args)
            .output()
            .unwrap();
        assert!(!output.status.success());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(text), "{args:?}: {told}");
    }
}

/// redis-cli and redis-benchmark, with a certificate of their own.
#[test]
fn the_tools_of_redis_speak_tls_to_it() {
    let guarded = Guarded::start(&[]);
    let own = guarded.authority.files("client", &["a client"], |_| {});
    let [certificate, key, ca] = own.map(|path| path.display().to_string());
    let run = |program: &str, words: &[&str]| {
        let output = Command::new(program)
            .args([
                "-p",
                &guarded.port.to_string(),
                "--tls",
                "--cacert",
                &ca,
                "--cert",
                &certificate,
                "--key",
                &key,
            ])
            .args(words)
            .output()
            .unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(run("redis-cli", &["SET", "k", "v"]), (true, "OK\n".into()));
    assert_eq!(run("redis-cli", &["GET", "k"]), (true, "v\n".into()));
    let (is_well, told) =
        run("redis-benchmark", &["-t", "set,get", "-n", "2000", "-c", "20", "-P", "4", "-q"]);
    assert!(is_well && told.contains("GET: ") && !told.contains("Error"), "{told}");
}
