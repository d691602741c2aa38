//! A running node as the command lines reach it (`flotilla admin`, `import`, `export`): by TCP, with or without TLS, or by its
//! Unix socket. Flags are called as redis-cli calls them. Blocking.

use crate::{resp, tls};
use clap::{Arg, ArgAction, ArgMatches, value_parser};
use std::{
    fmt, fs,
    io::{self, ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    os::unix::net::UnixStream,
    path::PathBuf,
    time::Duration,
};

/// Does not wait longer for a host that does not answer.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// Where a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// Host and port, with TLS or without.
    Tcp(String, Option<tls::ClientOptions>),
    Unix(PathBuf),
}

/// A node, and who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    place: Place,
    /// A user, if not `default`, and a password; empty: without.
    login: Vec<String>,
}

/// The argument that says where the node is, by this id and long name.
pub fn place(id: &'static str, name: &'static str, help: &'static str) -> Arg {
    Arg::new(id)
        .long(name)
        .value_name("HOST:PORT")
        .default_value("127.0.0.1:6379")
        .env("FLOTILLA_SERVER")
        .help(help)
}

/// The other arguments.
pub fn arguments() -> [Arg; 9] {
    let file = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE.pem").value_parser(value_parser!(PathBuf))
    };
    [
        Arg::new("password")
            .long("password")
            .value_name("TEXT")
            .env("REDISCLI_AUTH")
            .hide_env_values(true)
            .help("Password of the node; prefer the environment, which other users cannot read"),
        Arg::new("user").long("user").value_name("NAME").help("User of the node; without it, default"),
        Arg::new("password-file")
            .long("password-file")
            .value_name("FILE")
            .help("File whose first line is the password; it counts before --password and REDISCLI_AUTH"),
        Arg::new("tls")
            .long("tls")
            .action(ArgAction::SetTrue)
            .help("Speak TLS; the same as rediss://HOST:PORT for the address"),
        file("cacert").env("SSL_CERT_FILE").help("The CA that the server's certificate must come from"),
        file("cert").requires("key").help("Certificate to show to the server"),
        file("key").requires("cert").help("Key of --cert, not encrypted"),
        Arg::new("sni").long("sni").value_name("NAME").help(
            "Name that the server's certificate must be valid for; without it, the host of the address",
        ),
        Arg::new("insecure")
            .long("insecure")
            .action(ArgAction::SetTrue)
            .help("Do not check the server's certificate: anybody on the way can read and change everything"),
    ]
}

impl Remote {
    /// Of a command line. `id`: the argument that says where the node is.
    pub fn of(matches: &ArgMatches, id: &str) -> Result<Remote, String> {
        let word = |id: &str| matches.get_one::<String>(id).cloned();
        let file = |id: &str| matches.get_one::<PathBuf>(id).cloned();
        let password = word("password-file").map(|path| first_line(&path)).transpose()?.or(word("password"));
        if word("user").is_some() && password.is_none() {
            return Err("--user needs a password: --password-file FILE or REDISCLI_AUTH".into());
        }
        let login = word("user").into_iter().chain(password).collect();
        let options = tls::ClientOptions {
            authority: file("cacert"),
            own: file("cert").zip(file("key")),
            name: word("sni"),
            is_insecure: matches.get_flag("insecure"),
        };
        let place = Place::of(&word(id).unwrap_or_default(), matches.get_flag("tls"), options)?;
        Ok(Remote { place, login })
    }

    /// The words behind AUTH; none: without.
    pub fn login(&self) -> Vec<&str> {
        self.login.iter().map(String::as_str).collect()
    }

    /// Connects. Whoever reads or writes waits no longer than `answer_max`. With TLS the server has accepted the client's
    /// certificate: an error behind this is none of the handshake.
    pub fn connect(&self, answer_max: Duration) -> io::Result<RemoteStream> {
        let (address, options) = match &self.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(answer_max))?;
                stream.set_write_timeout(Some(answer_max))?;
                return Ok(RemoteStream::Unix(stream));
            }
            Place::Tcp(address, options) => (address, options),
        };
        let stream = connect(address)?;
        stream.set_nodelay(true)?;
        let limit = |stream: &TcpStream, within| {
            stream.set_read_timeout(Some(within))?;
            stream.set_write_timeout(Some(within))
        };
        let Some(options) = options else {
            limit(&stream, answer_max)?;
            return Ok(RemoteStream::Tcp(stream));
        };
        limit(&stream, CONNECT_MAX)?;
        let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
        let mut session = options.connect(host, stream)?;
        // With TLS 1.3 a client learns only behind the handshake whether its certificate will do. Any reply says so.
        let _ = resp::ask(&mut session, &["PING"])?;
        limit(session.tcp(), answer_max)?;
        Ok(RemoteStream::Tls(session))
    }
}

