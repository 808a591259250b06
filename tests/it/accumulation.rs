//! The number of micro-batches per step changes the update only by rounding.

use sst_core::checkpoint::Weights;

use crate::sandbox::Sandbox;

/// AdamW's epsilon, and 1 - beta1: the weight of a gradient in the first moment.
const EPS: f64 = 1e-6;
const TENTH: f64 = 0.1;
const LR: f64 = 1e-3;

/// A parameter after one update, and AdamW's first moment, which is proportional to its gradient.
struct Param {
    name: String,
    values: Vec<f64>,
    gradient: Vec<f64>,
}

/// Makes one update on 32 rows of different lengths.
fn update(sandbox: &Sandbox, micro: usize, padding_free: bool) -> Vec<Param> {
    let name = format!("m{micro}-{padding_free}");
    let micro = format!("train.micro_batch_size={micro}");
    let mut args = vec!["pretrain", "recipe.toml"];
    let (run, free) = (format!("run.name={name}"), format!("train.padding_free={padding_free}"));
    for set in [
        &*run,
        &*micro,
        &*free,
        "train.batch_size=32",
        "train.steps=1",
        "train.optimizer.lr=1e-3",
        "train.schedule.name=constant",
        "train.schedule.warmup=0step",
        // Dropout masks depend on the shape of a micro-batch, so dropout is off.
        "model.hidden_dropout_prob=0",
        "model.attention_probs_dropout_prob=0",
    ] {
        args.extend(["--set", set]);
    }
    sandbox.good(&args);
    let open = |file: &str| {
        let folder = format!("runs/{name}/checkpoints/latest/{file}");
        Weights::open(&sandbox.path(&folder)).unwrap()
    };
    let (weights, moments) = (open("model"), open("state/optimizer.safetensors"));
    let param = |name: &str| Param {
        name: name.to_owned(),
        values: numbers(&weights, name),
        gradient: numbers(&moments, &format!("exp_avg.{name}")),
    };
    weights.names().map(param).collect()
}

fn numbers(weights: &Weights, name: &str) -> Vec<f64> {
    let tensor = weights.tensor(name).unwrap().flatten(0, -1).to_kind(tch::Kind::Double);
    Vec::try_from(tensor).unwrap()
}

/// The first step of AdamW divided by the learning rate, computed from its first moment.
fn direction(moment: f64) -> f64 {
    let gradient = moment / TENTH;
    gradient / (gradient.abs() + EPS)
}

fn norm(numbers: impl Iterator<Item = f64>) -> f64 {
    numbers.map(|x| x * x).sum::<f64>().sqrt()
}

#[test]
fn one_four_and_thirty_two_micro_batches_give_the_same_update() {
    let sandbox = Sandbox::new();
    let start = {
        let sets = ["--set", "train.steps=1", "--set", "train.optimizer.lr=1e-12"];
        let args = ["pretrain", "recipe.toml", "--set", "run.name=start"];
        sandbox.good(&[&args[..], &sets[..]].concat());
        Weights::open(&sandbox.path("runs/start/checkpoints/latest/model")).unwrap()
    };
    let whole = update(&sandbox, 32, true);
    // Every weight has moved by about the learning rate.
    let moved = whole.iter().filter(|param| {
        let before = numbers(&start, &param.name);
        before.iter().zip(&param.values).any(|(a, b)| (a - b).abs() > 5e-4)
    });
    assert!(moved.count() * 10 > whole.len() * 8);
    for padding_free in [true, false] {
        let others: &[usize] = if padding_free { &[8, 1] } else { &[32, 8, 1] };
        for micro in others.iter().copied() {
            let parts = update(&sandbox, micro, padding_free);
            let mut num_clear = 0;
            for (a, b) in whole.iter().zip(&parts) {
                let name = &a.name;
                assert_eq!(*name, b.name);
                let case = format!("{name} with {micro} rows, {padding_free}");
                let pairs = || a.gradient.iter().zip(&b.gradient);
                // The bias of the keys shifts all scores of a row equally, so its exact gradient is zero and the
                // computed one is rounding.
                if !name.ends_with("attention.self.key.bias") {
                    let change = norm(pairs().map(|(a, b)| a - b)) / norm(pairs().map(|(a, _)| *a));
                    assert!(change < 1e-6, "gradient of {case}: {change}");
                }
                // For gradients near epsilon, rounding becomes a visible part of the step. There, weights may differ
                // as much as the computed steps do; elsewhere only by rounding.
                for (i, (g, h)) in pairs().enumerate() {
                    let far = a.values[i] - b.values[i];
                    let beyond = (far + LR * (direction(*g) - direction(*h))).abs();
                    assert!(beyond < 1e-6, "{case}: {beyond} beyond the gradients {g} and {h}");
                    if g.abs() / TENTH > 10.0 * EPS {
                        num_clear += 1;
                        assert!(far.abs() < 1e-6, "{case}: {far}");
                    }
                }
            }
            let all: usize = whole.iter().map(|param| param.values.len()).sum();
            assert!(num_clear * 2 > all, "{num_clear} of {all}");
        }
    }
}
