//! Orders the members of columns such that few wires cross.

/// How often the columns are gone through; more hardly changes anything.
const SWEEPS: usize = 6;

/// Factor by which means of positions are distinguished.
const FINE: i64 = 1024;

/// Columns side by side, and what connects each with the next one.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    /// Number of members by column.
    pub(crate) sizes: Vec<usize>,
    /// Wires between a column and the next one, as members of both.
    pub(crate) links: Vec<Vec<(usize, usize)>>,
    /// Wires into the first column, from places outside.
    pub(crate) arriving: Vec<(usize, usize)>,
}

impl Columns {
    /// The members of each column in an order with few crossings.
    pub(crate) fn ordered(&self) -> Vec<Vec<usize>> {
        let mut orders: Vec<Vec<usize>> = self.sizes.iter().map(|&n| (0..n).collect()).collect();
        if let Some(first) = orders.first_mut() {
            let outside = self
                .arriving
                .iter()
                .map(|&(at, _)| at + 1)
                .max()
                .unwrap_or_default();
            let fixed: Vec<_> = (0..outside).collect();
            sort_by_neighbours(first, &fixed, self.arriving.iter().copied());
        }
        let mut best = (self.crossings(&orders), orders.clone());
        for sweep in 0..SWEEPS {
            if best.0 == 0 {
                break;
            }
            self.sweep(&mut orders, sweep % 2 == 1);
            let crossings = self.crossings(&orders);
            if crossings < best.0 {
                best = (crossings, orders.clone());
            }
        }
        best.1
    }

    fn sweep(&self, orders: &mut [Vec<usize>], is_back: bool) {
        for step in 0..self.links.len() {
            if is_back {
                let at = self.links.len() - 1 - step;
                let links = self.links[at].iter().map(|&(left, right)| (right, left));
                let (lefts, rights) = orders.split_at_mut(at + 1);
                sort_by_neighbours(&mut lefts[at], &rights[0], links);
            } else {
                let (lefts, rights) = orders.split_at_mut(step + 1);
                let links = self.links[step].iter().copied();
                sort_by_neighbours(&mut rights[0], &lefts[step], links);
            }
        }
    }

    fn crossings(&self, orders: &[Vec<usize>]) -> usize {
        let positions: Vec<_> = orders.iter().map(|order| positions(order)).collect();
        let inner = self.links.iter().enumerate().map(|(at, links)| {
            let ends = links.iter();
            inversions(
                ends.map(|&(l, r)| (positions[at][l], positions[at + 1][r]))
                    .collect(),
            )
        });
        let outer = positions.first().map_or(0, |first| {
            inversions(
                self.arriving
                    .iter()
                    .map(|&(from, to)| (from, first[to]))
                    .collect(),
            )
        });
        inner.sum::<usize>() + outer
    }
}

/// Sorts members by the mean position of those they are connected with; others stay where they are.
fn sort_by_neighbours(
    order: &mut [usize],
    fixed: &[usize],
    links: impl Iterator<Item = (usize, usize)>,
) {
    let fixed_positions = positions(fixed);
    let mut sums = vec![(0i64, 0i64); order.len()];
    for (at, member) in links {
        sums[member].0 += integer(fixed_positions[at]);
        sums[member].1 += 1;
    }
    let own = positions(order);
    let spread = (fixed.len().max(1), order.len().max(1));
    order.sort_by_key(|&member| match sums[member] {
        (_, 0) => integer(own[member]) * FINE * integer(spread.0) / integer(spread.1),
        (sum, count) => sum * FINE / count,
    });
}

/// Where in an order each member stands.
fn positions(order: &[usize]) -> Vec<usize> {
    let mut positions = vec![0; order.len()];
    for (position, &member) in order.iter().enumerate() {
        positions[member] = position;
    }
    positions
}

/// Pairs of wires that cross, counted by inserting right ends in the order of the left ones into a
/// tree of sums (Fenwick).
fn inversions(mut ends: Vec<(usize, usize)>) -> usize {
    ends.sort_unstable();
    let size = ends
        .iter()
        .map(|&(_, right)| right + 1)
        .max()
        .unwrap_or_default();
    let mut tree = vec![0usize; size + 1];
    let mut crossings = 0;
    for (seen, &(_, right)) in ends.iter().enumerate() {
        let mut not_above = 0;
        let mut at = right + 1;
        while at > 0 {
            not_above += tree[at];
            at &= at - 1;
        }
        crossings += seen - not_above;
        at = right + 1;
        while at <= size {
            tree[at] += 1;
            at += at & at.wrapping_neg();
        }
    }
    crossings
}

/// A count as a number to reckon with.
pub(crate) fn integer(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Columns, inversions};

    #[test]
    fn wires_that_cross_are_counted() {
        assert_eq!(inversions(vec![(0, 0), (1, 1)]), 0);
        assert_eq!(inversions(vec![(0, 1), (1, 0)]), 1);
        assert_eq!(inversions(vec![(0, 2), (1, 1), (2, 0)]), 3);
        assert_eq!(inversions(vec![(0, 0), (0, 1), (1, 0)]), 1);
    }

    #[test]
    fn crossed_columns_are_untangled() {
        let columns = Columns {
            sizes: vec![2, 2],
            links: vec![vec![(0, 1), (1, 0)]],
            arriving: vec![(0, 0), (1, 1)],
        };
        assert_eq!(columns.ordered(), [[0, 1], [1, 0]]);
    }
}
