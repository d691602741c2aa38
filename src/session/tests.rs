//! The registry of clients.

use super::{Client, ClientFilter, Clients};
use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

#[test]
fn ids_are_found_whether_they_are_fewer_than_the_clients_or_more() {
    let clients = Clients::default();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    for id in 1..=5 {
        clients.insert(Arc::new(Client::new(id, address, address, -1, 0)), 10);
    }
    for (ids, found) in [(vec![4, 9, 2], vec![2, 4]), ((3..1000).collect(), vec![3, 4, 5]), (vec![], vec![])]
    {
        let filter = ClientFilter { ids: Some(ids.into_iter().collect()), ..ClientFilter::default() };
        let selected: Vec<u64> = clients.select(&filter, 0).iter().map(|client| client.id).collect();
        assert_eq!(selected, found);
    }
}

#[test]
fn the_largest_goes_first_and_those_spared_stay() {
    let clients = Clients::default();
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    for id in 1..=5 {
        let client = Client::new(id, address, address, -1, 0).counted_in(&clients);
        client.memory.query.store(id * 1_000_000, Ordering::Relaxed);
        client.no_evict.store(id == 4, Ordering::Relaxed);
        client.memory.tell();
        clients.insert(Arc::new(client), 10);
    }
    let evicted = || clients.evict().iter().map(|(client, _)| client.id).collect::<Vec<_>>();
    assert_eq!(evicted(), [0; 0], "there is no bound");
    clients.memory.limit(8_000_000);
    assert_eq!(evicted(), [5, 3], "the fourth is the second largest");
    assert_eq!(evicted(), [0; 0], "those two are about to go");
    clients.memory.limit(0);
    assert_eq!(evicted(), [2, 1]);
}
