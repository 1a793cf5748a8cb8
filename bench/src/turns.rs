//! Who is measured when: in turn, and nobody always first.

/// In which order so many have their turns: there and back, then with somebody else as the first.
pub(crate) fn order(count: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.rotate_left(round / 2 % count.max(1));
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

/// Measures all of them once in each round.
pub(crate) fn in_turn<T>(
    all: &mut [T],
    rounds: u32,
    mut measure: impl FnMut(&mut T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for round in 0..rounds {
        for index in order(all.len(), round as usize) {
            measure(&mut all[index])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_in_each_round_and_is_first_in_some() {
        let mut first = [0; 6];
        for round in 0..12 {
            let mut turns = order(6, round);
            first[turns[0]] += 1;
            turns.sort_unstable();
            assert_eq!(turns, [0, 1, 2, 3, 4, 5]);
        }
        assert_eq!(first, [2; 6]);
    }

    #[test]
    fn all_are_measured_once_a_round_until_one_fails() {
        let mut counts = [0; 3];
        let count = |count: &mut u32| {
            *count += 1;
            Ok(())
        };
        in_turn(&mut counts, 4, count).unwrap();
        assert_eq!(counts, [4; 3]);
        assert!(in_turn(&mut counts, 4, |_| anyhow::bail!("enough")).is_err());
    }
}
