//! TLS for clients: its parameters, by Redis's names; and for the HTTP port, with the same certificate.

use super::{
    Values,
    parameter::{Change, Kind, Parameter},
    table::{PORT, row},
};
use crate::tls::{CallerCertificates, CallerName, ServerOptions, Versions};
use std::path::PathBuf;

pub(super) static PARAMETERS: &[Parameter] = &[
    row(
        "tls-port",
        PORT,
        "0",
        Change::Start,
        "TCP port for clients that speak TLS; 0 = none. With `port 0` beside it there is no port without TLS.",
    ),
    row(
        "tls-cert-file",
        Kind::Text,
        "",
        Change::Start,
        "PEM file: the certificate for clients, with those between it and its CA. Read again when it changes, for new connections.",
    ),
    row(
        "tls-key-file",
        Kind::Text,
        "",
        Change::Start,
        "PEM file: the key of `tls-cert-file`, not encrypted.",
    ),
    row(
        "tls-ca-cert-file",
        Kind::Text,
        "",
        Change::Start,
        "PEM file: the CAs that clients' certificates must come from. Required unless `tls-auth-clients` is no.",
    ),
    row(
        "tls-auth-clients",
        Kind::Choice(&["no", "yes", "optional"]),
        "yes",
        Change::Start,
        "Whether clients need a certificate: yes = each of them, optional = one that is shown must be valid, no = none is asked for. \
         A certificate takes a password's place only by `tls-auth-clients-user`.",
    ),
    row(
        "tls-auth-clients-user",
        Kind::Choice(&["off", "CN", "URI"]),
        "off",
        Change::Start,
        "What a client's certificate names its user by: CN = the common name of its subject, URI = the first URI of its alternative \
         names. The connection is that user's at once, if there is one and it is on.",
    ),
    row(
        "tls-protocols",
        Kind::Text,
        "",
        Change::Start,
        "Versions of TLS for clients, separated by spaces: TLSv1.2, TLSv1.3; empty = both.",
    ),
    row(
        "http-tls",
        Kind::Bool,
        "no",
        Change::Start,
        "Whether `http-port` speaks TLS, with `tls-cert-file` and `tls-key-file`. It asks nobody for a certificate.",
    ),
];

/// A port with TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientTls {
    pub port: u16,
    pub options: ServerOptions,
    /// `None`: certificates name no users.
    pub user_by: Option<CallerName>,
}

impl ClientTls {
    /// `None`: there is no port with TLS.
    pub(super) fn new(values: &Values) -> Result<Option<ClientTls>, String> {
        let port = values.number("tls-port")?;
        if port == 0 {
            return Ok(None);
        }
        let callers = match values.get("tls-auth-clients") {
            "no" => CallerCertificates::Ignored,
            "optional" => CallerCertificates::Optional,
            _ => CallerCertificates::Required,
        };
        let authority = file(values, "tls-ca-cert-file");
        if authority.is_none() && callers != CallerCertificates::Ignored {
            return Err("tls-port needs tls-ca-cert-file, or tls-auth-clients no".into());
        }
        let options = ServerOptions {
            certificate: needed(values, "tls-port", "tls-cert-file")?,
            key: needed(values, "tls-port", "tls-key-file")?,
            authority,
            callers,
            versions: versions(values.get("tls-protocols"))?,
            protocols: &[],
        };
        let user_by = match values.get("tls-auth-clients-user") {
            "CN" => Some(CallerName::CommonName),
            "URI" => Some(CallerName::Uri),
            _ => None,
        };
        if user_by.is_some() && callers == CallerCertificates::Ignored {
            return Err(
                "tls-auth-clients-user needs certificates: set tls-auth-clients to yes or optional".into()
            );
        }
        Ok(Some(ClientTls { port, options, user_by }))
    }
}

