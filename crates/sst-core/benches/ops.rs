//! The speed of the operations between the matrix products, compared with libtorch's operators. Forward and backward
//! pass together, at the size of the `mlm` benchmark (32 verses per step, width 256), in tokens, parameters or bytes
//! per second.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may panic; its functions are made by macros"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sst_core::RaggedRows;
use sst_core::checkpoint::write_tensors;
use sst_core::nn;
use sst_kernels::{AdamW, AdamWTensors, RaggedAttention};
use tch::{Device, Kind, Reduction, Tensor};

const WIDTH: i64 = 256;
const HEADS: i64 = 4;
const CPU: (Kind, Device) = (Kind::BFloat16, Device::Cpu);
/// The lengths of verses in tokens.
const LENGTHS: [usize; 32] = [
    37, 12, 29, 44, 31, 18, 52, 26, 33, 40, 23, 61, 35, 28, 15, 47, 30, 38, 21, 56, 27, 34, 42, 19,
    25, 49, 32, 36, 24, 70, 39, 22,
];

fn input(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, CPU).set_requires_grad(true)
}

/// Runs `forward`, and computes its gradients with respect to `inputs`.
fn both(inputs: &[&Tensor], forward: impl FnOnce() -> Tensor) -> Vec<Tensor> {
    let y = forward();
    // The gradient from later layers, in the type of `y`.
    let loss = (&y * y.ones_like()).sum(y.kind());
    Tensor::run_backward(&[loss], inputs, false, false)
}

/// Attention over rows of unequal length.
fn attention(c: &mut Criterion) {
    let rows = RaggedRows::new(&LENGTHS, Device::Cpu);
    let joint = input(&[rows.num_tokens(), 3 * WIDTH]);
    let scale = 1.0 / ((WIDTH / HEADS) as f64).sqrt();
    let mut group = c.benchmark_group("attention");
    group.throughput(Throughput::Elements(rows.num_tokens() as u64));
    for (name, causal) in [("kernel", false), ("causal-kernel", true)] {
        let options =
            RaggedAttention { num_heads: HEADS, num_kv_heads: HEADS, scale, dropout: 0.0, causal };
        group.bench_function(name, |b| {
            let forward = || sst_kernels::joint_attention(&joint, rows.offsets(), options).unwrap();
            b.iter(|| both(&[&joint], forward));
        });
    }
    // libtorch has no kernel for ragged rows, so they are padded before the attention and unpadded after it.
    let padded = |is_fused: bool| {
        let mask = rows.mask().unwrap().unsqueeze(1).unsqueeze(1);
        let heads = joint.chunk(3, 1).into_iter().map(|x| {
            let (b, l, d) = rows.pad(&x).unwrap().size3().unwrap();
            let heads = Tensor::reshape(&rows.pad(&x).unwrap(), [b, l, HEADS, d / HEADS]);
            heads.transpose(1, 2)
        });
        let [q, k, v] = <[Tensor; 3]>::try_from(heads.collect::<Vec<_>>()).unwrap();
        let y = if is_fused {
            Tensor::scaled_dot_product_attention(&q, &k, &v, Some(&mask), 0.0, false, None, false)
        } else {
            let scores = q.matmul(&k.transpose(2, 3)) * scale;
            let scores = scores.masked_fill(&mask.logical_not(), f64::NEG_INFINITY);
            scores.softmax(-1, Kind::BFloat16).matmul(&v)
        };
        rows.unpad(&y.transpose(1, 2).contiguous().flatten(2, 3)).unwrap()
    };
    for (name, is_fused) in [("libtorch-fused", true), ("libtorch-products", false)] {
        group.bench_function(name, |b| b.iter(|| both(&[&joint], || padded(is_fused))));
    }
}

/// Dropout, the residual and LayerNorm.
fn residual(c: &mut Criterion) {
    let tokens = LENGTHS.iter().sum::<usize>() as i64;
    let (x, residual) = (input(&[tokens, WIDTH]), input(&[tokens, WIDTH]));
    let single = (Kind::Float, Device::Cpu);
    let weight = Tensor::ones([WIDTH], single).set_requires_grad(true);
    let bias = Tensor::zeros([WIDTH], single).set_requires_grad(true);
    let inputs = [&x, &residual, &weight, &bias];
    let mut group = c.benchmark_group("residual-norm");
    group.throughput(Throughput::Elements(tokens as u64));
    group.bench_function("kernel", |b| {
        let forward = || {
            let [y, _] =
                sst_kernels::residual_norm(&x, &residual, [&weight, &bias], 0.1, 1e-12).unwrap();
            y
        };
        b.iter(|| both(&inputs, forward));
    });
    group.bench_function("libtorch", |b| {
        let forward = || {
            let sum = x.dropout(0.1, true) + &residual;
            sum.to_kind(Kind::Float).layer_norm([WIDTH], Some(&weight), Some(&bias), 1e-12, true)
        };
        b.iter(|| both(&inputs, forward));
    });
}

