//! Draws how many words are changed, and which.

use crate::rng::SeqRng;

/// The number of changed words among `words`: `rate * words`, randomly rounded down or up so that the mean is exact.
/// This way short texts are changed, too. It is never more than `ceil(rate * words)`.
pub(super) fn count(rate: f64, words: usize, rng: &mut SeqRng) -> usize {
    let wanted = rate * words as f64;
    let whole = wanted.floor();
    (whole as usize + usize::from(rng.chance(wanted - whole))).min(words)
}

/// `count` different numbers of `0..bound` in random order.
pub(super) fn choose(count: usize, bound: usize, rng: &mut SeqRng) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..bound).collect();
    let count = count.min(bound);
    for place in 0..count {
        let other = place + rng.below((bound - place) as u64) as usize;
        numbers.swap(place, other);
    }
    numbers.truncate(count);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_right_on_average_and_bounded() {
        let draw = |index| count(0.15, 5, &mut SeqRng::new(1, "t", 0, index));
        let counts: Vec<usize> = (0..4000).map(draw).collect();
        let mean = counts.iter().sum::<usize>() as f64 / 4000.0;
        assert!((mean - 0.75).abs() < 0.03, "{mean}");
        assert!(counts.iter().all(|count| *count <= 1));
        assert_eq!(count(1.0, 7, &mut SeqRng::new(1, "t", 0, 0)), 7);
        assert_eq!(count(0.0, 7, &mut SeqRng::new(1, "t", 0, 0)), 0);
    }

    #[test]
    fn every_number_is_as_likely() {
        let mut seen = [0; 5];
        for index in 0..5000 {
            let chosen = choose(2, 5, &mut SeqRng::new(1, "t", 0, index));
            assert!(chosen.len() == 2 && chosen[0] != chosen[1]);
            chosen.iter().for_each(|number| seen[*number] += 1);
        }
        assert!(seen.iter().all(|count| (1850..2150).contains(count)), "{seen:?}");
    }
}
