//! Before a site has for the first time all that the core has it answers nothing; from then on it always does.

use resp_tests::dice::Dice;
use resp_tests::server::{Server, Stop};
use std::fs;

use super::support::*;
use super::valve::Valve;

const KEYS: usize = 80;
const VALUE_BYTES: usize = 100_000;
/// Less than all those values, however well they are compressed; more than some of them.
const PART_BYTES: i64 = 3 << 20;

fn noise(dice: &mut Dice) -> String {
    (0..VALUE_BYTES).map(|_| char::from(b'!' + u8::try_from(dice.below(90)).unwrap())).collect()
}

fn assert_answers_nothing(edge: &Server) {
    let mut client = edge.connect().unwrap();
    for consistency in ["linearizable", "session", "local"] {
        assert_eq!(call(&mut client, &["CLIENT", "CONSISTENCY", consistency]), ok());
        assert_eq!(error_code(&call(&mut client, &["GET", "key:0"])), "LOADING", "{consistency}");
    }
    assert_eq!(info(edge, "loading"), 1);
}

fn is_known_to_be_whole(edge: &Server) -> bool {
    !fs::read_to_string(edge.data().join("IDENTITY")).unwrap().contains("is_partial")
}

/// What it has is a true past of the core, but its clients may have seen more before its disk was lost.
#[test]
fn an_edge_that_stops_half_way_through_its_first_copy_answers_nothing_from_it() {
    let core = core(1, &[]);
    let mut client = core.nodes[0].connect().unwrap();
    let mut dice = Dice::new(1);
    let mut last = String::new();
    for key in 0..KEYS {
        last = noise(&mut dice);
        assert_eq!(call(&mut client, &["SET", &format!("key:{key}"), &last]), ok());
    }
    let valve = Valve::start(core.nodes[0].peer_port(), PART_BYTES);
    let mut edge = spawn_edge("fra", &valve.address(), &["--upstream-discovery", "no"]);
    let has_a_part = |edge: &Server| info(edge, "flotilla_core_index") > 5;
    eventually("it has a part", || has_a_part(&edge));
    assert_answers_nothing(&edge);
    valve.let_pass(0);
    // Once with all of it in the log only, and once with all of it in tables.
    for how in [Stop::Kill, Stop::Terminate, Stop::Kill] {
        edge.stop(how).unwrap();
        edge.start_again().unwrap();
        eventually("it has the part again", || has_a_part(&edge));
        assert_answers_nothing(&edge);
        assert!(!is_known_to_be_whole(&edge));
    }
    valve.open();
    wait_for_data(&edge);
    assert_eq!(call(&mut edge.connect().unwrap(), &["GET", &format!("key:{}", KEYS - 1)]), bulk(&last));
    assert_same_state(&core.nodes[0], &[&edge]);
    // Now it serves whatever it has, whether anybody can be asked or not.
    eventually("that is written down", || is_known_to_be_whole(&edge));
    valve.let_pass(0);
    for how in [Stop::Kill, Stop::Terminate] {
        edge.stop(how).unwrap();
        edge.start_again().unwrap();
        wait_for_data(&edge);
        assert_eq!(call(&mut edge.connect().unwrap(), &["GET", &format!("key:{}", KEYS - 1)]), bulk(&last));
    }
}
