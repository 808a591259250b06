//! How a step is cut into micro-batches changes nothing but rounding.

use sst_core::checkpoint::Weights;

use crate::sandbox::Sandbox;

/// The weights before and after one update of 32 rows of unequal length.
fn update(sandbox: &Sandbox, micro: usize, padding_free: bool) -> Vec<(String, Vec<f64>)> {
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
        // Dropout picks other elements where the shape of a micro-batch is another.
        "model.hidden_dropout_prob=0",
        "model.attention_probs_dropout_prob=0",
    ] {
        args.extend(["--set", set]);
    }
    sandbox.good(&args);
    let folder = sandbox.path(&format!("runs/{name}/checkpoints/latest/model"));
    let weights = Weights::open(&folder).unwrap();
    let values = |name: &str| -> Vec<f64> {
        let tensor = weights.tensor(name).unwrap().flatten(0, -1).to_kind(tch::Kind::Double);
        Vec::try_from(tensor).unwrap()
    };
    weights.names().map(|name| (name.to_owned(), values(name))).collect()
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
    // There was an update, of about the learning rate each.
    let moved = whole.iter().filter(|(name, values)| {
        let before = start.tensor(name).unwrap().flatten(0, -1).to_kind(tch::Kind::Double);
        let before = Vec::<f64>::try_from(before).unwrap();
        before.iter().zip(values).any(|(a, b)| (a - b).abs() > 5e-4)
    });
    assert!(moved.count() * 10 > whole.len() * 8);
    for padding_free in [true, false] {
        let others: &[usize] = if padding_free { &[8, 1] } else { &[32, 8, 1] };
        for micro in others.iter().copied() {
            let parts = update(&sandbox, micro, padding_free);
            for ((name, a), (other, b)) in whole.iter().zip(&parts) {
                assert_eq!(name, other);
                let far = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                // The key's bias shifts all scores of a row alike, so that its gradient is rounding and
                // nothing else, which AdamW's first step turns into its sign.
                if !name.ends_with("attention.self.key.bias") {
                    assert!(far < 1e-6, "{name}: {far} with {micro} rows, {padding_free}");
                }
            }
        }
    }
}
