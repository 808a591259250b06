//! Attention over ragged rows gives the same results as its definition.

use sst_kernels::RaggedAttention;
use tch::{Device, Kind, Tensor};

use crate::numbers;

fn normal(index: u64, shape: &[i64]) -> Tensor {
    numbers::normal("test.attention", index, shape)
}

fn close(found: &[Tensor], expected: &[Tensor], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).norm().double_value(&[]);
        let size = expected.norm().double_value(&[]);
        assert!(difference <= tolerance * size.max(1.0), "{i}: {difference} of {size}");
    }
}

#[test]
fn bf16_differs_from_fp32_by_its_rounding_alone() {
    let offsets = [0, 40, 77];
    let options =
        RaggedAttention { num_heads: 3, num_kv_heads: 3, scale: 0.3, dropout: 0.0, causal: false };
    let attend = |kind| {
        let inputs = [0, 1, 2].map(|i| {
            // These numbers are exact in bf16.
            let exact = normal(i, &[77, 24]).to_kind(Kind::BFloat16);
            exact.to_kind(kind).set_requires_grad(true)
        });
        let [q, k, v] = &inputs;
        let out = sst_kernels::ragged_attention([q, k, v], &offsets, options).unwrap();
        assert_eq!(out.kind(), kind);
        out.to_kind(Kind::Float).sum(Kind::Float).f_backward().unwrap();
        let mut all = vec![out.to_kind(Kind::Float)];
        all.extend(inputs.iter().map(|x| x.grad().to_kind(Kind::Float)));
        all
    };
    // Half a unit in the last of the eight bits of bf16.
    close(&attend(Kind::BFloat16), &attend(Kind::Float), 4e-3);
}

/// The reference: scores, mask and softmax of one row with plain tensor operations.
fn reference([q, k, v]: [&Tensor; 3], options: RaggedAttention, length: i64) -> Tensor {
    let split = |x: &Tensor, heads: i64| x.reshape([length, heads, -1]).transpose(0, 1);
    let group = options.num_heads / options.num_kv_heads;
    let shared =
        |x: &Tensor| split(x, options.num_kv_heads).repeat_interleave_self_int(group, 0, None);
    let scores = split(q, options.num_heads).matmul(&shared(k).transpose(1, 2)) * options.scale;
    let after = Tensor::ones([length, length], (Kind::Bool, Device::Cpu)).triu(1);
    let scores =
        if options.causal { scores.masked_fill(&after, f64::NEG_INFINITY) } else { scores };
    scores.softmax(-1, Kind::Float).matmul(&shared(v)).transpose(0, 1).reshape([length, -1])
}

#[test]
fn causal_rows_and_shared_keys_equal_the_definition() {
    for (num_heads, num_kv_heads, causal) in
        [(4, 4, true), (4, 2, true), (6, 1, false), (6, 3, true)]
    {
        let width = 10;
        let options = RaggedAttention { num_heads, num_kv_heads, scale: 0.4, dropout: 0.0, causal };
        let lengths = [1_i64, 61, 18, 49];
        let offsets = [0, 1, 62, 80, 129];
        let run = |kernel: bool| {
            let sizes = [num_heads, num_kv_heads, num_kv_heads].map(|heads| heads * width);
            let inputs: Vec<_> = (0..3)
                .map(|i| normal(i, &[129, sizes[i as usize]]).set_requires_grad(true))
                .collect();
            let tensors = [&inputs[0], &inputs[1], &inputs[2]];
            let out = if kernel {
                sst_kernels::ragged_attention(tensors, &offsets, options).unwrap()
            } else {
                let rows = offsets
                    .iter()
                    .zip(lengths)
                    .map(|(start, length)| reference_of(tensors, options, *start, length));
                Tensor::cat(&rows.collect::<Vec<_>>(), 0)
            };
            (&out * normal(3, &out.size())).sum(Kind::Float).f_backward().unwrap();
            let mut all = vec![out];
            all.extend(inputs.iter().map(Tensor::grad));
            all
        };
        close(&run(true), &run(false), 2e-6);
    }
}

/// [`reference`] for the queries of a row's last tokens.
fn reference_of_last([q, k, v]: [&Tensor; 3], options: RaggedAttention) -> Tensor {
    let (queries, keys) = (q.size()[0], k.size()[0]);
    let before = Tensor::zeros([keys - queries, q.size()[1]], (Kind::Float, Device::Cpu));
    let all = Tensor::cat(&[&before, q], 0);
    reference([&all, k, v], options, keys).narrow(0, keys - queries, queries)
}

