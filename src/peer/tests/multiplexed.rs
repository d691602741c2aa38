//! Calls on multiplexed streams: in order, answered as they are ready, told apart when the stream is cut.

use super::{Echo, MEMBERS_ONLY, REFUSED, SLOW, SOON, client, start};
use crate::peer::{CallError, Connections, Groups, Handler, Lane, Peers, message::Frame, serve};
use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;
use std::{net::TcpListener, sync::Arc, time::Duration};

#[tokio::test]
async fn many_calls_share_a_line_and_do_not_wait_for_each_other() {
    let (address, _) = start();
    let client = client(address, 2, Some("own"));
    // Connected first: the 300 ms of the slow call are for its answer, not for the connection.
    client.send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON * 4).await.unwrap();
    let slow = client.send(Lane::Quick, SLOW, Bytes::new(), Duration::from_millis(300));
    let quick = async {
        let calls = (0..2000_u32).map(|n| client.send(Lane::Quick, MEMBERS_ONLY, n.to_string().into(), SOON));
        let answers = futures::future::join_all(calls).await;
        for (n, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer, Ok(Bytes::from(format!("1 {n}"))));
        }
    };
    let (slow, ()) = tokio::join!(slow, quick);
    assert!(matches!(slow, Err(CallError::Broken(_))), "{slow:?}");
    assert_eq!(
        client.send(Lane::Ordered, REFUSED, Bytes::new(), SOON).await,
        Err(CallError::Refused("not today".into()))
    );
    let large = Bytes::from(vec![7; 5 << 20]);
    assert_eq!(client.send(Lane::Ordered, MEMBERS_ONLY, large, SOON).await.unwrap().len(), (5 << 20) + 2);
}

#[tokio::test]
async fn others_get_no_stream() {
    let (address, echo) = start();
    for (to, cluster) in [(2, None), (2, Some("other")), (3, Some("own"))] {
        let refused = client(address, to, cluster).send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON).await;
        assert!(matches!(refused, Err(CallError::Refused(_))), "{refused:?}");
    }
    assert_eq!(echo.0.load(std::sync::atomic::Ordering::SeqCst), 0);
}

/// Notes what it is asked, in the order of being asked.
struct Notes(Mutex<Vec<Bytes>>);

impl Handler for Notes {
    fn call(&self, _: u64, _: u32, body: Bytes) -> futures::future::BoxFuture<'static, crate::peer::Answer> {
        self.0.lock().push(body.clone());
        Box::pin(async move { Ok(body) })
    }
}

#[tokio::test]
async fn calls_arrive_in_the_order_in_which_they_were_made() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let notes = Arc::new(Notes(Mutex::default()));
    let handler: Arc<dyn Handler> = Arc::<Notes>::clone(&notes);
    tokio::spawn(serve(
        listener,
        super::identity(2, Some("own")),
        Groups::one(handler),
        std::future::pending(),
    ));
    let client = client(address, 2, Some("own"));
    let body = |n: usize| Bytes::from(n.to_string().repeat(1 + n % 5000));
    let calls = (0..500).map(|n| client.send(Lane::Ordered, MEMBERS_ONLY, body(n), SOON));
    futures::future::join_all(calls).await;
    assert!(*notes.0.lock() == (0..500).map(body).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_line_that_was_cut_is_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let copy = listener.try_clone().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(serve(
        listener,
        super::identity(2, Some("own")),
        Groups::one(Arc::new(Echo::default())),
        async {
            let _ = ended.await;
        },
    ));
    let client = client(address, 2, Some("own"));
    client.send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON).await.unwrap();
    let waiting = client.send(Lane::Quick, SLOW, Bytes::new(), SOON);
    let cut = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(end);
        serving.abort();
    };
    let (lost, ()) = tokio::join!(waiting, cut);
    assert!(matches!(lost, Err(CallError::Broken(_))), "{lost:?}");
    tokio::spawn(serve(
        copy,
        super::identity(2, Some("own")),
        Groups::one(Arc::new(Echo::default())),
        std::future::pending(),
    ));
    client.send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON).await.unwrap();
}

/// Answers after a while, and counts.
#[derive(Default)]
struct Leisurely(std::sync::atomic::AtomicU32);

impl Handler for Leisurely {
    fn call(&self, _: u64, _: u32, body: Bytes) -> futures::future::BoxFuture<'static, crate::peer::Answer> {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(body)
        })
    }
}

