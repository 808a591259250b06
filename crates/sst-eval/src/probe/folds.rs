//! Splits of rows, drawn with a seed.

use sst_data::SeqRng;

use super::error::ProbeError;

/// A fold in `0..folds` for each row, such that each fold has its share of every class: the rows of a class are shuffled
/// and dealt out to the folds in turn. Sizes of folds, and of a class in them, differ by at most one.
///
/// # Errors
/// If there are fewer than two folds, or fewer rows than folds.
pub fn stratified_folds(labels: &[i64], folds: usize, seed: u64) -> Result<Vec<usize>, ProbeError> {
    if folds < 2 {
        let reason = format!("{folds} folds leave nothing to validate on: use 2 at least");
        return Err(ProbeError::Option { key: "folds", reason });
    }
    if labels.len() < folds {
        let what = "a split into folds";
        return Err(ProbeError::Rows { what, rows: labels.len(), needed: folds });
    }
    let mut rows = shuffled_rows(labels.len(), seed);
    // Stable, so that the rows of a class stay shuffled.
    rows.sort_by_key(|row| labels[*row]);
    let mut fold_of = vec![0; labels.len()];
    for (place, row) in rows.into_iter().enumerate() {
        fold_of[row] = place % folds;
    }
    Ok(fold_of)
}

/// The rows `0..rows` in an order drawn with `seed`.
pub fn shuffled_rows(rows: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    SeqRng::new(seed, "probe.rows", 0, 0).shuffle(&mut order);
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_fold_has_its_share_of_every_class(
            labels in prop::collection::vec(0_i64..4, 6..90),
            folds in 2_usize..7,
            seed in 0_u64..9,
        ) {
            let fold_of = stratified_folds(&labels, folds, seed).unwrap();
            let sizes = |class: Option<i64>| {
                let mut sizes = vec![0; folds];
                for (fold, label) in fold_of.iter().zip(&labels) {
                    sizes[*fold] += usize::from(class.is_none_or(|class| class == *label));
                }
                (*sizes.iter().min().unwrap(), *sizes.iter().max().unwrap())
            };
            for class in [None, Some(0), Some(1), Some(2), Some(3)] {
                let (least, most) = sizes(class);
                prop_assert!(most - least <= 1, "{:?}: {} to {}", class, least, most);
            }
            prop_assert_eq!(&fold_of, &stratified_folds(&labels, folds, seed).unwrap());
        }
    }

    #[test]
    fn another_seed_draws_another_order() {
        assert_ne!(shuffled_rows(50, 1), shuffled_rows(50, 2));
        let mut rows = shuffled_rows(50, 1);
        rows.sort_unstable();
        assert!(rows.into_iter().eq(0..50));
    }

    #[test]
    fn splits_that_cannot_be_are_refused() {
        let one = stratified_folds(&[0, 1, 0], 1, 0);
        assert!(matches!(one, Err(ProbeError::Option { key: "folds", .. })), "{one:?}");
        let few = stratified_folds(&[0, 1, 0], 4, 0);
        assert!(matches!(few, Err(ProbeError::Rows { rows: 3, needed: 4, .. })), "{few:?}");
    }
}