#[test]
fn some_queries_see_the_keys_of_their_row() {
    // A row without queries, a row with all of them, keys of no row, and tokens after the last row.
    let offsets = [0, 5, 5, 54, 55];
    let keys = [[0, 60], [60, 64], [70, 119], [119, 122]];
    for causal in [false, true] {
        let options =
            RaggedAttention { num_heads: 4, num_kv_heads: 2, scale: 0.4, dropout: 0.0, causal };
        let run = |kernel: bool| {
            let make = |i, size: [i64; 2]| normal(i, &size).set_requires_grad(true);
            let inputs = [make(0, [58, 40]), make(1, [125, 20]), make(2, [125, 20])];
            let [q, k, v] = &inputs;
            let out = if kernel {
                sst_kernels::ragged_cross_attention([q, k, v], &offsets, &keys, options).unwrap()
            } else {
                let row = |(pair, &[start, end]): (&[i64], &[i64; 2])| {
                    let q = q.narrow(0, pair[0], pair[1] - pair[0]);
                    let [k, v] = [k, v].map(|x| x.narrow(0, start, end - start));
                    reference_of_last([&q, &k, &v], options)
                };
                let mut rows: Vec<_> = offsets.windows(2).zip(&keys).map(row).collect();
                rows.push(Tensor::zeros([3, 40], (Kind::Float, Device::Cpu)));
                Tensor::cat(&rows, 0)
            };
            (&out * normal(3, &out.size())).sum(Kind::Float).f_backward().unwrap();
            let mut all = vec![out];
            all.extend(inputs.iter().map(Tensor::grad));
            all
        };
        close(&run(true), &run(false), 2e-6);
    }
}

#[test]
fn a_joint_projection_gives_what_three_do() {
    let options =
        RaggedAttention { num_heads: 4, num_kv_heads: 2, scale: 0.4, dropout: 0.0, causal: true };
    let offsets = [0, 7, 50];
    let run = |is_joint: bool| {
        let joint = normal(6, &[52, 48]).set_requires_grad(true);
        let out = if is_joint {
            sst_kernels::joint_attention(&joint, &offsets, options).unwrap()
        } else {
            let part = |from, width| joint.narrow(1, from, width);
            let parts = [part(0, 24), part(24, 12), part(36, 12)];
            sst_kernels::ragged_attention([&parts[0], &parts[1], &parts[2]], &offsets, options)
                .unwrap()
        };
        (&out * normal(3, &[52, 24])).sum(Kind::Float).f_backward().unwrap();
        [out, joint.grad()]
    };
    close(&run(true), &run(false), 0.0);
    let narrow = normal(6, &[50, 20]);
    let error = sst_kernels::joint_attention(&narrow, &offsets, options).unwrap_err();
    assert!(error.to_string().contains("heads"), "{error}");
}

fn reference_of(
    tensors: [&Tensor; 3],
    options: RaggedAttention,
    start: i64,
    length: i64,
) -> Tensor {
    let [q, k, v] = tensors.map(|x| x.narrow(0, start, length));
    reference([&q, &k, &v], options, length)
}

/// Contexts and gradients in fp32. The inputs are exact in bf16, and the attention runs in the given type.
fn attend_in(kind: Kind, offsets: &[i64], width: i64, options: RaggedAttention) -> Vec<Tensor> {
    let tokens = *offsets.last().unwrap();
    let heads = [options.num_heads, options.num_kv_heads, options.num_kv_heads];
    let inputs = [0, 1, 2].map(|i| {
        let exact = normal(i, &[tokens, heads[i as usize] * width]).to_kind(Kind::BFloat16);
        exact.to_kind(kind).set_requires_grad(true)
    });
    let [q, k, v] = &inputs;
    let out = sst_kernels::ragged_attention([q, k, v], offsets, options).unwrap();
    let weight = normal(3, &out.size()).to_kind(Kind::BFloat16).to_kind(kind);
    (&out * weight).sum(Kind::Float).f_backward().unwrap();
    let mut all = vec![out.to_kind(Kind::Float)];
    all.extend(inputs.iter().map(|x| x.grad().to_kind(Kind::Float)));
    all
}

#[test]
fn products_of_pairs_differ_from_fp32_by_their_rounding_alone() {
    let offsets = [0, 8, 17, 18, 40, 40, 87, 136, 236, 250];
    for (width, num_kv_heads, causal) in
        [(32, 4, false), (64, 4, false), (32, 2, true), (96, 1, false), (64, 2, true)]
    {
        let options =
            RaggedAttention { num_heads: 4, num_kv_heads, scale: 0.2, dropout: 0.0, causal };
        let [found, expected] =
            [Kind::BFloat16, Kind::Float].map(|kind| attend_in(kind, &offsets, width, options));
        // Half a unit in the last of the eight bits of bf16, for intermediate results as well.
        close(&found, &expected, 6e-3);
    }
}

