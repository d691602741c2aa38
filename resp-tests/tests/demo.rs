//! The short form of `make demo`.

use std::time::Duration;

use resp_tests::demo::{World, run_alone};
use resp_tests::server::Program;

#[test]
fn nothing_that_was_acknowledged_is_missing_after_a_kill_and_a_cut() -> Result<(), String> {
    let mut world = World::start(&Program::product(), Duration::from_millis(80))?;
    let report = run_alone(&mut world, 15)?;
    assert!(report.lost.is_empty(), "{report:?}");
    assert!(report.writes > 200 && report.reads > 400, "{report:?}");
    Ok(())
}
