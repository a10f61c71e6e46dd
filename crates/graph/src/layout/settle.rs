//! Puts the members of a column as near as possible to where they want to be.

/// Upper borders for members of the given heights: in their order, apart by at least `gap`, between
/// `top` and `bottom` if they fit, and else as near to their wishes as least squares allow.
///
/// With the room that each needs taken out, places only have to rise; members that want to go below
/// their successors are pooled and share their mean (isotonic regression).
pub(crate) fn settle(
    wishes: &[i64],
    heights: &[i64],
    gap: i64,
    (top, bottom): (i64, i64),
) -> Vec<i64> {
    let mut offsets = Vec::with_capacity(heights.len());
    let mut offset = 0;
    for height in heights {
        offsets.push(offset);
        offset += height + gap;
    }
    let highest = (bottom - (offset - gap)).max(top);
    let mut pools: Vec<(i64, i64)> = Vec::with_capacity(wishes.len());
    for (wish, offset) in wishes.iter().zip(&offsets) {
        let mut pool = (wish - offset, 1);
        while let Some(&last) = pools
            .last()
            .filter(|last| last.0 * pool.1 > pool.0 * last.1)
        {
            pool = (pool.0 + last.0, pool.1 + last.1);
            pools.pop();
        }
        pools.push(pool);
    }
    let places = pools.into_iter().flat_map(|(sum, count)| {
        let place = sum.div_euclid(count).clamp(top, highest);
        std::iter::repeat_n(place, usize::try_from(count).unwrap_or_default())
    });
    places
        .zip(offsets)
        .map(|(place, offset)| place + offset)
        .collect()
}

/// Height of members on top of each other.
pub(crate) fn stacked(heights: &[i64], gap: i64) -> i64 {
    let gaps = i64::try_from(heights.len())
        .unwrap_or(i64::MAX)
        .saturating_sub(1)
        .max(0);
    heights.iter().sum::<i64>() + gaps * gap
}

#[cfg(test)]
mod tests {
    use super::settle;

    #[test]
    fn wishes_come_true_where_they_can() {
        assert_eq!(settle(&[0, 100], &[20, 20], 10, (0, 200)), [0, 100]);
    }

    #[test]
    fn members_that_want_the_same_place_share_it() {
        assert_eq!(settle(&[100, 100], &[20, 20], 10, (0, 200)), [85, 115]);
    }

    #[test]
    fn nobody_leaves_the_column() {
        assert_eq!(settle(&[-50, 500], &[20, 20], 10, (0, 100)), [0, 80]);
    }

    #[test]
    fn order_is_kept_even_against_the_wishes() {
        assert_eq!(settle(&[90, 10], &[20, 20], 10, (0, 200)), [35, 65]);
    }
}
