//! `--dry-run` reports the same errors as a run does before it reads data.

use crate::sandbox::{Ended, Sandbox};

fn pretrain(sandbox: &Sandbox, dry: bool, sets: &[&str]) -> Ended {
    let mut args = vec!["pretrain", "recipe.toml"];
    args.extend(dry.then_some("--dry-run"));
    sets.iter().for_each(|set| args.extend(["--set", set]));
    sandbox.sst(&args)
}

/// The last line of stderr, the error.
fn error(ended: &Ended) -> &str {
    ended.stderr.lines().last().unwrap_or_default()
}

#[test]
fn a_dry_run_refuses_what_the_run_refuses() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("empty")).unwrap();
    let config = "{\"model_type\": \"bert\", \"vocab_size\": 40, \"max_position_embeddings\": 16}";
    std::fs::create_dir(sandbox.path("bare")).unwrap();
    sandbox.write("bare/config.json", config);
    let gpt2 = "model={type=\"gpt2\",n_embd=16,n_layer=1,n_head=2,n_positions=16}";
    let no_mask =
        "tokenizer.train.special={pad=\"[PAD]\",unk=\"[UNK]\",cls=\"[CLS]\",sep=\"[SEP]\"}";
    for (sets, expected) in [
        (
            &["tokenizer.train.vocab_size=1"][..],
            "tokenizer.train.vocab_size: is 1 and must be from 6",
        ),
        (&["tokenizer.train.vocab_size=5"], "tokenizer.train.vocab_size: is 5 and must be from 6"),
        (&["tokenizer.train={algorithm=\"bpe\",vocab_size=260}"], "is 260 and must be from 261"),
        (&["tokenizer.train.special={cls=\"\"}"], "tokenizer.train.special"),
        (&[no_mask], "objective `mlm` needs a mask token"),
        (
            &["data.max_length=1"],
            "`max_length` is 1, but the tokenizer's special tokens alone take 2: raise it to 3 or more (`data.max_length` \
             in the recipe)",
        ),
        (
            &["data.max_length=2"],
            "`max_length` is 2, but the tokenizer's special tokens alone take 2",
        ),
        (
            &["tokenizer={path=\"empty\"}"],
            "tokenizer.path: empty holds no tokenizer.json, no vocab.txt",
        ),
        (&["model={path=\"empty\"}"], "model.path: empty holds no config.json"),
        (
            &["model={path=\"bare\",config={num_labels=5}}"],
            "model.config.num_labels: follows from the labels: name those with data.labels",
        ),
        (
            &["objective={name=\"simcse\"}", "train.batch_size=1"],
            "train.batch_size: is 1, but `simcse` compares",
        ),
        (&["model={path=\"bare\"}"], "bare holds neither model.safetensors nor"),
        (&[gpt2, "objective={name=\"clm\"}", "data.max_length=17"], "raise model.n_positions"),
        (
            &["trian.steps=1step"],
            "error: --set trian.steps=1step: unknown key trian; did you mean train?",
        ),
    ] {
        let dry = pretrain(&sandbox, true, sets);
        assert!(dry.stderr.contains(expected), "{sets:?}: {expected}\n{}", dry.stderr);
        assert_eq!(dry.code, Some(2), "{sets:?}: {}", dry.stderr);
        assert_eq!(dry.stdout, "", "{sets:?}");
        let run = pretrain(&sandbox, false, sets);
        assert_eq!((error(&dry), dry.code), (error(&run), run.code), "{sets:?}");
    }
    assert!(!sandbox.path("runs").exists() && !sandbox.path("cache").exists());
}

/// A recipe for a GPU can be checked on a machine without one; a warning says so.
#[test]
fn a_dry_run_warns_of_a_device_that_is_not_here() {
    let sandbox = Sandbox::new();
    let sets = ["run.device=cuda:63"];
    let place = "--set run.device=cuda:63: run.device: cuda:63 is asked for, ";
    let dry = pretrain(&sandbox, true, &sets);
    assert_eq!(dry.code, Some(0), "{}", dry.stderr);
    let warning = format!("a run on this machine would be refused: {place}");
    assert!(dry.stderr.contains(&warning), "{}", dry.stderr);
    let run = pretrain(&sandbox, false, &sets);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains(&format!("error: {place}")), "{}", run.stderr);
}
