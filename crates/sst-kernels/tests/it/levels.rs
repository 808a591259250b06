//! Every CPU level gives the same results, to the rounding of the type. A process for each level runs every kernel on
//! the same numbers, and its results are compared with those of the portable level.

use std::path::{Path, PathBuf};
use std::process::Command;

use sst_kernels::{
    AdamW, AdamWTensors, Affine, CPU_LEVEL_VARIABLE, CpuLevel, CrossEntropy, Lookup,
    RaggedAttention, WeightLayout, autocast,
};
use tch::{Device, Kind, Tensor};

use crate::layers::{self, Activation};
use crate::linear::{distance, normal};

/// The variable that gives the process of a level the path for its results.
const OUT: &str = "SST_TEST_LEVEL_OUT";

const KINDS: [(Kind, &str, f64); 2] = [(Kind::Float, "fp32", 5e-6), (Kind::BFloat16, "bf16", 2e-2)];

#[test]
fn every_level_gives_the_same_results() {
    let folder = tempfile::tempdir().unwrap();
    let levels = CpuLevel::available();
    let levels: Vec<_> = levels.into_iter().filter(|level| *level <= CpuLevel::current()).collect();
    let run = |level: CpuLevel| -> Vec<(String, Tensor)> {
        let out = folder.path().join(level.name());
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "levels::results_of_one_level", "--nocapture"]);
        child.env(CPU_LEVEL_VARIABLE, level.name()).env(OUT, &out);
        // Variables of libtorch's libraries that another level has set must not remain.
        for name in ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"] {
            child.env_remove(name);
        }
        let ended = child.output().unwrap();
        assert!(ended.status.success(), "{level}: {}", String::from_utf8_lossy(&ended.stderr));
        Tensor::read_safetensors(out).unwrap()
    };
    let expected = run(levels[0]);
    assert!(expected.len() > 30, "{} results", expected.len());
    for level in &levels[1..] {
        let found = run(*level);
        assert_eq!(found.len(), expected.len());
        let mut worst = KINDS.map(|_| 0.0_f64);
        for (name, expected) in &expected {
            let (_, found) = found.iter().find(|(found, _)| found == name).unwrap();
            let place = KINDS.iter().position(|(_, kind, _)| name.contains(kind)).unwrap();
            let off = distance(found, expected);
            assert!(off < KINDS[place].2, "{level}: {name} is off by {off}");
            worst[place] = worst[place].max(off);
        }
        println!("{level}: off by {:.1e} in fp32, {:.1e} in bf16", worst[0], worst[1]);
    }
}

/// `every_level_gives_the_same_results` runs this test in a process for each level; otherwise it does nothing.
#[test]
#[allow(clippy::disallowed_methods, reason = "a test tells its own process what to write")]
fn results_of_one_level() {
    let Some(out) = std::env::var_os(OUT).map(PathBuf::from) else { return };
    let level = CpuLevel::requested().unwrap().unwrap();
    assert_eq!(CpuLevel::current(), level);
    let mut all = Vec::new();
    for (kind, name, _) in KINDS {
        for dropout in [0.0, 0.3] {
            save(&mut all, &format!("{name}/attention-{dropout}"), attention(kind, dropout));
            save(&mut all, &format!("{name}/residual-{dropout}"), residual(kind, dropout));
        }
        save(&mut all, &format!("{name}/embedding"), embedding(kind));
        save(&mut all, &format!("{name}/cross-entropy"), cross_entropy(kind));
        for (layout, word) in [(WeightLayout::OutIn, "out-in"), (WeightLayout::InOut, "in-out")] {
            for activation in [Activation::Gelu, Activation::GeluTanh] {
                let what = format!("{name}/mlp-{word}-{activation:?}");
                save(&mut all, &what, mlp(kind, layout, activation));
            }
            save(&mut all, &format!("{name}/few-rows-{word}"), few_rows(kind, layout));
        }
    }
    save(&mut all, "fp32/adamw", adamw());
    write(&all, &out);
}

fn save(all: &mut Vec<(String, Tensor)>, name: &str, tensors: Vec<Tensor>) {
    let tensors = tensors.into_iter().enumerate();
    all.extend(tensors.map(|(i, tensor)| {
        assert!(tensor.isfinite().all().int64_value(&[]) == 1, "{name}, {i}");
        (format!("{name}/{i}"), tensor.to_kind(Kind::Float).contiguous())
    }));
}

fn write(all: &[(String, Tensor)], out: &Path) {
    Tensor::write_safetensors(all, out).unwrap();
}

/// The result, and the gradients of the leaves.
fn differentiated(leaves: &[&Tensor], y: &Tensor) -> Vec<Tensor> {
    let weights = normal(90, &y.size());
    (y.to_kind(Kind::Float) * weights).sum(Kind::Float).backward();
    let grads = leaves.iter().map(|leaf| leaf.grad());
    std::iter::once(y.detach()).chain(grads).collect()
}

