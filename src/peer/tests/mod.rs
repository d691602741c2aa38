//! Two ends of a call in one process.

mod feed;
mod multiplexed;
mod tls;

use super::{Answer, CallError, FIRST_MEMBER_KIND, Groups, Handler, LocalIdentity, PeerClient, serve};
use bytes::Bytes;
use futures::future::BoxFuture;
use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

const MEMBERS_ONLY: u32 = FIRST_MEMBER_KIND;
const ANYBODY: u32 = 1;
const SLOW: u32 = FIRST_MEMBER_KIND + 1;
const REFUSED: u32 = FIRST_MEMBER_KIND + 2;
const SOON: Duration = Duration::from_secs(5);

/// Answers with what it got, and counts.
#[derive(Default)]
struct Echo(AtomicU32);

impl Handler for Echo {
    fn call(&self, from: u64, kind: u32, body: Bytes) -> BoxFuture<'static, Answer> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match kind {
                SLOW => {
                    tokio::time::sleep(SOON * 2).await;
                    Ok(body)
                }
                REFUSED => Err(CallError::Refused("not today".into())),
                _ => Ok([format!("{from} ").as_bytes(), &body].concat().into()),
            }
        })
    }
}

fn identity(node_id: u64, cluster: Option<&str>) -> Arc<LocalIdentity> {
    let name = format!("core-{node_id}");
    Arc::new(LocalIdentity::new(node_id, name, String::new(), cluster.map(str::to_owned)))
}

/// Node 2 of cluster "own"; ends with the runtime.
fn start() -> (SocketAddr, Arc<Echo>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let echo = Arc::new(Echo::default());
    let handler: Arc<dyn Handler> = Arc::<Echo>::clone(&echo);
    tokio::spawn(serve(listener, identity(2, Some("own")), Groups::one(handler), std::future::pending()));
    (address, echo)
}

fn client(address: SocketAddr, to: u64, cluster: Option<&str>) -> PeerClient {
    PeerClient::new(&address.to_string(), to, identity(1, cluster))
}

#[tokio::test]
async fn a_member_is_answered_whatever_the_size() {
    let (address, _) = start();
    let client = client(address, 2, Some("own"));
    assert_eq!(client.call(MEMBERS_ONLY, "hello".into(), SOON).await.unwrap(), "1 hello");
    let large = Bytes::from(vec![7; 20 << 20]);
    let answer = client.call(MEMBERS_ONLY, large.clone(), SOON * 4).await.unwrap();
    assert!(answer[2..] == large[..]);
}

#[tokio::test]
async fn others_are_refused_before_anything_is_done() {
    let (address, echo) = start();
    for (to, cluster) in [(2, Some("foreign")), (2, None), (3, Some("own"))] {
        let refused = client(address, to, cluster).call(MEMBERS_ONLY, "x".into(), SOON).await;
        assert!(matches!(refused, Err(CallError::Refused(_))), "{to} {cluster:?}: {refused:?}");
    }
    assert_eq!(echo.0.load(Ordering::SeqCst), 0);
    // A call that anyone may make is answered, whichever node it is meant for.
    assert_eq!(client(address, 0, None).call(ANYBODY, "?".into(), SOON).await.unwrap(), "1 ?");
}

#[tokio::test]
async fn failures_say_whether_something_may_have_happened() {
    let (address, echo) = start();
    let member = client(address, 2, Some("own"));
    assert_eq!(member.call(REFUSED, "".into(), SOON).await, Err(CallError::Refused("not today".into())));
    let late = member.call(SLOW, "".into(), Duration::from_millis(200)).await;
    assert!(matches!(late, Err(CallError::Broken(_))), "{late:?}");
    assert_eq!(echo.0.load(Ordering::SeqCst), 2);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = client(free, 2, Some("own")).call(ANYBODY, "".into(), SOON).await;
    assert!(matches!(nobody, Err(CallError::Unreachable(_))), "{nobody:?}");
}

/// Bytes that are no HTTP/2, and the greeting of a client of the wrong port, disturb nobody.
#[tokio::test]
async fn foreign_bytes_are_closed_and_others_served() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (address, _) = start();
    for junk in [&b"*1\r\n$4\r\nPING\r\n"[..], b"GET / HTTP/1.1\r\n\r\n", &[0xff; 64], &[0; 200]] {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(junk).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // Closed, with or without a last word.
        let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("closed");
    }
    let member = client(address, 2, Some("own"));
    assert_eq!(member.call(MEMBERS_ONLY, "still".into(), SOON).await.unwrap(), "1 still");
}

/// Anyone who reaches the port may ask for a node's identity, and could make it take hundreds of megabytes for that, many
/// times at once.
#[tokio::test]
async fn what_anybody_may_ask_is_small() {
    let (address, echo) = start();
    let client = client(address, 2, Some("own"));
    let small = Bytes::from(vec![0; 60 << 10]);
    assert!(client.call(ANYBODY, small, SOON).await.is_ok());
    let large = Bytes::from(vec![0; 65 << 10]);
    let refused = client.call(ANYBODY, large.clone(), SOON).await;
    assert!(matches!(refused, Err(CallError::Broken(_))), "{refused:?}");
    assert_eq!(echo.0.load(Ordering::SeqCst), 1, "the handler never saw it");
    assert!(client.call(MEMBERS_ONLY, large, SOON).await.is_ok());
}