/// Linear layers without gradients, whose weights (302 MB) do not fit any cache, in bytes of weights per second.
fn linear(c: &mut Criterion) {
    let single = (Kind::Float, Device::Cpu);
    let weights: Vec<Tensor> = (0..32).map(|_| Tensor::randn([3072, 768], single)).collect();
    let turned: Vec<Tensor> = weights.iter().map(|weight| weight.tr().contiguous()).collect();
    let _guard = tch::no_grad_guard();
    let mut group = c.benchmark_group("linear");
    group.sample_size(20);
    for rows in [1, 8, 16, 1024] {
        group.throughput(Throughput::Bytes(32 * 3072 * 768 * 4));
        let x = Tensor::randn([rows, 768], single);
        let bias = Tensor::zeros([3072], single);
        if !sst_kernels::has_linear_kernel(&x, &weights[0]).unwrap() {
            continue;
        }
        group.bench_function(format!("out-in-kernel/{rows}"), |b| {
            let each = |w| {
                black_box(sst_kernels::fast_linear(
                    &x,
                    w,
                    sst_kernels::WeightLayout::OutIn,
                    Some(&bias),
                ))
            };
            b.iter(|| weights.iter().for_each(|weight| drop(each(weight))));
        });
        group.bench_function(format!("out-in-libtorch/{rows}"), |b| {
            b.iter(|| weights.iter().for_each(|w| drop(black_box(x.linear(w, Some(&bias))))));
        });
        group.bench_function(format!("in-out-kernel/{rows}"), |b| {
            let each = |w| {
                black_box(sst_kernels::fast_linear(
                    &x,
                    w,
                    sst_kernels::WeightLayout::InOut,
                    Some(&bias),
                ))
            };
            b.iter(|| turned.iter().for_each(|weight| drop(each(weight))));
        });
        group.bench_function(format!("in-out-libtorch/{rows}"), |b| {
            b.iter(|| turned.iter().for_each(|w| drop(black_box(bias.addmm(&x, w)))));
        });
    }
}

/// The two linear layers and the GELU of a MiniLM layer without gradients, for 1,024 tokens and packed weights, in
/// multiplications and additions per second.
fn mlp(c: &mut Criterion) {
    let (width, inner, rows) = (384, 1536, 1024);
    let _guard = tch::no_grad_guard();
    let _weights = sst_kernels::keep_weights();
    let mut group = c.benchmark_group("mlp");
    group.throughput(Throughput::Elements((4 * rows * width * inner) as u64));
    for kind in [Kind::Float, Kind::BFloat16] {
        let make = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu)).to_kind(kind);
        let (x, up, down) = (make(&[rows, width]), make(&[inner, width]), make(&[width, inner]));
        let (up_bias, down_bias) = (make(&[inner]), make(&[width]));
        let name = if kind == Kind::Float { "fp32" } else { "bf16" };
        if sst_kernels::has_mlp_kernel(&x, &up, &down).unwrap() {
            let layers = [
                sst_kernels::Affine { weight: &up, bias: Some(&up_bias) },
                sst_kernels::Affine { weight: &down, bias: Some(&down_bias) },
            ];
            let run = || {
                sst_kernels::fast_mlp(
                    &x,
                    layers,
                    sst_kernels::WeightLayout::OutIn,
                    sst_kernels::FusedActivation::Gelu,
                )
            };
            group.bench_function(format!("kernel/{name}"), |b| b.iter(|| black_box(run())));
        }
        group.bench_function(format!("libtorch/{name}"), |b| {
            b.iter(|| {
                black_box(
                    x.linear(&up, Some(&up_bias)).gelu("none").linear(&down, Some(&down_bias)),
                )
            });
        });
    }
}

/// The same in bf16 with gradients, forward and backward, for bf16 weights.
fn trained(c: &mut Criterion) {
    let (width, inner, rows) = (384, 1536, 1056);
    let mut group = c.benchmark_group("trained");
    group.throughput(Throughput::Elements((12 * rows * width * inner) as u64));
    let (x, up, down) = (input(&[rows, width]), input(&[inner, width]), input(&[width, inner]));
    let (up_bias, down_bias) = (input(&[inner]), input(&[width]));
    let layers = [
        sst_kernels::Affine { weight: &up, bias: Some(&up_bias) },
        sst_kernels::Affine { weight: &down, bias: Some(&down_bias) },
    ];
    let leaves = [&x, &up, &down, &up_bias, &down_bias];
    let run =
        || nn::mlp(&x, layers, sst_kernels::WeightLayout::OutIn, nn::Activation::Gelu).unwrap();
    #[cfg(target_arch = "x86_64")]
    for (name, forbidden) in [("kernel", None), ("libtorch", Some(sst_kernels::Unit::Vectors))] {
        sst_kernels::forbid_unit(forbidden);
        group.bench_function(name, |b| b.iter(|| both(&leaves, run)));
    }
    #[cfg(target_arch = "x86_64")]
    sst_kernels::forbid_unit(None);
}

