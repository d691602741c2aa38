//! Longest common subsequence by dynamic programming (Wagner and Fischer, JACM 21(1), 1974), as LCS needs it.

/// Most cells of the table: 4 bytes each, so 256 MiB.
pub const CELLS_MAX: usize = 64 * 1024 * 1024;

/// A run of equal bytes: where it starts in both strings, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    pub a: usize,
    pub b: usize,
    pub len: usize,
}

/// The common subsequence and its runs, last run first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lcs {
    pub bytes: Vec<u8>,
    pub matches: Vec<Match>,
}

/// Whether the table of two strings of these lengths would be too large.
pub fn is_too_large(a: usize, b: usize) -> bool {
    cells(a, b) > CELLS_MAX
}

fn cells(a: usize, b: usize) -> usize {
    a.saturating_add(1).saturating_mul(b.saturating_add(1))
}

/// `None` if the table would be too large.
pub fn lcs(a: &[u8], b: &[u8]) -> Option<Lcs> {
    let (width, cells) = (b.len().checked_add(1)?, cells(a.len(), b.len()));
    if is_too_large(a.len(), b.len()) {
        return None;
    }
    let mut table = vec![0_u32; cells];
    let at = |i: usize, j: usize| i.saturating_mul(width).saturating_add(j);
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            let best = if x == y {
                table.get(at(i, j)).copied().unwrap_or(0).saturating_add(1)
            } else {
                let up = table.get(at(i, j + 1)).copied().unwrap_or(0);
                up.max(table.get(at(i + 1, j)).copied().unwrap_or(0))
            };
            if let Some(cell) = table.get_mut(at(i + 1, j + 1)) {
                *cell = best;
            }
        }
    }
    Some(trace_back(a, b, |i, j| table.get(at(i, j)).copied().unwrap_or(0)))
}

fn trace_back(a: &[u8], b: &[u8], cell: impl Fn(usize, usize) -> u32) -> Lcs {
    let (mut i, mut j) = (a.len(), b.len());
    let mut bytes = Vec::with_capacity(cell(i, j) as usize);
    let mut matches: Vec<Match> = Vec::new();
    while i > 0 && j > 0 {
        let (x, y) = (a.get(i - 1), b.get(j - 1));
        if x == y {
            bytes.extend(x);
            match matches.last_mut() {
                Some(last) if last.a == i && last.b == j => {
                    *last = Match { a: i - 1, b: j - 1, len: last.len + 1 };
                }
                _ => matches.push(Match { a: i - 1, b: j - 1, len: 1 }),
            }
            i -= 1;
            j -= 1;
        } else if cell(i - 1, j) > cell(i, j - 1) {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    bytes.reverse();
    Lcs { bytes, matches }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_command_page() {
        let found = lcs(b"ohmytext", b"mynewtext").unwrap();
        assert_eq!(found.bytes, b"mytext");
        assert_eq!(found.matches, [Match { a: 4, b: 5, len: 4 }, Match { a: 2, b: 0, len: 2 }]);
        assert_eq!(lcs(b"", b"x").unwrap().bytes, b"");
        assert!(lcs(&vec![b'a'; 100_000], &vec![b'b'; 100_000]).is_none());
    }
}