fn first_line(path: &str) -> Result<String, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    let first = text.lines().next().filter(|line| !line.is_empty());
    first.map(str::to_owned).ok_or_else(|| format!("{path}: the first line is empty"))
}

impl Place {
    /// `HOST:PORT`, `redis://HOST:PORT`, `rediss://HOST:PORT`, `unix:///PATH` or `/PATH`.
    fn of(text: &str, is_tls: bool, options: tls::ClientOptions) -> Result<Place, String> {
        let path = text.strip_prefix("unix://").unwrap_or(text);
        if path.starts_with('/') {
            let alone = "a Unix socket is reached without TLS: leave out --tls";
            return if is_tls { Err(alone.into()) } else { Ok(Place::Unix(path.into())) };
        }
        let (address, is_tls) = match (text.strip_prefix("rediss://"), text.strip_prefix("redis://")) {
            (Some(address), _) => (address, true),
            (None, Some(address)) => (address, is_tls),
            (None, None) => (text, is_tls),
        };
        let address = address.trim_end_matches('/');
        if address.contains(['/', '@']) {
            let parts = "give the user by --user and the password by REDISCLI_AUTH";
            return Err(format!("'{address}' is not HOST:PORT; {parts}"));
        }
        if is_tls && options.authority.is_none() && !options.is_insecure {
            return Err("TLS needs --cacert, the CA of the server's certificate (or --insecure)".into());
        }
        if !is_tls && (options.own.is_some() || options.is_insecure || options.name.is_some()) {
            return Err("--cert, --key, --sni and --insecure are for TLS: add --tls".into());
        }
        Ok(Place::Tcp(address.to_owned(), is_tls.then_some(options)))
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(address, _) => out.write_str(address),
            Place::Unix(path) => path.display().fmt(out),
        }
    }
}

fn connect(server: &str) -> io::Result<TcpStream> {
    let mut failed = io::Error::new(ErrorKind::NotFound, "no such host");
    for address in server.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_MAX) {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// A connection.
pub enum RemoteStream {
    Tcp(TcpStream),
    Tls(tls::ClientSession),
    Unix(UnixStream),
}

impl Read for RemoteStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            RemoteStream::Tcp(stream) => stream.read(into),
            RemoteStream::Tls(stream) => stream.read(into),
            RemoteStream::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for RemoteStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            RemoteStream::Tcp(stream) => stream.write(bytes),
            RemoteStream::Tls(stream) => stream.write(bytes),
            RemoteStream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            RemoteStream::Tcp(stream) => stream.flush(),
            RemoteStream::Tls(stream) => stream.flush(),
            RemoteStream::Unix(stream) => stream.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(words: &[&str]) -> Result<Remote, String> {
        let program =
            clap::Command::new("x").no_binary_name(true).arg(place("at", "at", "")).args(arguments());
        // Whatever this machine has set.
        let unset = |argument: Arg| argument.env(clap::builder::Resettable::Reset);
        let program = program.mut_arg("cacert", unset).mut_arg("password", unset).mut_arg("at", unset);
        let matches = program.try_get_matches_from(words).map_err(|error| error.to_string())?;
        Remote::of(&matches, "at")
    }

    #[test]
    fn places_are_read_or_refused() {
        let tls = |words: &[&str]| match remote(words).unwrap().place {
            Place::Tcp(address, options) => (address, options),
            Place::Unix(path) => panic!("{path:?}"),
        };
        assert_eq!(tls(&["--at", "h:1"]), ("h:1".into(), None));
        assert_eq!(tls(&["--at", "redis://h:1/"]), ("h:1".into(), None));
        let (address, options) = tls(&["--at", "rediss://[::1]:2", "--cacert", "ca"]);
        assert_eq!((address.as_str(), options.unwrap().authority), ("[::1]:2", Some("ca".into())));
        assert!(tls(&["--at", "h:1", "--tls", "--insecure"]).1.unwrap().is_insecure);
        for path in ["/run/f.sock", "unix:///run/f.sock"] {
            assert_eq!(remote(&["--at", path]).unwrap().to_string(), "/run/f.sock");
        }
        for (words, text) in [
            (&["--at", "rediss://h:1"][..], "TLS needs --cacert"),
            (&["--at", "h:1", "--insecure"], "add --tls"),
            (&["--at", "/run/f.sock", "--tls", "--insecure"], "leave out --tls"),
            (&["--at", "redis://:secret@h:1"], "REDISCLI_AUTH"),
            (&["--at", "h:1", "--tls", "--insecure", "--cert", "c"], "--key"),
        ] {
            let why = remote(words).unwrap_err();
            assert!(why.contains(text), "{words:?}: {why}");
        }
    }
}