fn leaf(index: u64, shape: &[i64], kind: Kind) -> Tensor {
    normal(index, shape).to_kind(kind).set_requires_grad(true)
}

fn attention(kind: Kind, dropout: f64) -> Vec<Tensor> {
    tch::manual_seed(7);
    let offsets = [0, 70, 79, 112, 240, 241];
    let inputs = [0, 1, 2].map(|i| leaf(i, &[241, 64], kind));
    let [q, k, v] = &inputs;
    let options = RaggedAttention {
        num_heads: 2,
        num_kv_heads: 2,
        scale: 32_f64.powf(-0.5),
        dropout,
        causal: dropout == 0.0,
    };
    let y = sst_kernels::ragged_attention([q, k, v], &offsets, options).unwrap();
    differentiated(&[q, k, v], &y)
}

fn residual(kind: Kind, dropout: f64) -> Vec<Tensor> {
    tch::manual_seed(7);
    let (x, residual) = (leaf(0, &[50, 200], kind), leaf(1, &[50, 200], kind));
    let (weight, bias) = (leaf(2, &[200], Kind::Float), leaf(3, &[200], Kind::Float));
    let [y, _] =
        sst_kernels::residual_norm(&x, &residual, [&weight, &bias], dropout, 1e-5).unwrap();
    differentiated(&[&x, &residual, &weight, &bias], &y)
}

fn embedding(kind: Kind) -> Vec<Tensor> {
    let (weight, ids) = (leaf(0, &[40, 75], kind), Tensor::arange(90, (Kind::Int64, Device::Cpu)));
    let ids = ids.remainder(40);
    let lookup = Lookup { weight: &weight, ids: &ids, padding_id: Some(3) };
    let y = sst_kernels::embedding_sum(&[lookup]).unwrap();
    differentiated(&[&weight], &y)
}

fn cross_entropy(kind: Kind) -> Vec<Tensor> {
    let logits = leaf(0, &[20, 203], kind);
    let labels = Tensor::arange(20, (Kind::Int64, Device::Cpu)) * 7;
    let options = CrossEntropy { ignore_index: -100, z_loss: 0.01 };
    let sums = sst_kernels::cross_entropy(&logits, &labels, options).unwrap();
    differentiated(&[&logits], &sums.loss)
}

fn mlp(kind: Kind, layout: WeightLayout, activation: Activation) -> Vec<Tensor> {
    let _autocast = (kind == Kind::BFloat16).then(|| autocast(Device::Cpu, Some(kind)).unwrap());
    let shape = |input: i64, output: i64| match layout {
        WeightLayout::OutIn => [output, input],
        WeightLayout::InOut => [input, output],
    };
    let leaves = [
        leaf(0, &[70, 48], Kind::Float),
        leaf(1, &shape(48, 130), Kind::Float),
        leaf(2, &[130], Kind::Float),
        leaf(3, &shape(130, 48), Kind::Float),
        leaf(4, &[48], Kind::Float),
    ];
    let [x, up, up_bias, down, down_bias] = &leaves;
    let up = Affine { weight: up, bias: Some(up_bias) };
    let down = Affine { weight: down, bias: Some(down_bias) };
    let y = layers::mlp(x, [up, down], layout, activation).unwrap();
    differentiated(&leaves.each_ref(), &y)
}

fn few_rows(kind: Kind, layout: WeightLayout) -> Vec<Tensor> {
    let _guard = tch::no_grad_guard();
    [1, 4, 8, 13]
        .map(|rows| {
            let (x, weight) = (normal(0, &[rows, 150]), normal(1, &[70, 150]));
            let [x, weight] = [x, weight].map(|x| x.to_kind(kind));
            let bias = normal(2, &[70]).to_kind(kind);
            match layout {
                WeightLayout::OutIn => layers::linear(&x, &weight, Some(&bias)).unwrap(),
                WeightLayout::InOut => {
                    layers::conv1d(&x, &weight.tr().contiguous(), &bias).unwrap()
                }
            }
        })
        .into()
}

fn adamw() -> Vec<Tensor> {
    let [param, grad, exp_avg, exp_avg_sq] = [0, 1, 2, 3].map(|i| normal(i, &[1003]));
    let exp_avg_sq = exp_avg_sq.square();
    let step = Tensor::from(3_f32);
    let tensors = AdamWTensors {
        params: vec![&param],
        grads: vec![&grad],
        exp_avgs: vec![&exp_avg],
        exp_avg_sqs: vec![&exp_avg_sq],
        steps: vec![&step],
        bf16_params: vec![],
        remainders: vec![],
    };
    let options = AdamW { lr: 0.01, betas: (0.9, 0.98), eps: 1e-6, weight_decay: 0.1 };
    sst_kernels::fused_adamw(&tensors, options, None, None).unwrap();
    vec![param, exp_avg, exp_avg_sq, sst_kernels::global_norm([&grad]).unwrap()]
}
