//! Certificates that name users.

use rcgen::{CertificateParams, DnType, SanType};
use resp_tests::support::{bulk, call, eventually, ok};
use resp_tests::value::Value;

use crate::{Client, Guarded};

fn named(name: &str) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.distinguished_name.push(DnType::CommonName, name)
}

fn refusal(client: &mut Client, words: &[&str]) -> String {
    match client.call(words).unwrap() {
        Value::Error(text) => String::from_utf8(text).unwrap(),
        other => panic!("{words:?}: {other:?}"),
    }
}

/// A server whose user `default` has a password, so that only a certificate lets a client do without one.
fn start(more: &[&str]) -> Guarded {
    let guarded = Guarded::start(&[&["--requirepass", "secret"], more].concat());
    let mut admin = guarded.server.connect().unwrap();
    assert_eq!(call(&mut admin, &["AUTH", "secret"]), ok());
    for (name, state) in [("alice", "on"), ("spiffe://site/bob", "on"), ("carol", "off")] {
        assert_eq!(call(&mut admin, &["ACL", "SETUSER", name, state, "~a*", "+@all"]), ok());
    }
    guarded
}

#[test]
fn a_certificate_is_a_users_and_only_while_there_is_that_user() {
    let guarded = start(&["--tls-auth-clients-user", "CN"]);
    let own = guarded.authority.files("alice", &["a client"], named("alice"));
    let mut alice = guarded.client_with_any(&own).unwrap();
    assert_eq!(alice.call(&["ACL", "WHOAMI"]).unwrap(), bulk("alice"));
    assert_eq!(alice.call(&["SET", "a1", "v"]).unwrap(), ok());
    assert!(refusal(&mut alice, &["SET", "b1", "v"]).starts_with("NOPERM"));
    // Of users that are off or not there, and of nobody.
    for name in ["carol", "mallory", "ALICE", "default\0", ""] {
        let files = guarded.authority.files("other", &["alice"], named(name));
        let mut other = guarded.client_with_any(&files).unwrap();
        assert!(refusal(&mut other, &["GET", "a1"]).starts_with("NOAUTH"), "{name:?}");
        assert_eq!(other.call(&["AUTH", "secret"]).unwrap(), ok());
        assert_eq!(other.call(&["ACL", "WHOAMI"]).unwrap(), bulk("default"));
    }
    // RESET leaves what it leaves without a certificate, and a user that goes takes its connections along.
    let mut second = guarded.client_with_any(&own).unwrap();
    assert_eq!(second.call(&["RESET"]).unwrap(), Value::Simple(b"RESET".to_vec()));
    assert!(refusal(&mut second, &["GET", "a1"]).starts_with("NOAUTH"));
    let mut admin = guarded.server.connect().unwrap();
    call(&mut admin, &["AUTH", "secret"]);
    assert_eq!(call(&mut admin, &["ACL", "DELUSER", "alice"]), Value::Integer(1));
    eventually("the session has ended", || alice.call(&["PING"]).is_err());
    let mut nobody = guarded.client_with_any(&own).unwrap();
    assert!(refusal(&mut nobody, &["GET", "a1"]).starts_with("NOAUTH"));
}

#[test]
fn the_name_may_be_a_uri_and_counts_only_if_asked_for() {
    let uri = |params: &mut CertificateParams| {
        params.subject_alt_names.push(SanType::URI("spiffe://site/bob".try_into().unwrap()));
        params.distinguished_name.push(DnType::CommonName, "alice");
    };
    for (mode, user) in [("URI", Some("spiffe://site/bob")), ("CN", Some("alice")), ("off", None)] {
        let guarded = start(&["--tls-auth-clients-user", mode]);
        let own = guarded.authority.files("bob", &["a client"], uri);
        let mut client = guarded.client_with_any(&own).unwrap();
        match user {
            Some(user) => assert_eq!(client.call(&["ACL", "WHOAMI"]).unwrap(), bulk(user), "{mode}"),
            None => assert!(refusal(&mut client, &["ACL", "WHOAMI"]).starts_with("NOAUTH"), "{mode}"),
        }
    }
}

/// A name is no user's without the authority's signature, and a client without a certificate has none.
#[test]
fn a_certificate_of_another_authority_names_nobody() {
    let guarded = start(&["--tls-auth-clients-user", "CN", "--tls-auth-clients", "optional"]);
    let foreign = resp_tests::certificates::Authority::new();
    let forged = foreign.files("alice", &["a client"], named("alice"));
    assert!(guarded.client_with_any(&forged).and_then(|mut client| client.call(&["PING"])).is_err());
    let mut without = guarded.client_without().unwrap();
    assert!(refusal(&mut without, &["GET", "a1"]).starts_with("NOAUTH"));
}