/// What the HTTP port's TLS is made of; `None`: it speaks none. Who scrapes or probes a node need not be its client.
pub(super) fn http_tls(values: &Values) -> Result<Option<ServerOptions>, String> {
    if values.get("http-tls") != "yes" {
        return Ok(None);
    }
    Ok(Some(ServerOptions {
        certificate: needed(values, "http-tls", "tls-cert-file")?,
        key: needed(values, "http-tls", "tls-key-file")?,
        authority: None,
        callers: CallerCertificates::Ignored,
        versions: versions(values.get("tls-protocols"))?,
        protocols: &[b"http/1.1"],
    }))
}

fn file(values: &Values, name: &str) -> Option<PathBuf> {
    Some(PathBuf::from(values.get(name))).filter(|path| !path.as_os_str().is_empty())
}

fn needed(values: &Values, by: &str, name: &str) -> Result<PathBuf, String> {
    file(values, name).ok_or_else(|| format!("{by} needs {name}"))
}

/// As in Redis, case does not matter.
fn versions(text: &str) -> Result<Versions, String> {
    if text.trim().is_empty() {
        return Ok(Versions::ALL);
    }
    let mut versions = Versions { tls12: false, tls13: false };
    for word in text.split_whitespace() {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => versions.tls12 = true,
            "tlsv1.3" => versions.tls13 = true,
            _ => return Err(format!("tls-protocols: '{word}' is not TLSv1.2 or TLSv1.3")),
        }
    }
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use super::{super::table::find, *};

    fn read(set: &[(&str, &str)]) -> Result<Option<ClientTls>, String> {
        let mut values = Values::default();
        for (name, value) in set {
            values.set(find(name).unwrap(), value).unwrap();
        }
        ClientTls::new(&values)
    }

    #[test]
    fn a_port_needs_its_files() {
        const FILES: [(&str, &str); 3] =
            [("tls-port", "6380"), ("tls-cert-file", "c"), ("tls-key-file", "k")];
        let with = |more: &[(&str, &str)]| read(&[&FILES[..], more].concat());
        assert_eq!(read(&[("tls-cert-file", "c")]), Ok(None));
        assert_eq!(with(&[]), Err("tls-port needs tls-ca-cert-file, or tls-auth-clients no".into()));
        assert_eq!(
            read(&[("tls-port", "1"), ("tls-auth-clients", "no")]),
            Err("tls-port needs tls-cert-file".into())
        );
        let open = with(&[("tls-auth-clients", "no")]).unwrap().unwrap();
        assert_eq!((open.port, open.options.callers), (6380, CallerCertificates::Ignored));
        let closed = with(&[("tls-ca-cert-file", "a"), ("tls-protocols", "tlsV1.3")]).unwrap().unwrap();
        assert_eq!(closed.options.callers, CallerCertificates::Required);
        assert_eq!(closed.options.versions, Versions { tls12: false, tls13: true });
        let named = with(&[("tls-ca-cert-file", "a"), ("tls-auth-clients-user", "URI")]).unwrap().unwrap();
        assert_eq!(named.user_by, Some(CallerName::Uri));
        assert!(with(&[("tls-auth-clients", "no"), ("tls-auth-clients-user", "CN")]).is_err());
        let http = |set: &[(&str, &str)]| {
            let mut values = Values::default();
            for (name, value) in set {
                values.set(find(name).unwrap(), value).unwrap();
            }
            http_tls(&values)
        };
        assert_eq!(http(&FILES), Ok(None));
        assert_eq!(http(&[("http-tls", "yes")]), Err("http-tls needs tls-cert-file".into()));
        let probed = http(&[&FILES[..], &[("tls-ca-cert-file", "a"), ("http-tls", "yes")]].concat());
        assert_eq!(probed.unwrap().unwrap().callers, CallerCertificates::Ignored);
        let old = with(&[("tls-auth-clients", "no"), ("tls-protocols", "TLSv1.1 TLSv1.2")]);
        assert_eq!(old, Err("tls-protocols: 'TLSv1.1' is not TLSv1.2 or TLSv1.3".into()));
    }
}
