//! Sums of embedding rows and their gradients equal those of libtorch.

use sst_kernels::Lookup;
use tch::{Kind, Tensor};

use crate::numbers::Numbers;

/// Tables with these numbers of rows, and ids for `tokens` tokens, some of which occur often.
fn tables(counts: &[i64], width: i64, tokens: i64, kind: Kind) -> Vec<(Tensor, Tensor)> {
    let mut rng = Numbers::new(8, "test.embedding", 0);
    let mut table = |count: i64| {
        let numbers: Vec<f32> = (0..count * width).map(|_| rng.normal() as f32).collect();
        let weight = Tensor::from_slice(&numbers).reshape([count, width]).to_kind(kind);
        let ids: Vec<i64> = (0..tokens)
            .map(|token| if token % 3 == 0 { 0 } else { rng.below(count as u64) as i64 })
            .collect();
        (weight.set_requires_grad(true), Tensor::from_slice(&ids).reshape([2, tokens / 2]))
    };
    counts.iter().map(|count| table(*count)).collect()
}

/// The sum and the gradients of the tables. With `is_tied`, each table has a second use, as a tied head would: the
/// sum of its squares is added to the loss.
fn run(tables: &[(Tensor, Tensor)], is_tied: bool, sum: impl Fn() -> Tensor) -> Vec<Tensor> {
    let y = sum();
    let factors = Tensor::arange(y.numel() as i64, (Kind::Float, tch::Device::Cpu)).sin();
    let mut loss = (y.to_kind(Kind::Float) * factors.reshape(y.size())).sum(Kind::Float);
    if is_tied {
        for (weight, _) in tables {
            loss += (weight * weight).sum(Kind::Float);
        }
    }
    loss.f_backward().unwrap();
    let mut all = vec![y.detach()];
    for (weight, _) in tables {
        all.push(weight.grad().copy());
        assert_eq!(weight.grad().kind(), weight.kind());
        sst_kernels::reset_gradients([weight]).unwrap();
    }
    all
}

fn close(found: &[Tensor], expected: &[Tensor], tolerance: f64) {
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let [found, expected] = [found, expected].map(|x| x.to_kind(Kind::Double));
        let (difference, size) = ((found - &expected).norm(), expected.norm());
        let off = (difference / size).double_value(&[]);
        assert!(off <= tolerance, "{i}: {off} is above {tolerance}");
    }
}

fn lookup<'a>((weight, ids): &'a (Tensor, Tensor), padding_id: Option<i64>) -> Lookup<'a> {
    Lookup { weight, ids, padding_id }
}

#[test]
fn sums_and_gradients_equal_libtorchs() {
    for (kind, tolerance) in [(Kind::Float, 1e-6), (Kind::BFloat16, 5e-3)] {
        for (counts, width, tokens) in
            [(&[7][..], 3, 40), (&[300, 2, 50], 160, 400), (&[50, 40], 384, 90)]
        {
            let tables = tables(counts, width, tokens, kind);
            for (is_tied, padding) in [(false, None), (true, None), (true, Some(0))] {
                let kernel = || {
                    let lookups: Vec<_> =
                        tables.iter().map(|table| lookup(table, padding)).collect();
                    sst_kernels::embedding_sum(&lookups).unwrap()
                };
                let operators = || {
                    let of = |(weight, ids): &(Tensor, Tensor)| {
                        let wide = weight.to_kind(Kind::Double);
                        Tensor::embedding(&wide, ids, padding.unwrap_or(-1), false, false)
                    };
                    tables.iter().map(of).reduce(|a, b| a + b).unwrap()
                };
                let found = run(&tables, is_tied, kernel);
                close(&found, &run(&tables, is_tied, operators), tolerance);
            }
        }
    }
}

/// A table gets a dense gradient if its gradient is requested by name, or if it is not a parameter.
#[test]
fn a_gradient_that_is_asked_for_is_made() {
    let tables = tables(&[9], 4, 20, Kind::Float);
    let (weight, ids) = &tables[0];
    let y = sst_kernels::embedding_sum(&[lookup(&tables[0], None)]).unwrap();
    let grads = Tensor::f_run_backward(&[y.sum(Kind::Float)], &[weight], false, false).unwrap();
    assert!(!weight.grad().defined());
    let counts = ids.flatten(0, -1).bincount::<Tensor>(None, 9).to_kind(Kind::Float);
    assert_eq!(grads[0], counts.unsqueeze(1).expand([9, 4], false));
    // A table that is not a parameter but a result: half of the parameter.
    let half = (weight * 0.5, ids.shallow_clone());
    sst_kernels::embedding_sum(&[lookup(&half, None)]).unwrap().sum(Kind::Float).backward();
    assert_eq!(weight.grad(), counts.unsqueeze(1).expand([9, 4], false) * 0.5);
}

#[test]
fn one_table_may_be_two() {
    let [(weight, ids)] = &tables(&[9], 200, 400, Kind::Float)[..] else { unreachable!() };
    let other = (ids + 1).remainder(9);
    let lookups = [ids, &other].map(|ids| Lookup { weight, ids, padding_id: None });
    sst_kernels::embedding_sum(&lookups).unwrap().sum(Kind::Float).backward();
    let counts = [ids, &other].map(|ids| ids.flatten(0, -1).bincount::<Tensor>(None, 9));
    let counts = (&counts[0] + &counts[1]).to_kind(Kind::Float);
    assert_eq!(weight.grad(), counts.unsqueeze(1).expand([9, 200], false));
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let _turn = crate::generator();
    let tables = tables(&[70, 3], 300, 500, Kind::Float);
    let sum = || {
        let lookups: Vec<_> = tables.iter().map(|table| lookup(table, None)).collect();
        sst_kernels::embedding_sum(&lookups).unwrap()
    };
    let before = tch::get_num_threads();
    let many = run(&tables, true, sum);
    tch::set_num_threads(1);
    let one = run(&tables, true, sum);
    tch::set_num_threads(before);
    assert_eq!(many, one);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let all = tables(&[9, 9], 4, 20, Kind::Float);
    let [a, b] = [&all[0], &all[1]].map(|table| lookup(table, None));
    let error =
        |lookups: &[Lookup<'_>]| sst_kernels::embedding_sum(lookups).unwrap_err().to_string();
    assert!(error(&[]).contains("no table"));
    let outside = a.ids + 9;
    assert!(error(&[Lookup { ids: &outside, ..a }]).contains("outside a table of 9 rows"));
    let short = b.ids.narrow(1, 0, 3).contiguous();
    assert!(error(&[a, Lookup { ids: &short, ..b }]).contains("one shape"));
    let low = b.weight.to_kind(Kind::BFloat16);
    assert!(error(&[a, Lookup { weight: &low, ..b }]).contains("one type"));
    let whole = a.ids.to_kind(Kind::Int);
    assert!(!Lookup { ids: &whole, ..a }.has_kernel());
}
