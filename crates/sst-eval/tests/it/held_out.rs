//! The held-out loss is a mean over units, however the rows are grouped.

use std::sync::Arc;

use sst_core::Evaluator;
use sst_eval::HeldOut;
use tch::Device;

use crate::toy::{EveryThird, Fixed, Rows};

fn rows() -> Arc<Rows> {
    // Hidden: 7 3 / 7 7 / 5 3: half of them are 7.
    Arc::new(Rows(vec![vec![1, 7, 2, 2, 3], vec![1, 7, 2, 2, 7], vec![1, 5, 2, 2, 3]]))
}

#[test]
fn loss_and_sums_are_means_over_units() {
    let model = Fixed::favouring(10, 7, 2.0);
    // -ln p of the favourite and of any other token.
    let total = 2_f64.exp() + 9.0;
    let expected = 0.5 * (total.ln() - 2.0) + 0.5 * total.ln();
    for batch_size in [1, 2, 3, 64] {
        let held_out = HeldOut::new(Box::new(EveryThird), rows(), batch_size, Device::Cpu, 0);
        let report = held_out.measure(&model).unwrap();
        assert!((report.metrics["loss"] - expected).abs() < 1e-6, "{batch_size}: {report:?}");
        assert_eq!(report.metrics["correct"], 0.5, "{batch_size}");
        assert_eq!((report.counts["rows"], report.counts["units"]), (3, 6));
    }
}

#[test]
fn it_is_an_evaluator_of_the_objectives_name() {
    let mut held_out = HeldOut::new(Box::new(EveryThird), rows(), 2, Device::Cpu, 0);
    assert_eq!(held_out.name(), "every-third");
    let metrics = held_out.evaluate(&Fixed::uniform(10)).unwrap();
    assert!((metrics["loss"] - 10_f64.ln()).abs() < 1e-6);
}

#[test]
fn nothing_to_measure_is_an_error() {
    let empty = Arc::new(Rows(vec![]));
    let held_out = HeldOut::new(Box::new(EveryThird), empty, 2, Device::Cpu, 0);
    let error = held_out.measure(&Fixed::uniform(10)).unwrap_err();
    assert!(error.to_string().contains("every-third has nothing to measure"), "{error}");
}