#[test]
fn products_of_pairs_drop_what_fp32_does() {
    let _turn = crate::generator();
    let options =
        RaggedAttention { num_heads: 2, num_kv_heads: 2, scale: 0.2, dropout: 0.4, causal: false };
    let [found, expected] = [Kind::BFloat16, Kind::Float].map(|kind| {
        tch::manual_seed(3);
        attend_in(kind, &[0, 20, 69, 78], 32, options)
    });
    close(&found, &expected, 6e-3);
}

#[test]
fn a_score_that_is_no_number_shows() {
    let options =
        RaggedAttention { num_heads: 1, num_kv_heads: 1, scale: 0.2, dropout: 0.0, causal: false };
    for kind in [Kind::BFloat16, Kind::Float] {
        let x = normal(4, &[20, 32]).to_kind(kind);
        let broken = x.copy();
        let _ = broken.get(7).fill_(f64::NAN);
        // Rows with one query, or with a key that all queries attend to.
        for (tensors, expected) in [([&broken, &x, &x], 1), ([&x, &broken, &x], 20)] {
            let out = sst_kernels::ragged_attention(tensors, &[0, 20], options).unwrap();
            let rows = out.isnan().all_dim(1, false).sum(Kind::Int64).int64_value(&[]);
            assert_eq!(rows, expected, "{kind:?}");
        }
    }
}

#[test]
fn dropout_keeps_the_mean_and_repeats_with_the_seed() {
    let _turn = crate::generator();
    let (rows, length) = (40, 50);
    let offsets: Vec<i64> = (0..=rows).map(|row| row * length).collect();
    let options =
        RaggedAttention { num_heads: 2, num_kv_heads: 2, scale: 0.0, dropout: 0.3, causal: false };
    let zeros = Tensor::zeros([rows * length, 8], (Kind::Float, Device::Cpu));
    let ones = zeros.ones_like().set_requires_grad(true);
    let run = || sst_kernels::ragged_attention([&zeros, &zeros, &ones], &offsets, options).unwrap();
    // All scores are equal and all values one, so that each number of the result is the fraction of keys that are
    // kept, divided by 0.7.
    let out = run();
    let mean = out.mean(Kind::Double).double_value(&[]);
    // 4,000 lines of 50 draws: the standard deviation of the mean is sqrt(0.3 / 0.7 / 200,000).
    let deviation = (0.3_f64 / 0.7 / 200_000.0).sqrt();
    assert!((mean - 1.0).abs() < 4.0 * deviation, "{mean}");
    let spread = out.std(false).double_value(&[]);
    let expected = (0.3_f64 / 0.7 / 50.0).sqrt();
    assert!((spread / expected - 1.0).abs() < 0.1, "{spread} instead of {expected}");
    // The gradient passes through the keys that were kept, so both sums count them.
    out.sum(Kind::Double).f_backward().unwrap();
    let (kept, sent) = (out.sum(Kind::Double), ones.grad().sum(Kind::Double));
    close(&[sent], &[kept], 1e-6);
    assert!(!run().equal(&out), "the next call draws anew");
}

#[test]
fn a_problem_that_does_not_fit_is_refused() {
    let x = normal(4, &[6, 8]);
    let options =
        RaggedAttention { num_heads: 2, num_kv_heads: 2, scale: 1.0, dropout: 0.0, causal: false };
    let check = |tensors: [&Tensor; 3], offsets: &[i64], options, part: &str| {
        let error =
            sst_kernels::ragged_attention(tensors, offsets, options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let all = [&x, &x, &x];
    for offsets in [&[0, 7][..], &[1, 6], &[0, 4, 3, 6], &[]] {
        check(all, offsets, options, "offsets");
    }
    check(all, &[0, 6], RaggedAttention { num_heads: 3, ..options }, "heads");
    check(all, &[0, 6], RaggedAttention { dropout: 1.0, ..options }, "dropout");
    let narrow = normal(4, &[6, 4]);
    check([&x, &narrow, &x], &[0, 6], options, "keys and values");
    let double = x.to_kind(Kind::Double);
    check([&double, &double, &double], &[0, 6], options, "fp32 or bf16");
    check([&x, &double, &x], &[0, 6], options, "one type");
    let causal = RaggedAttention { causal: true, ..options };
    for (keys, options, part) in [
        (&[[0, 4], [3, 6]][..], options, "must be inside the tensor, and in order"),
        (&[[0, 4], [4, 7]], options, "inside"),
        (&[[0, 4]], options, "its keys"),
        (&[[0, 4], [5, 5]], options, "fewer keys"),
        (&[[0, 2], [2, 6]], causal, "fewer keys"),
    ] {
        let error =
            sst_kernels::ragged_cross_attention(all, &[0, 3, 6], keys, options).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}
