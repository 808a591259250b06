//! Numbers in recipes that are out of range are refused by `--dry-run`, with their key and line.

use std::time::{Duration, Instant};

use crate::sandbox::{RECIPE, Sandbox, line_of};

/// Runs `--dry-run` with these overrides, which must fail at once with `expected`.
fn check(sandbox: &Sandbox, sets: &[&str], expected: &str) {
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let args: Vec<&str> =
        ["pretrain", "recipe.toml", "--dry-run"].into_iter().chain(sets).collect();
    let begun = Instant::now();
    let ended = sandbox.sst(&args);
    assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
    assert!(ended.stderr.contains(expected), "{args:?}: {expected}\n{}", ended.stderr);
    assert!(begun.elapsed() < Duration::from_secs(20), "{args:?}: {:?}", begun.elapsed());
}

#[test]
fn numbers_out_of_range_are_refused_before_anything_is_made() {
    let sandbox = Sandbox::new();
    let one = |set: &str| {
        let key = set.split('=').next().unwrap();
        check(&sandbox, &[set], &format!("{key}: is "));
    };
    one("model.max_position_embeddings=1000000000");
    one("model.num_hidden_layers=1000000000");
    one("model.hidden_size=100000000");
    one("model.vocab_size=100000000");
    one("model.intermediate_size=-1");
    one("model.hidden_dropout_prob=1.5");
    one("data.workers=1000000");
    one("data.max_length=1000000000");
    one("run.threads=1000000");
    one("objective.max_span=99999999999");
    one("objective.mask_rate=2.0");
    one("train.batch_size=1000000000");
    one("train.batch_size=9223372036854775807");
    one("train.micro_batch_size=0");
    one("train.steps=1e300epoch");
    one("train.steps=9223372036854775807step");
    one("train.keep.every=1e30tok");
    one("train.optimizer.iterations=4000000000");
    one("train.optimizer.momentum=1.5");
    one("train.optimizer.lr=1e300");
    one("train.optimizer.layer_decay=7.0");
    one("train.loss_scaling.growth_factor=0.0");
    one("train.max_grad_norm=1e300");
    one("tokenizer.train.vocab_size=1000000000000");
    one("tokenizer.train.limit_alphabet=100000000000");
    let of_objective = |name: &str, set: &str| {
        let key = set.split('=').next().unwrap();
        check(
            &sandbox,
            &[&format!("objective={{ name = \"{name}\" }}"), set],
            &format!("{key}: is "),
        );
    };
    of_objective("simcse", "objective.projection_size=1000000000");
    of_objective("moco", "objective.queue_size=100000000000");
    of_objective("simcse", "objective.temperature=0.0");
    of_objective("nt_xent", "objective.crop=2.0");
    // The value is in the recipe, so the error names its line.
    sandbox.write("recipe.toml", RECIPE.replace("batch_size = 8", "batch_size = 80000000"));
    let place = format!("recipe.toml:{}: train.batch_size", line_of("batch_size = 8"));
    check(&sandbox, &[], &place);
}

#[test]
fn numbers_that_only_together_are_too_large_are_refused() {
    let sandbox = Sandbox::new();
    check(
        &sandbox,
        &["train.batch_size=4000000", "data.max_length=512", "model.max_position_embeddings=512"],
        "train.batch_size: makes an update of up to 2048000000 tokens",
    );
    let large = [
        "model.hidden_size=65536",
        "model.intermediate_size=1048576",
        "model.num_hidden_layers=1000",
    ];
    check(&sandbox, &large, "parameters, more than");
    check(
        &sandbox,
        &["model.num_attention_heads=3"],
        "model.hidden_size: 16 does not divide into 3 heads",
    );
    check(
        &sandbox,
        &["objective.replace_random=0.5"],
        "objective.replace_random: together with replace_mask",
    );
}

#[test]
fn the_best_checkpoint_can_be_kept_or_the_recipe_is_refused() {
    let sandbox = Sandbox::new();
    let keep = "train.keep.last=1";
    check(&sandbox, &[keep], "train.save_every: is 4step, and train.eval_every is 6step");
    let by = "train.keep.by={ metric = \"train/loss\", direction = \"lower\" }";
    check(
        &sandbox,
        &[by],
        "train.keep.by.metric: is \"train/loss\", which is no figure of an evaluation",
    );
    let pretrain = |sets: &[&str]| {
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        sandbox.sst(&["pretrain", "recipe.toml"].into_iter().chain(sets).collect::<Vec<_>>())
    };
    // Fractions of a run are known in steps only after the data is read.
    let shares = ["train.eval_every=0.25run", "train.save_every=0.5run"];
    let ended = pretrain(&[keep, shares[0], shares[1]]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("train.save_every: is 6step, and train.eval_every is 3step"),
        "{}",
        ended.stderr
    );
    let by = "train.keep.by={ metric = \"eval/no/such\", direction = \"higher\" }";
    let ended = pretrain(&[by]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("held-out metrics begin with eval/mask-accuracy/"),
        "{}",
        ended.stderr
    );
    assert!(!sandbox.path("runs").exists(), "nothing is left of what was refused");
    let ended = pretrain(&[keep, "train.eval_every=4step"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

#[test]
fn keys_without_an_effect_are_listed() {
    let sandbox = Sandbox::new();
    let sets = [
        "train.optimizer.momentum=0.5",
        "train.schedule.cooldown_shape=cosine",
        "objective.max_span=4",
        "train.keep.best=3",
        // This is the default.
        "objective.span_p=0.2",
    ];
    let args: Vec<&str> = ["pretrain", "recipe.toml"]
        .into_iter()
        .chain(sets.iter().flat_map(|set| ["--set", set]))
        .collect();
    let ended = sandbox.good(&args);
    assert!(ended.stderr.contains("unused.config_keys"), "{}", ended.stderr);
    let ledger = sandbox.json("runs/r/ledger.json");
    let items: Vec<&str> = ledger["unused.config_keys"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i.as_str().unwrap())
        .collect();
    assert_eq!(items.len(), 4, "{items:?}");
    for (item, key) in [
        (0, "objective.max_span"),
        (1, "train.keep.best"),
        (2, "train.optimizer.momentum"),
        (3, "train.schedule.cooldown_shape"),
    ] {
        assert!(items[item].starts_with("--set ") && items[item].contains(key), "{items:?}");
    }
    let before = sandbox.read("runs/r/config.toml");
    sandbox.good(&["pretrain", "runs/r/config.toml", "--set", "run.name=again"]);
    assert_eq!(
        before.replace("name = \"r\"", "name = \"again\""),
        sandbox.read("runs/again/config.toml")
    );
}