#[tokio::test]
async fn a_side_that_stops_answers_what_it_has_read_and_says_what_it_has_not() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let leisurely = Arc::new(Leisurely::default());
    let handler: Arc<dyn Handler> = Arc::<Leisurely>::clone(&leisurely);
    // With threads of its own, which end right after it, as those of a node do.
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let serving = serve(listener, super::identity(2, Some("own")), Groups::one(handler), async {
            let _ = ended.await;
        });
        runtime.block_on(serving).unwrap();
        runtime.shutdown_background();
    });
    let client = Arc::new(client(address, 2, Some("own")));
    client.send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON).await.unwrap();
    let (mut calls, mut end) = (Vec::new(), Some(end));
    for number in 0..400 {
        let client = Arc::clone(&client);
        calls.push(tokio::spawn(async move {
            client.send(Lane::Quick, MEMBERS_ONLY, Bytes::from(vec![0; 1000]), SOON).await
        }));
        tokio::time::sleep(Duration::from_micros(200)).await;
        if number == 200 {
            drop(end.take());
        }
    }
    let mut answered = 1;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => answered += 1,
            Err(CallError::Unreachable(_) | CallError::Refused(_)) => {}
            Err(CallError::Broken(why)) => panic!("nobody knows what became of it: {why}"),
        }
    }
    server.join().unwrap();
    assert_eq!(answered, leisurely.0.load(std::sync::atomic::Ordering::SeqCst));
    assert!((100..400).contains(&answered), "{answered}");
}

/// Has begun what it was asked when it fails.
struct Panics;

impl Handler for Panics {
    fn call(&self, _: u64, _: u32, body: Bytes) -> futures::future::BoxFuture<'static, crate::peer::Answer> {
        Box::pin(async move {
            assert!(body.is_empty(), "as this test wants it");
            Ok(body)
        })
    }
}

#[tokio::test]
async fn a_call_that_was_read_and_has_no_answer_is_not_said_to_be_unread() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(serve(listener, super::identity(2, Some("own")), Groups::one(Arc::new(Panics)), async {
        let _ = ended.await;
    }));
    let client = client(address, 2, Some("own"));
    client.send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON).await.unwrap();
    let lost = client.send(Lane::Quick, MEMBERS_ONLY, Bytes::from_static(b"x"), SOON);
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        drop(end);
    };
    let (lost, ()) = tokio::join!(lost, stop);
    assert!(matches!(&lost, Err(CallError::Broken(why)) if why.ends_with("the stream broke")), "{lost:?}");
}

/// Answers with its name.
struct Named(&'static str);

impl Handler for Named {
    fn call(&self, _: u64, _: u32, _: Bytes) -> futures::future::BoxFuture<'static, crate::peer::Answer> {
        let name = Bytes::from_static(self.0.as_bytes());
        Box::pin(async move { Ok(name) })
    }
}

#[tokio::test]
async fn a_call_comes_to_the_group_that_it_names_over_one_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let groups = Groups::default();
    groups.add(0, Arc::new(Named("first")));
    groups.add(5, Arc::new(Named("fifth")));
    let groups = Arc::new(groups);
    tokio::spawn(serve(
        listener,
        super::identity(2, Some("own")),
        Arc::clone(&groups),
        std::future::pending(),
    ));
    let connections = Connections::new(super::identity(1, Some("own")));
    let client = |group| Peers::of_group(group, Arc::clone(&connections)).client(&address, 2);
    for (group, name) in [(0, "first"), (5, "fifth")] {
        let called = client(group).call(MEMBERS_ONLY, Bytes::new(), SOON).await;
        let sent = client(group).send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON).await;
        assert_eq!((called.unwrap(), sent.unwrap()), (Bytes::from(name), Bytes::from(name)));
    }
    groups.remove(5);
    let called = client(5).call(MEMBERS_ONLY, Bytes::new(), SOON).await;
    let sent = client(5).send(Lane::Quick, MEMBERS_ONLY, Bytes::new(), SOON).await;
    for refused in [called, sent] {
        assert!(
            matches!(&refused, Err(CallError::Refused(why)) if why.contains("no group 5")),
            "{refused:?}"
        );
    }
}

/// Nodes of before there were groups neither send nor read the group of a frame.
#[test]
fn a_frame_of_the_first_group_is_what_it_always_was() {
    let frame = |group| Frame { id: 7, kind: 110, status: 0, body: Bytes::from_static(b"b"), group };
    let before = b"\x08\x07\x10\x6e\x22\x01b";
    assert_eq!(frame(0).encode_to_vec(), before);
    assert_eq!(Frame::decode(&before[..]).unwrap(), frame(0));
    assert_eq!(frame(3).encode_to_vec(), [&before[..], b"\x28\x03"].concat());
}
