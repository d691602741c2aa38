//! A feed: many answers to one call, made only as they are taken, and who may ask for one.

use super::*;
use crate::peer::{Answers, Caller, FIRST_EDGE_KIND};
use futures::StreamExt;
use std::sync::atomic::AtomicU64;

const FEED: u32 = FIRST_EDGE_KIND;
const PIECE: usize = 1 << 20;

/// Feeds numbered pieces for ever, and counts those that it made.
#[derive(Default)]
struct Source(Arc<AtomicU64>);

impl Handler for Source {
    fn call(&self, _from: u64, _kind: u32, body: Bytes) -> BoxFuture<'static, Answer> {
        Box::pin(async move { Ok(body) })
    }

    fn feed(&self, caller: Caller, body: Bytes) -> BoxFuture<'static, Result<Answers, CallError>> {
        let made = Arc::clone(&self.0);
        Box::pin(async move {
            if body == "no" {
                return Err(CallError::Refused(format!("not for {}", caller.name)));
            }
            let pieces = futures::stream::iter(0_u64..).map(move |number| {
                made.fetch_add(1, Ordering::SeqCst);
                Ok(Bytes::from([&number.to_be_bytes()[..], &vec![0; PIECE]].concat()))
            });
            Ok(pieces.boxed())
        })
    }
}

fn start_source() -> (SocketAddr, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let source = Source::default();
    let made = Arc::clone(&source.0);
    tokio::spawn(serve(
        listener,
        identity(2, Some("own")),
        Groups::one(Arc::new(source)),
        std::future::pending(),
    ));
    (address, made)
}

fn client_named(address: SocketAddr, name: &str, cluster: Option<&str>) -> PeerClient {
    let identity = LocalIdentity::new(9, name.into(), String::new(), cluster.map(str::to_owned));
    PeerClient::new(&address.to_string(), 0, Arc::new(identity))
}

#[tokio::test]
async fn answers_come_in_order_and_are_not_made_for_one_who_does_not_read() {
    let (address, made) = start_source();
    let edge = client_named(address, "edge-fra", None);
    let mut feed = edge.feed(FEED, "go".into(), SOON).await.unwrap();
    for number in 0..20_u64 {
        let piece = feed.next().await.unwrap().unwrap();
        assert_eq!(piece[..8], number.to_be_bytes());
    }
    // Wait until no more come: what was made ahead is what the windows hold.
    let mut before = 0;
    while before != made.load(Ordering::SeqCst) {
        before = made.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before < 20 + 12, "{before} pieces of 1 MiB were made, 20 taken");
    assert!(feed.next().await.unwrap().is_some());
}

#[tokio::test]
async fn only_edges_are_fed_and_edges_get_nothing_else() {
    let (address, _) = start_source();
    let refused = client_named(address, "core-9", Some("own")).feed(FEED, "go".into(), SOON).await;
    assert!(matches!(refused, Err(CallError::Refused(_))));
    let edge = client_named(address, "edge-fra", Some("own"));
    let refused = edge.feed(FEED, "no".into(), SOON).await.err().unwrap();
    assert_eq!(refused, CallError::Refused("not for edge-fra".into()));
    for kind in [ANYBODY, MEMBERS_ONLY] {
        let refused = edge.call(kind, "x".into(), SOON).await;
        assert!(matches!(refused, Err(CallError::Refused(_))), "{kind}: {refused:?}");
    }
    let refused = edge.send(crate::peer::Lane::Quick, MEMBERS_ONLY, "x".into(), SOON).await;
    assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
    assert_eq!(client_named(address, "edge-a.1", None).call(FEED, "x".into(), SOON).await.unwrap(), "x");
}
