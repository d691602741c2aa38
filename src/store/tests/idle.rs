//! Metadata of keys: the time since their last access, and their average time to live.

use super::support::Home;
use crate::store::NewRow;

fn idle(home: &Home, key: &[u8]) -> u32 {
    home.read(0, 0, |view| view.idle_seconds(key))
}

#[test]
fn an_access_is_remembered_in_the_cache_beside_it_and_without_it() {
    // Room for everything, for a few records, for none.
    for hot in [16 << 20, 64 << 10, 0] {
        let home = Home::new(hot);
        home.store.tick(1);
        for key in 0..300_u32 {
            home.set(0, &key.to_be_bytes(), &[b'v'; 1000], 0);
        }
        home.set(0, b"large", &[b'v'; 100_000], 0);
        home.store.tick(101);
        let all = (0..300_u32).map(|key| idle(&home, &key.to_be_bytes()));
        assert!(all.into_iter().all(|seconds| seconds == 100), "hot {hot}");
        for key in [&7_u32.to_be_bytes()[..], b"large"] {
            assert_eq!(idle(&home, key), 100, "hot {hot}");
            home.read(0, 0, |view| view.quiet().get(key).unwrap().unwrap());
            home.read(0, 0, |view| view.untouched().get(key).unwrap().unwrap());
            assert_eq!(idle(&home, key), 100, "hot {hot}: none of these was an access");
            home.read(0, 0, |view| view.get(key).unwrap().unwrap());
            assert_eq!(idle(&home, key), 0, "hot {hot}");
        }
        home.store.tick(111);
        // Whatever went out of the cache meanwhile, nothing seems idle for longer than it is.
        for key in 0..300_u32 {
            home.read(0, 0, |view| view.get(&key.to_be_bytes()).unwrap().unwrap());
        }
        home.store.tick(121);
        assert!((0..300_u32).all(|key| idle(&home, &key.to_be_bytes()) <= 10), "hot {hot}");
        // Its slot may be another key's, too.
        assert!((10..=20).contains(&idle(&home, b"large")), "hot {hot}");
        // A command in a batch accesses keys, but must not ask: it is the same on all nodes.
        let told = home.write(0, 0, |txn| {
            txn.view().get(b"large").unwrap().unwrap();
            txn.view().idle_seconds(b"large")
        });
        assert_eq!((told, idle(&home, b"large")), (0, 0), "hot {hot}");
    }
}

#[test]
fn lifetimes_are_those_of_all_keys_of_a_sample_or_of_the_few_that_expire() {
    let home = Home::new(0);
    let fill = |db: u32, keys: u32, expires_at: fn(u32) -> u64| {
        home.write(0, db, |txn| {
            for key in 0..keys {
                let expires_at = expires_at(key);
                txn.put(&key.to_be_bytes(), NewRow { expires_at, ..NewRow::string(b"v") }).unwrap();
            }
        });
    };
    fill(0, 100, |key| if key < 4 { 10_000 + u64::from(key) * 1000 } else { 0 });
    fill(1, 20_000, |key| 50_000 + u64::from(key % 10) * 1000);
    // The last of many, which a scan from the first does not reach soon.
    fill(2, 20_000, |key| if key == 19_990 { 9_000 } else { 0 });
    fill(3, 100, |_| 0);
    home.store.look_at_lifetimes(1000).unwrap();
    let means = [0, 1, 2, 3].map(|db| home.store.mean_lifetime_ms(db));
    assert_eq!(means, [10_500, 53_500, 8_000, 0]);
    // Time goes on, for all or for what was looked at.
    home.store.look_at_lifetimes(2000).unwrap();
    let means = [0, 1, 2].map(|db| home.store.mean_lifetime_ms(db));
    assert!(means[0] == 9_500 && (52_500..53_500).contains(&means[1]) && means[2] == 7_000, "{means:?}");
    home.write(0, 0, |txn| txn.put(&0_u32.to_be_bytes(), NewRow::string(b"v")).unwrap());
    home.store.look_at_lifetimes(2000).unwrap();
    assert_eq!(home.store.mean_lifetime_ms(0), 10_000);
}
