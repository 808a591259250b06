//! Cross-entropy in one pass gives the same results as libtorch's operators.

use sst_kernels::{CrossEntropy, CrossEntropySums, cross_entropy};
use tch::{Kind, Reduction, Tensor};

use crate::numbers;

const UNSCORED: i64 = -100;

fn logits(rows: i64, vocab: i64, kind: Kind) -> Tensor {
    let tensor = numbers::normal("test.cross_entropy", vocab as u64, &[rows, vocab]) * 3.0;
    tensor.to_kind(kind).set_requires_grad(true)
}

fn run(logits: &Tensor, labels: &[i64], z_loss: f64) -> CrossEntropySums {
    let options = CrossEntropy { ignore_index: UNSCORED, z_loss };
    cross_entropy(logits, &Tensor::from_slice(labels), options).unwrap()
}

/// The loss, the z-loss and the number of correct tokens in fp64, and the gradient of a quarter of the loss.
fn reference(logits: &Tensor, labels: &[i64], z_loss: f64) -> ([f64; 3], Tensor) {
    let double = logits.detach().to_kind(Kind::Double).set_requires_grad(true);
    let labels = Tensor::from_slice(labels);
    let scored = labels.not_equal(UNSCORED);
    let sum = double.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Sum, UNSCORED, 0.0);
    let z = (double.logsumexp([-1_i64].as_slice(), false).square() * &scored).sum(Kind::Double);
    let (z, loss) = (&z * z_loss, sum + z * z_loss);
    let correct = (double.argmax(-1, false).eq_tensor(&labels) * scored).sum(Kind::Double);
    (&loss * 0.25).backward();
    ([loss, z, correct].map(|x| x.double_value(&[])), double.grad())
}

#[test]
fn loss_gradient_and_counts() {
    for (kind, tolerance) in [(Kind::Float, 2e-6), (Kind::BFloat16, 5e-3)] {
        for (rows, vocab) in [(1, 1), (9, 7), (20, 16), (11, 1003)] {
            for z_loss in [0.0, 0.01] {
                let mut labels: Vec<i64> = (0..rows).map(|i| i * 31 % vocab).collect();
                if rows > 3 {
                    labels[2] = UNSCORED;
                }
                let logits = logits(rows, vocab, kind);
                let (expected, gradient) = reference(&logits, &labels, z_loss);
                let found = run(&logits, &labels, z_loss);
                // The factor is that of the mean over a batch.
                (&found.loss * 0.25).backward();
                let case = format!("{kind:?} {rows} x {vocab}, z {z_loss}");
                let sums = [&found.loss, &found.z_loss, &found.correct];
                for (found, expected) in sums.map(|x| x.double_value(&[])).iter().zip(expected) {
                    // The logits are exact in both types, so that sums are equally precise in bf16.
                    assert!((found - expected).abs() <= 2e-6 * expected.abs().max(1.0), "{case}");
                }
                let grad = logits.grad();
                assert_eq!(grad.kind(), kind);
                let difference = (grad.to_kind(Kind::Double) - &gradient).norm();
                let size = gradient.norm().double_value(&[]);
                assert!(difference.double_value(&[]) <= tolerance * size + 1e-7, "{case}");
            }
        }
    }
}

#[test]
fn of_equal_logits_the_first_is_the_answer() {
    let logits = Tensor::from_slice(&[1f32, 2.0, 2.0, 0.0]).reshape([1, 4]);
    let correct = |label| run(&logits, &[label], 0.0).correct.double_value(&[]);
    assert_eq!([0, 1, 2, 3].map(correct), [0.0, 1.0, 0.0, 0.0]);
}

/// A run must notice that its model is broken: a NaN logit gives a NaN loss.
#[test]
fn what_is_no_number_is_not_hidden() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for place in [0, 17, 18] {
            let mut values = vec![0.5_f32; 19];
            values[place] = bad;
            let logits = Tensor::from_slice(&values).reshape([1, 19]).set_requires_grad(true);
            let loss = run(&logits, &[3], 0.0).loss;
            // A logit of minus infinity has probability zero and is allowed.
            let is_fine = bad == f32::NEG_INFINITY;
            assert_eq!(loss.double_value(&[]).is_finite(), is_fine, "{bad} at {place}");
            loss.backward();
            let is_finite = logits.grad().isfinite().all().int64_value(&[]) != 0;
            assert_eq!(is_finite, is_fine, "{bad} at {place}");
        }
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let options = CrossEntropy { ignore_index: UNSCORED, z_loss: 0.0 };
    let x = logits(2, 5, Kind::Float);
    for (labels, expected) in
        [(vec![1_i64, 5], "label 5 is outside the vocabulary of 5"), (vec![1], "one int64 label")]
    {
        let error = cross_entropy(&x, &Tensor::from_slice(&labels), options).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
    let labels = Tensor::from_slice(&[1_i64, 2]);
    assert!(cross_entropy(&x.to_kind(Kind::Half), &labels, options).is_err());
    assert!(cross_entropy(&x.unsqueeze(0), &labels, options).is_err());
}