/// The loss of masked tokens: logits of a vocabulary of 8,192 and their cross-entropy.
fn losses(c: &mut Criterion) {
    let tokens = 160;
    let (x, weight) = (input(&[tokens, WIDTH]), input(&[8192, WIDTH]));
    let labels = Tensor::randint(8192, [tokens], (Kind::Int64, Device::Cpu));
    let mut group = c.benchmark_group("losses");
    group.throughput(Throughput::Elements(tokens as u64));
    group.bench_function("linear-cross-entropy", |b| {
        let loss = || {
            let logits = x.linear(&weight, None::<&Tensor>).to_kind(Kind::Float);
            logits.cross_entropy_loss(&labels, None::<&Tensor>, Reduction::Mean, -100, 0.0)
        };
        b.iter(|| both(&[&x, &weight], loss));
    });
}

/// The parameters of a model, their gradients and moments.
struct Weights {
    params: Vec<Tensor>,
    grads: Vec<Tensor>,
    bf16_params: Vec<Tensor>,
    remainders: Vec<Tensor>,
    moments: [Vec<Tensor>; 2],
    steps: Vec<Tensor>,
}

impl Weights {
    /// 16 matrices of 786,432 numbers each.
    fn new(grad_kind: Kind) -> Self {
        let of = |kind| move || Tensor::randn([768, 1024], (kind, Device::Cpu)).abs();
        let many = |make: &dyn Fn() -> Tensor| (0..16).map(|_| make()).collect::<Vec<_>>();
        let step = || Tensor::from_slice(&[1f32]).squeeze();
        Self {
            params: many(&of(Kind::Float)),
            grads: many(&of(grad_kind)),
            bf16_params: many(&of(Kind::BFloat16)),
            remainders: many(&|| Tensor::zeros([768, 1024], (Kind::Int16, Device::Cpu))),
            moments: [many(&of(Kind::Float)), many(&of(Kind::Float))],
            steps: many(&step),
        }
    }

    fn count(&self) -> u64 {
        self.params.iter().map(|param| param.numel() as u64).sum()
    }

    fn lists(&self) -> AdamWTensors<'_> {
        AdamWTensors {
            params: self.params.iter().collect(),
            grads: self.grads.iter().collect(),
            exp_avgs: self.moments[0].iter().collect(),
            exp_avg_sqs: self.moments[1].iter().collect(),
            steps: self.steps.iter().collect(),
            bf16_params: Vec::new(),
            remainders: Vec::new(),
        }
    }
}

/// Clipping's norm and one update of AdamW.
fn update(c: &mut Criterion) {
    let options = AdamW { lr: 1e-6, betas: (0.9, 0.98), eps: 1e-6, weight_decay: 0.01 };
    let mut group = c.benchmark_group("update");
    let weights = Weights::new(Kind::BFloat16);
    group.throughput(Throughput::Elements(weights.count()));
    group.bench_function("norm", |b| {
        b.iter(|| sst_kernels::global_norm(black_box(&weights.grads)).unwrap());
    });
    group.bench_function("adamw-kernel", |b| {
        let mut lists = weights.lists();
        lists.bf16_params = weights.bf16_params.iter().map(Some).collect();
        b.iter(|| sst_kernels::fused_adamw(&lists, options, None, None).unwrap());
    });
    group.bench_function("adamw-remainder", |b| {
        let mut lists = weights.lists();
        lists.bf16_params = weights.bf16_params.iter().map(Some).collect();
        lists.remainders = weights.remainders.iter().map(Some).collect();
        b.iter(|| sst_kernels::fused_adamw(&lists, options, None, None).unwrap());
    });
    // The kernel refuses transposed tensors, so these are updated by libtorch.
    let mut other = Weights::new(Kind::Float);
    let lists = [&mut other.params, &mut other.grads].into_iter().chain(&mut other.moments);
    lists.flatten().for_each(|tensor| *tensor = tensor.transpose(0, 1));
    group.bench_function("adamw-libtorch", |b| {
        let lists = other.lists();
        b.iter(|| {
            sst_kernels::fused_adamw(&lists, options, None, None).unwrap();
            // The casts that the next forward pass would make.
            for (copy, param) in other.bf16_params.iter().zip(&other.params) {
                copy.shallow_clone().copy_(&param.transpose(0, 1));
            }
        });
    });
}

/// Writes the tensors of a checkpoint to disk and syncs the file.
fn checkpoint(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let weights = Weights::new(Kind::Float);
    let named: BTreeMap<String, Tensor> =
        (0..).zip(weights.params).map(|(i, param)| (format!("layer.{i}.weight"), param)).collect();
    let bytes: u64 = named.values().map(|tensor| 4 * tensor.numel() as u64).sum();
    let mut group = c.benchmark_group("checkpoint");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(bytes));
    group.bench_function("write", |b| {
        let path = folder.path().join("model.safetensors");
        b.iter(|| write_tensors(&path, &named, &[]).unwrap());
    });
}

criterion_group!(benches, attention, residual, linear, mlp, trained, losses, update, checkpoint);
criterion_main!(benches);
