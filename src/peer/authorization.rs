//! The calls that a node may make to another, by its name. With TLS, the node's certificate must be valid for that name.
//!
//! A name that begins with `edge-` belongs to a node of an edge site, `edge-SITE` or `edge-SITE.NODE`. A core authorizes an
//! edge for an edge's calls only, whatever the edge claims; nodes of one site are members to each other.

use super::message::{FIRST_EDGE_KIND, FIRST_MEMBER_KIND};

const EDGE: &str = "edge-";

/// The site that a node name names; `None`: it is not that of an edge.
pub fn site_of(name: &str) -> Option<&str> {
    let rest = name.strip_prefix(EDGE)?;
    Some(rest.split_once('.').map_or(rest, |(site, _)| site))
}

/// Whether a call is of the kinds that edges make.
pub(super) fn is_edge_kind(kind: u32) -> bool {
    (FIRST_EDGE_KIND..FIRST_MEMBER_KIND).contains(&kind)
}

/// Whether the node `own` answers calls of this kind to a node of that name.
pub(super) fn may_ask(own: &str, caller: &str, kind: u32) -> bool {
    match (site_of(own), site_of(caller)) {
        (None, None) => !is_edge_kind(kind),
        (None, Some(_)) => is_edge_kind(kind),
        // An edge asks the core, never the other way round.
        (Some(_), None) => false,
        (Some(own), Some(caller)) => own == caller && !is_edge_kind(kind),
    }
}

/// Whether calls of kind `actual` are allowed where one of kind `announced` was admitted: a multiplexed stream is opened
/// once for many.
pub(super) fn is_covered(announced: u32, actual: u32, is_multiplexed: bool) -> bool {
    match is_multiplexed {
        false => announced == actual,
        true if is_edge_kind(announced) => is_edge_kind(actual),
        true => announced >= FIRST_MEMBER_KIND && actual >= FIRST_MEMBER_KIND,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_who_may_ask_what() {
        let (anybody, edge, member) = (1, FIRST_EDGE_KIND, FIRST_MEMBER_KIND);
        for (own, caller, kind, allowed) in [
            ("core-0", "core-1", anybody, true),
            ("core-0", "core-1", member, true),
            ("core-0", "core-1", edge, false),
            ("core-0", "edge-fra", edge, true),
            ("core-0", "edge-fra.1", edge, true),
            ("core-0", "edge-fra", anybody, false),
            ("core-0", "edge-fra", member, false),
            ("edge-fra.0", "edge-fra.1", member, true),
            ("edge-fra.0", "edge-fra-2.1", member, false),
            ("edge-fra.0", "edge-fra.1", edge, false),
            ("edge-fra.0", "core-0", anybody, false),
            ("edge-fra.0", "core-0", edge, false),
        ] {
            assert_eq!(may_ask(own, caller, kind), allowed, "{caller} asks {own} for {kind}");
        }
    }

    #[test]
    fn a_line_carries_only_what_it_was_opened_for() {
        let (edge, member) = (FIRST_EDGE_KIND, FIRST_MEMBER_KIND);
        assert!(is_covered(member, member + 7, true) && is_covered(edge, edge + 1, true));
        assert!(
            !is_covered(member, edge, true) && !is_covered(edge, member, true) && !is_covered(1, 2, true)
        );
        assert!(is_covered(1, 1, false) && !is_covered(1, member, false));
    }
}
