//! Mutual TLS: the right certificate and no other.

use super::{Echo, MEMBERS_ONLY, SOON};
use crate::peer::{CallError, Groups, Lane, LocalIdentity, PeerClient, Tls, serve};
use bytes::Bytes;
use resp_tests::certificates::{Authority, long_ago};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

fn open(files: &[PathBuf; 3]) -> Arc<Tls> {
    Arc::new(Tls::open(&files[0], &files[1], &files[2]).unwrap())
}

fn node(id: u64, tls: Option<Arc<Tls>>) -> Arc<LocalIdentity> {
    let identity = LocalIdentity::new(id, format!("core-{id}"), String::new(), Some("own".into()));
    Arc::new(identity.with_tls(tls))
}

/// core-2, with this certificate.
fn start(tls: Option<Arc<Tls>>) -> (SocketAddr, Arc<Echo>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let echo = Arc::new(Echo::default());
    let identity = node(2, tls);
    identity.set_names([(1, "core-1".to_owned())].into());
    tokio::spawn(serve(
        listener,
        identity,
        Groups::one(Arc::<Echo>::clone(&echo) as _),
        std::future::pending(),
    ));
    (address, echo)
}

async fn call(address: SocketAddr, identity: Arc<LocalIdentity>) -> Result<Bytes, CallError> {
    let client = PeerClient::new(&address.to_string(), 2, identity);
    let unary = client.call(MEMBERS_ONLY, Bytes::new(), SOON).await;
    let line = client.send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON).await;
    assert_eq!(unary.is_ok(), line.is_ok(), "{unary:?} {line:?}");
    unary
}

#[tokio::test]
async fn only_nodes_with_a_certificate_of_their_own_name_are_served() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let (address, echo) = start(Some(open(&ours.files("two", &["core-2", "127.0.0.1"], |_| {}))));
    let first = ours.files("one", &["core-1", "127.0.0.1"], |_| {});
    assert!(call(address, node(1, Some(open(&first)))).await.is_ok());
    let served = echo.0.load(Ordering::SeqCst);
    assert_eq!(served, 2);
    let other_name = ours.files("other", &["core-7", "127.0.0.1"], |_| {});
    let stranger = foreign.files("one", &["core-1", "127.0.0.1"], |_| {});
    let trusting = [stranger[0].clone(), stranger[1].clone(), first[2].clone()];
    let expired = ours.files("expired", &["core-1", "127.0.0.1"], long_ago);
    for (what, tls) in [
        ("a certificate of another name", Some(open(&other_name))),
        ("a foreign authority", Some(open(&stranger))),
        ("a foreign certificate, trusting the right authority", Some(open(&trusting))),
        ("an expired certificate", Some(open(&expired))),
        ("plain text", None),
    ] {
        let refused = call(address, node(1, tls)).await;
        assert!(refused.is_err(), "{what}");
    }
    // The right name for its certificate, but node 1 is known as core-1.
    let refused = {
        let identity = LocalIdentity::new(1, "core-7".into(), String::new(), Some("own".into()));
        call(address, Arc::new(identity.with_tls(Some(open(&other_name))))).await
    };
    assert_eq!(refused, Err(CallError::Refused("node 1 is not named \"core-7\"".into())));
    assert_eq!(echo.0.load(Ordering::SeqCst), served, "a refused call was handled");
}

#[tokio::test]
async fn a_server_must_be_who_it_is_meant_to_be() {
    let (ours, foreign) = (Authority::new(), Authority::new());
    let own = || node(1, Some(open(&ours.files("one", &["core-1", "127.0.0.1"], |_| {}))));
    let (elsewhere, _) = start(Some(open(&ours.files("two", &["core-2", "10.0.0.1"], |_| {}))));
    assert!(
        matches!(call(elsewhere, own()).await, Err(CallError::Unreachable(_))),
        "a certificate for another host"
    );
    let (stranger, _) = start(Some(open(&foreign.files("two", &["core-2", "127.0.0.1"], |_| {}))));
    assert!(matches!(call(stranger, own()).await, Err(CallError::Unreachable(_))), "a foreign authority");
    let (plain, echo) = start(None);
    assert!(call(plain, own()).await.is_err(), "a server without TLS");
    assert_eq!(echo.0.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_changed_certificate_is_used_and_a_bad_one_is_not() {
    let ours = Authority::new();
    let server = ours.files("two", &["core-2", "127.0.0.1"], long_ago);
    let (address, _) = start(Some(open(&server)));
    let own = || node(1, Some(open(&ours.files("one", &["core-1", "127.0.0.1"], |_| {}))));
    assert!(call(address, own()).await.is_err(), "an expired certificate");
    // The clock of a file system may be coarse.
    tokio::time::sleep(Duration::from_millis(50)).await;
    ours.files("two", &["core-2", "127.0.0.1"], |_| {});
    assert!(call(address, own()).await.is_ok());
    tokio::time::sleep(Duration::from_millis(50)).await;
    fs::write(&server[0], "not a certificate").unwrap();
    assert!(call(address, own()).await.is_ok(), "the old one stays in use");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_bytes_on_the_tls_port_do_no_harm() {
    let ours = Authority::new();
    let (address, echo) = start(Some(open(&ours.files("two", &["core-2", "127.0.0.1"], |_| {}))));
    let mut idle = Vec::new();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"*1\r\n$4\r\nPING\r\n",
        b"\x16\x03\x01\xff\xff",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"",
    ] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(bytes).unwrap();
        idle.push(stream);
    }
    let own = node(1, Some(open(&ours.files("one", &["core-1", "127.0.0.1"], |_| {}))));
    assert!(call(address, own).await.is_ok(), "slow handshakes keep others waiting");
    // The silent one too is closed in the end.
    let mut silent = idle.pop().unwrap();
    silent.set_read_timeout(Some(SOON * 2)).unwrap();
    assert_eq!(silent.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(echo.0.load(Ordering::SeqCst), 2);
}
