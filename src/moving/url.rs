//! `redis://user:password@host:port`, as people write where a Redis is.

use crate::session::{SourceSettings, SourceTls};
use std::{fs, path::Path};
use url::{Host, Url};

const PORT: u16 = 6379;

/// What the command line says about TLS.
#[derive(Debug, Default)]
pub struct TlsFiles<'a> {
    pub authority: Option<&'a Path>,
    pub certificate: Option<&'a Path>,
    pub key: Option<&'a Path>,
    pub name: String,
    pub is_insecure: bool,
}

/// Reads a URL, and the files that TLS needs. `password`: from elsewhere; it counts before the one in the URL. No error shows a
/// password.
pub fn settings(
    text: &str,
    password: Option<String>,
    files: &TlsFiles<'_>,
) -> Result<SourceSettings, String> {
    let form = "the source is redis://[USER:PASSWORD@]HOST[:PORT], or rediss:// for TLS";
    let url = Url::parse(text).map_err(|error| format!("{form}: {error}"))?;
    let is_tls = match url.scheme() {
        "redis" | "valkey" => false,
        "rediss" | "valkeys" => true,
        _ => return Err(form.into()),
    };
    if !matches!(url.path(), "" | "/" | "/0") {
        return Err("leave out the database: all databases of the source are followed".into());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(form.into());
    }
    let host = match url.host() {
        Some(Host::Ipv6(address)) => address.to_string(),
        Some(host) => host.to_string(),
        None => return Err(form.into()),
    };
    let plain = |text: &str| decoded(text).ok_or("a user or password in a URL must be percent-encoded UTF-8");
    let in_url = url.password().map(plain).transpose()?;
    let password = password.or(in_url).unwrap_or_default();
    let user = plain(url.username())?;
    if !user.is_empty() && password.is_empty() {
        return Err("a user needs a password: FLOTILLA_SOURCE_PASSWORD, or in the URL".into());
    }
    let tls = if is_tls { Some(tls(files)?) } else { None };
    if !is_tls && (files.authority.is_some() || files.certificate.is_some() || files.is_insecure) {
        return Err("--source-cacert, --source-cert and --source-insecure are for rediss://".into());
    }
    Ok(SourceSettings { host, port: url.port().unwrap_or(PORT), user, password, tls })
}

fn tls(files: &TlsFiles<'_>) -> Result<SourceTls, String> {
    let read = |path: Option<&Path>| match path {
        None => Ok(String::new()),
        Some(path) => fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display())),
    };
    if files.authority.is_none() && !files.is_insecure {
        return Err(
            "TLS needs --source-cacert, the CA of the source's certificate (or --source-insecure)".into()
        );
    }
    Ok(SourceTls {
        authority: read(files.authority)?,
        certificate: read(files.certificate)?,
        key: read(files.key)?,
        name: files.name.clone(),
        is_insecure: files.is_insecure,
    })
}

/// Without percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SourceSettings, String> {
        settings(text, None, &TlsFiles::default())
    }

    #[test]
    fn places_are_read_or_refused() {
        let plain = read("redis://h").unwrap();
        assert_eq!((plain.address(), plain.password.as_str()), ("h:6379".into(), ""));
        let full = read("redis://us%40er:p%3Aw@[::1]:7/").unwrap();
        assert_eq!(
            (full.address(), full.user.as_str(), full.password.as_str()),
            ("[::1]:7".into(), "us@er", "p:w")
        );
        let other = settings("redis://:in-url@h:1", Some("given".into()), &TlsFiles::default()).unwrap();
        assert_eq!(other.password, "given");
        let insecure = TlsFiles { is_insecure: true, ..TlsFiles::default() };
        assert!(settings("rediss://h", None, &insecure).unwrap().tls.unwrap().is_insecure);
        for (text, why) in [
            ("h:6379", "redis://"),
            ("http://h", "redis://"),
            ("redis://h/3", "all databases"),
            ("redis://h?x=1", "redis://"),
            ("redis://user@h", "needs a password"),
            ("rediss://h", "--source-cacert"),
            ("redis://:%ff@h", "percent-encoded"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let error = read("redis://user:secret@h:99999").unwrap_err();
        assert!(!error.contains("secret"), "{error}");
        assert!(settings("redis://h", None, &insecure).unwrap_err().contains("rediss://"));
    }
}
