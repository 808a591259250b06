//! The online code against scikit-learn.

use sst_eval::probe::{
    Labelled, LogisticOptions, OnlineCodeOptions, ProbeError, online_code, shuffled_rows,
};

use super::{Golden, integers, normal, number, numbers, shifted, text};

#[test]
fn code_lengths_are_those_of_scikit_learn() {
    let golden = Golden::open();
    let fractions = numbers(&golden.figures["fractions"]);
    let mut lacked_a_class = 0;
    for case in golden.cases("online", 2) {
        let name = text(case, "data");
        let classes = integers_of(case, "classes");
        let data = golden.labelled(&format!("{name}.x"), &format!("{name}.labels"), classes);
        let order = golden.integers(&format!("{name}.order"));
        let order: Vec<usize> = order.into_iter().map(|row| row as usize).collect();
        let options = OnlineCodeOptions {
            fractions: fractions.clone(),
            logistic: LogisticOptions { c: number(&case["c"]), ..LogisticOptions::default() },
        };
        let found = online_code(&data, &order, &options).unwrap();
        let close = |got: f64, want: f64| (got - want).abs() <= 1e-4 * want;
        let (ends, bits) = (integers(&case["ends"]), numbers(&case["portions"]));
        assert_eq!(found.portions.len(), ends.len());
        for (portion, (end, want)) in found.portions.iter().zip(ends.into_iter().zip(bits)) {
            assert_eq!((portion.before + portion.rows) as i64, end, "{name}");
            assert!(close(portion.bits, want), "{name}: {portion:?} should have {want} bits");
            assert!(portion.convergence.is_none_or(|found| found.converged()), "{name}");
            lacked_a_class += usize::from(portion.before > 0 && portion.absent_classes > 0);
        }
        assert!(close(found.bits, number(&case["bits"])), "{name}: {}", found.bits);
        assert!(close(found.compression(), number(&case["compression"])), "{name}");
    }
    assert!(lacked_a_class > 1, "the mixture with the uniform code is not tested");
}

fn integers_of(case: &serde_json::Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

#[test]
fn labels_that_vectors_tell_take_few_bits_and_random_ones_no_fewer_than_uniform() {
    let clear = shifted(400, 8, 4, 8.0, 1);
    let order = shuffled_rows(400, 0);
    let options = OnlineCodeOptions::default();
    let found = online_code(&clear, &order, &options).unwrap();
    assert_eq!(found.uniform_bits, 800.0);
    assert!(found.compression() > 5.0, "{found:?}");
    // 0.001 and 0.002 of 400 rows are none.
    assert_eq!((found.portions[0].before, found.portions[0].rows), (0, 1));
    let noise = Labelled::new(&normal(400, 8, 2), clear.labels(), 4).unwrap();
    let found = online_code(&noise, &order, &options).unwrap();
    assert!(found.compression() < 1.0, "{found:?}");
}

#[test]
fn rows_of_one_class_cost_little_and_the_first_of_another_is_finite() {
    // Seven rows of class 0, and one of class 1 as the last: t = 1, 2, 4, 7.
    let labels = [0, 0, 0, 0, 0, 0, 0, 1];
    let data = Labelled::new(&normal(8, 2, 0), &labels, 2).unwrap();
    let order: Vec<usize> = (0..8).collect();
    let fractions = vec![0.125, 0.25, 0.5, 0.875, 1.0];
    let options = OnlineCodeOptions { fractions, ..OnlineCodeOptions::default() };
    let found = online_code(&data, &order, &options).unwrap();
    let same = |t: f64| -((t + 0.5) / (t + 1.0)).log2();
    let want = [1.0, same(1.0), 2.0 * same(2.0), 3.0 * same(4.0), -(0.5_f64 / 8.0).log2()];
    for (portion, want) in found.portions.iter().zip(want) {
        assert!((portion.bits - want).abs() < 1e-12, "{portion:?} should have {want} bits");
        assert_eq!(portion.convergence, None);
    }
    assert!((found.bits - want.iter().sum::<f64>()).abs() < 1e-12);
}

#[test]
fn orders_and_fractions_that_cannot_be_are_refused() {
    let data = shifted(10, 4, 2, 1.0, 0);
    let options = OnlineCodeOptions::default();
    for order in [vec![0; 10], (0..9).collect(), (1..11).collect(), (0..11).collect()] {
        let found = online_code(&data, &order, &options);
        assert!(matches!(found, Err(ProbeError::Option { key: "order", .. })), "{found:?}");
    }
    let order: Vec<usize> = (0..10).collect();
    for fractions in [vec![], vec![0.5], vec![0.0, 1.0], vec![0.5, 0.5, 1.0], vec![0.5, 2.0]] {
        let found = online_code(&data, &order, &OnlineCodeOptions { fractions, ..options.clone() });
        assert!(matches!(found, Err(ProbeError::Option { key: "fractions", .. })), "{found:?}");
    }
    let none = Labelled::new(&normal(0, 2, 0), &[], 2).unwrap();
    let found = online_code(&none, &[], &options);
    assert!(matches!(found, Err(ProbeError::Rows { .. })), "{found:?}");
}
