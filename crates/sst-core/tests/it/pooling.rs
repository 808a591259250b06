//! Every pooling follows its formula, for ragged and padded rows, and has the right gradient.

use sst_core::RaggedRows;
use sst_core::nn::Pooling;
use sst_data::SeqRng;
use tch::{Device, Kind, Tensor};

const LENGTHS: [usize; 3] = [4, 1, 3];
const WIDTH: usize = 5;

fn hidden() -> Vec<Vec<f64>> {
    let mut rng = SeqRng::new(5, "test.pooling", 0, 0);
    let row = |_| (0..WIDTH).map(|_| f64::from(rng.normal() as f32)).collect();
    (0..8).map(row).collect()
}

/// The pooled vector of the tokens `rows`.
fn expected(pooling: Pooling, rows: &[Vec<f64>]) -> Vec<f64> {
    let n = rows.len() as f64;
    let sum = |weight: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let one = |d: usize| rows.iter().enumerate().map(|(i, row)| weight(i) * row[d]).sum();
        (0..WIDTH).map(one).collect()
    };
    match pooling {
        Pooling::Cls => rows[0].clone(),
        Pooling::LastToken => rows[rows.len() - 1].clone(),
        Pooling::Mean => sum(&|_| 1.0 / n),
        Pooling::MeanSqrtLen => sum(&|_| 1.0 / n.sqrt()),
        Pooling::WeightedMean => {
            let total: f64 = (1..=rows.len()).map(|place| place as f64).sum();
            sum(&|i| (i + 1) as f64 / total)
        }
        Pooling::Max => {
            let most = |d: usize| rows.iter().map(|row| row[d]).fold(f64::NEG_INFINITY, f64::max);
            (0..WIDTH).map(most).collect()
        }
    }
}

#[test]
fn poolings_are_their_formulas_and_have_gradients() {
    let hidden = hidden();
    let flat: Vec<f32> = hidden.iter().flatten().map(|x| *x as f32).collect();
    let rows = RaggedRows::new(&LENGTHS, Device::Cpu);
    for pooling in Pooling::ALL {
        // Two more rows than tokens, as padding to kernel rows leaves.
        let states = Tensor::from_slice(&[flat.clone(), vec![9e9; 2 * WIDTH]].concat());
        let states = states.reshape([10, WIDTH as i64]).set_requires_grad(true);
        let vectors = pooling.apply(&states, &rows).unwrap();
        let mut start = 0;
        for (row, length) in LENGTHS.iter().enumerate() {
            let want = expected(pooling, &hidden[start..start + length]);
            let found = Vec::<f32>::try_from(vectors.get(row as i64)).unwrap();
            for (found, want) in found.iter().zip(&want) {
                assert!((f64::from(*found) - want).abs() < 1e-6, "{pooling:?} {row}");
            }
            start += length;
        }
        vectors.sum(Kind::Float).backward();
        // Moving all tokens of a row by one moves its vector by the sum of the gradients.
        let grads = Vec::<Vec<f32>>::try_from(states.grad()).unwrap();
        assert!(grads[8..].iter().flatten().all(|grad| *grad == 0.0));
        let moved: Vec<Vec<f64>> =
            hidden[..4].iter().map(|row| row.iter().map(|x| x + 1.0).collect()).collect();
        let (before, after) = (expected(pooling, &hidden[..4]), expected(pooling, &moved));
        for d in 0..WIDTH {
            let slope: f64 = grads[..4].iter().map(|row| f64::from(row[d])).sum();
            assert!((after[d] - before[d] - slope).abs() < 1e-5, "{pooling:?} {d}");
        }
    }
    let empty = RaggedRows::new(&[8, 0], Device::Cpu);
    let states = Tensor::from_slice(&flat).reshape([8, WIDTH as i64]);
    for pooling in Pooling::ALL {
        assert!(pooling.apply(&states, &empty).is_err(), "{pooling:?}");
    }
}
