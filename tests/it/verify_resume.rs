//! A run that is killed and resumed ends like an uninterrupted one, for all settings of the training engine.

use crate::sandbox::{RECIPE, Sandbox};

/// The settings that are combined, and the overrides for each.
const FACTORS: &[&[&[&str]]] = &[
    &[&[], &["train.precision=bf16"], &["train.precision=bf16", "train.bf16_weights=true"]],
    &[
        &["train.batch_size=8", "train.micro_batch_size=8"],
        &["train.batching=tokens", "train.max_tokens=96"],
        &["train.batching=packs", "train.pack_length=32", "train.packs_per_step=4"],
        &["train.batching=tokens", "train.max_tokens=96", "train.padding_free=false"],
    ],
    // Gradient accumulation: a forward pass takes fewer tokens than a step.
    &[&[], &["train.inject.out_of_memory_at=1", "train.inject.memory_rows=6"]],
    &[
        &[],
        &["curriculum.difficulty=length", "curriculum.duration=60step"],
        &[
            "curriculum.difficulty=rarity",
            "curriculum.pacing=steps",
            "curriculum.steps=[[0,0.3],[80,1.0]]",
        ],
    ],
    &[&[], &["train.ema.decay=0.9"]],
    &[
        &[],
        &[
            "tasks.a.weight=2",
            "tasks.a.objective={name=\"mlm\",unit=\"word\"}",
            "tasks.b.data={rows=\"document\",max_length=12,workers=1}",
        ],
        &[
            "tasks.a.objective={name=\"mlm\",mask_rate=0.3}",
            "tasks.b.data={rows=\"stream\"}",
            "mixture.by=\"schedule\"",
            "mixture.schedule=[{from=0,weights={a=1,b=1}},{from=60,weights={b=1}}]",
        ],
    ],
    &[&["train.optimizer.name=adamw"], &["train.optimizer.name=muon"]],
    &[&[], &["train.activation_checkpointing=true", "train.async_save=false"]],
];

/// Combinations of settings such that every pair of values of two settings occurs in at least one (pairwise testing).
fn pairwise() -> Vec<Vec<usize>> {
    let sizes: Vec<usize> = FACTORS.iter().map(|factor| factor.len()).collect();
    let mut all = vec![Vec::new()];
    for size in &sizes {
        all = all
            .iter()
            .flat_map(|row: &Vec<usize>| (0..*size).map(move |i| [&row[..], &[i]].concat()))
            .collect();
    }
    let pairs_of = |row: &[usize]| {
        let places = (0..row.len()).flat_map(|a| (a + 1..FACTORS.len()).map(move |b| (a, b)));
        places.map(|(a, b)| (a, row[a], b, row[b])).collect::<Vec<_>>()
    };
    let mut open: std::collections::BTreeSet<_> =
        all.iter().flat_map(|row| pairs_of(row)).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() {
        let gain =
            |row: &&Vec<usize>| pairs_of(row).iter().filter(|pair| open.contains(*pair)).count();
        let best = all.iter().max_by_key(gain).unwrap().clone();
        for pair in pairs_of(&best) {
            open.remove(&pair);
        }
        chosen.push(best);
    }
    chosen
}

#[test]
fn every_pair_of_settings_resumes_bit_for_bit() {
    let rows = pairwise();
    assert!((12..30).contains(&rows.len()), "{}", rows.len());
    let sandbox = Sandbox::new();
    let sizes = "batch_size = 8\nmicro_batch_size = 4\n";
    assert!(RECIPE.contains(sizes));
    sandbox.write("recipe.toml", RECIPE.replace(sizes, ""));
    for row in rows {
        let settings = row.iter().zip(FACTORS).flat_map(|(choice, factor)| factor[*choice]);
        let mut args = vec!["verify-resume", "recipe.toml", "--json"];
        let fixed =
            ["train.steps=120", "train.save_every=5", "train.eval_every=40", "train.keep.last=2"];
        for setting in fixed.iter().chain(settings) {
            args.extend(["--set", setting]);
        }
        args.extend(["--set", "model.hidden_dropout_prob=0.1"]);
        let report = sandbox.good(&args).json();
        assert_eq!(report["identical"], true, "{args:?}: {report}");
        assert_eq!(report["killed_at"].as_array().map(Vec::len), Some(5), "{args:?}");
    }
}

#[test]
fn kept_runs_are_not_mistaken_for_those_of_a_new_check() {
    let sandbox = Sandbox::new();
    let ended = sandbox.good(&["verify-resume", "recipe.toml", "--kills", "1", "--keep"]);
    assert!(ended.stdout.starts_with("identical after 12 steps and 1 kills"), "{}", ended.stdout);
    for run in ["whole", "broken"] {
        assert!(sandbox.path(&format!("runs/r.verify/{run}/r/checkpoints/step-00000012")).is_dir());
    }
    let ended = sandbox.sst(&["verify-resume", "recipe.toml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("r.verify exists"), "{}", ended.stderr);
}
