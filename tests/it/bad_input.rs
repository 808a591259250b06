//! Errors in a recipe name the file and line and say what to do. The exit code is right, and nothing is trained.

use crate::sandbox::{RECIPE, Sandbox, line_of};

/// Runs the recipe with `from` replaced by `to`. The error must name the line that begins with `line`.
fn check_line(from: &str, to: &str, line: &str, expected: &str) {
    let sandbox = Sandbox::new();
    assert!(RECIPE.contains(from));
    let recipe = RECIPE.replace(from, to);
    sandbox.write("recipe.toml", &recipe);
    let number = 1 + recipe.lines().position(|text| text.starts_with(line)).unwrap();
    let ended = sandbox.sst(&["pretrain", "recipe.toml"]);
    let expected = format!("error: recipe.toml:{number}: {expected}");
    assert!(ended.stderr.contains(&expected), "{expected}\n{}", ended.stderr);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(!sandbox.path("runs").exists(), "nothing may be written for a wrong recipe");
}

/// Runs the recipe with a wrong override.
fn check_set(set: &str, expected: &str) {
    let sandbox = Sandbox::new();
    let ended = sandbox.sst(&["pretrain", "recipe.toml", "--set", set]);
    let expected = format!("error: --set {set}: {expected}");
    assert!(ended.stderr.contains(&expected), "{expected}\n{}", ended.stderr);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    check_line(
        "max_length = 16",
        "mask_lenght = 16",
        "mask_lenght",
        "unknown key data.mask_lenght; did you mean max_length?",
    );
    check_line(
        "hidden_size = 16",
        "hiden_size = 16",
        "hiden_size",
        "unknown key model.hiden_size; did you mean hidden_size?",
    );
    check_line(
        "name = \"mlm\"",
        "name = \"mlm\"\nmaskrate = 0.2",
        "maskrate",
        "unknown key objective.maskrate; did you mean mask_rate?",
    );
    check_line(
        "lr = 1e-2",
        "learning = 1e-2",
        "learning",
        "unknown key train.optimizer.learning; there are name, lr, betas, eps, weight_decay",
    );
    check_set("train.batchsize=3", "unknown key train.batchsize; did you mean batch_size?");
    check_set("tokenizer.train.vocab=3", "unknown key tokenizer.train.vocab");
}

#[test]
fn an_objective_that_needs_a_causal_model_is_refused_without_one() {
    check_set(
        "objective={name=\"clm\"}",
        "objective.name: is \"clm\", which needs a causal model, and a bert model is not causal: set model.type to gpt2 \
         or llama, or choose another objective",
    );
}

#[test]
fn a_short_context_of_the_model_is_named_where_it_gives_the_length_of_rows() {
    let sandbox = Sandbox::new();
    let recipe = RECIPE.replace("max_length = 16\n", "");
    sandbox.write("recipe.toml", &recipe);
    let set = "model.max_position_embeddings=1";
    let ended = sandbox.sst(&["pretrain", "recipe.toml", "--set", set]);
    let expected = "raise it to 3 or more (`model.max_position_embeddings` in the recipe, which data.max_length \
                    follows)";
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(&format!("error: --set {set}: ")), "{}", ended.stderr);
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn texts_that_cleaning_leaves_out_are_named_where_no_tokenizer_can_be_trained() {
    let sandbox = Sandbox::new();
    let set = "data.clean.min_length=100000";
    let ended = sandbox.sst(&["pretrain", "recipe.toml", "--set", set]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let expected = "the texts contain no word; data.clean.min_length leaves out ";
    assert!(ended.stderr.contains(expected), "{}", ended.stderr);
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    check_line(
        "batch_size = 8",
        "batch_size = \"many\"",
        "batch_size",
        "train.batch_size: is the text \"many\"; expected a whole number from 0",
    );
    check_line(
        "hidden_size = 16",
        "hidden_size = [16]",
        "hidden_size",
        "model.hidden_size: is a list; expected a whole number",
    );
    check_set(
        "objective.unit=words",
        "objective.unit: is words; expected one of token, word, span",
    );
    check_set("data.rows=strem", "data.rows: is strem; expected one of document, chunk, stream");
    check_set(
        "objective.mask_rate=often",
        "objective.mask_rate: is the text \"often\"; expected a number",
    );
}

#[test]
fn broken_toml_names_its_line() {
    check_line("seed = 7", "seed = = 7", "seed", "");
}

#[test]
fn invalid_values_name_their_key() {
    check_line(
        "max_length = 16",
        "max_length = 17",
        "max_length",
        "data.max_length: is 17, but the model has 16 positions",
    );
    check_line(
        "micro_batch_size = 4",
        "micro_batch_size = 9",
        "micro_batch_size",
        "train.micro_batch_size: is 9, more than train.batch_size (8)",
    );
    check_line(
        "steps = \"12step\"",
        "steps = \"12parsec\"",
        "steps",
        "train.steps: \"12parsec\" has the unit parsec: write 200step, 3epoch or 3e9tok; elsewhere also 0.06run, which \
         is a part of train.steps",
    );
    check_line(
        "num_attention_heads = 2",
        "num_attention_heads = 3",
        "hidden_size",
        "model.hidden_size: 16 does not divide into 3 heads",
    );
    check_set("objective.mask_rate=1.5", "objective.mask_rate: is 1.5 and must be from 0 to 1");
    for value in [1, 2] {
        for key in ["data.validation", "train.ema.decay"] {
            let expected = format!("{key}: is {value} and must be at least 0 and below 1");
            check_set(&format!("{key}={value}"), &expected);
        }
    }
    check_set("run.device=tpu", "run.device: \"tpu\" is not a device");
    check_set("objective.name=mlmm", "objective.name: there is no \"mlmm\"; did you mean \"mlm\"?");
    check_set("run.name=a/b", "run.name: \"a/b\" is not a folder name");
    check_set("train.max_grad_norm=-1", "train.max_grad_norm: is -1.0 and must be from 0 to");
}

#[test]
fn a_missing_file_is_named_with_its_line() {
    check_line(
        "paths = [\"corpus.txt\"]",
        "paths = [\"corpus.txt\", \"nope.txt\"]",
        "paths",
        "data.paths: nope.txt does not exist",
    );
    let sandbox = Sandbox::new();
    let ended = sandbox.sst(&["pretrain", "nope.toml"]);
    assert!(ended.stderr.contains("nope.toml does not exist"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(2));
}

#[test]
fn latin_1_text_stops_with_its_line_or_is_counted() {
    let sandbox = Sandbox::new();
    let mut text = sandbox.read("corpus.txt").into_bytes();
    text.extend_from_slice(b"un caf\xe9 noir\n");
    sandbox.write("corpus.txt", text);
    let ended = sandbox.sst(&["pretrain", "recipe.toml"]);
    assert!(ended.stderr.contains("corpus.txt:201 is not UTF-8"), "{}", ended.stderr);
    assert_eq!(ended.code, Some(1));

    let ended = sandbox.good(&["pretrain", "recipe.toml", "--set", "data.on_error=skip"]);
    assert!(ended.stderr.contains("read.invalid_utf8"), "{}", ended.stderr);
    let entry = &sandbox.json("runs/r/ledger.json")["read.invalid_utf8"];
    assert_eq!((&entry["count"], &entry["first"]), (&1.into(), &"corpus.txt:201".into()));
}

#[test]
fn a_tokenizer_without_a_mask_token_is_refused() {
    let special = "vocab_size = 120\nspecial = { pad = \"[PAD]\", unk = \"[UNK]\", cls = \"[CLS]\", sep = \"[SEP]\" }";
    check_line(
        "vocab_size = 120",
        special,
        "[tokenizer.train]",
        "objective `mlm` needs a mask token and the tokenizer has none",
    );
}

#[test]
fn a_tokenizer_larger_than_the_models_vocabulary_is_refused() {
    check_line(
        "hidden_size = 16",
        "vocab_size = 20\nhidden_size = 16",
        "vocab_size = 20",
        "model.vocab_size: is 20, but the tokenizer has",
    );
    let sandbox = Sandbox::new();
    sandbox.good(&["tokenizer", "train", "corpus.txt", "--vocab-size", "60", "--out", "tok"]);
    let recipe =
        RECIPE.replace("[tokenizer.train]\nvocab_size = 120", "[tokenizer]\npath = \"tok\"");
    sandbox.write(
        "recipe.toml",
        recipe.replace("type = \"bert\"", "type = \"bert\"\nvocab_size = 20"),
    );
    let ended = sandbox.sst(&["pretrain", "recipe.toml"]);
    let expected = format!(
        "recipe.toml:{}: model.vocab_size: is 20, but the tokenizer has",
        line_of("type") + 1
    );
    assert!(ended.stderr.contains(&expected), "{expected}\n{}", ended.stderr);
    assert_eq!(ended.code, Some(2));
}

#[test]
fn documents_longer_than_the_context_length_are_truncated_and_counted() {
    let sandbox = Sandbox::new();
    let long = "the old man went to sea and saw light upon water ".repeat(4) + "\n";
    sandbox.write("corpus.txt", sandbox.read("corpus.txt") + &long);
    let set = ["--set", "data.rows=document", "--set", "data.validation=0"];
    let ended = sandbox.good(&[&["pretrain", "recipe.toml"], &set[..]].concat());
    assert!(ended.stderr.contains("rows.truncated_documents"), "{}", ended.stderr);
    let ledger = sandbox.json("runs/r/ledger.json");
    let (documents, tokens) = (
        ledger["rows.truncated_documents"]["count"].as_u64().unwrap(),
        ledger["rows.truncated_tokens"]["count"].as_u64().unwrap(),
    );
    // Each row has at least 44 tokens, of which 14 are kept.
    assert!(documents >= 1 && tokens >= 30, "{documents} {tokens}");
}

#[test]
fn a_nan_stops_the_run_with_the_rows_of_its_batch() {
    let sandbox = Sandbox::new();
    let ended = sandbox.sst(&["pretrain", "recipe.toml", "--set", "train.inject.nan_at=6"]);
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    assert!(ended.stderr.contains("error: step 6: the loss is NaN"), "{}", ended.stderr);
    assert!(ended.stderr.contains("corpus.txt:"), "{}", ended.stderr);
    // The checkpoint before it exists and is good.
    assert_eq!(sandbox.sst(&["checkpoint", "verify", "runs/r"]).code, Some(0));
    assert!(sandbox.path("runs/r/checkpoints/step-00000004").is_dir());
    assert!(!sandbox.path("runs/r/checkpoints/step-00000006").exists());
    assert!(sandbox.path("runs/r/ledger.json").is_file());
}

#[test]
fn every_command_reports_a_missing_path_in_the_same_words() {
    let sandbox = Sandbox::trained();
    for line in [
        "pretrain nowhere",
        "verify-resume nowhere",
        "data prepare nowhere",
        "data inspect nowhere",
        "data clean nowhere",
        "data augment nowhere --kind swap",
        "tokenizer train nowhere --out t",
        "tokenizer encode --tokenizer nowhere --text a",
        "report nowhere",
        "checkpoint list nowhere",
        "checkpoint verify nowhere",
        "checkpoint prune nowhere",
        "eval mask-accuracy --model nowhere",
        "eval mask-accuracy --model runs/r --data nowhere",
        "eval mask-accuracy --model runs/r --recipe nowhere",
        "eval pseudo-perplexity --model runs/r --data nowhere",
        "eval retrieval --model runs/r --data nowhere --fields a,b",
        "fill-mask --model nowhere --text [MASK]",
        "generate --model nowhere --prompt a",
        "embed --model nowhere --data corpus.txt --out v.npy",
        "embed --model runs/r --data nowhere --out v.npy",
        "export --model nowhere --format huggingface --out e",
        "merge --model nowhere --out e",
        "convert nowhere --out c",
        "pretrain recipe.toml --set run.name=x --set data.paths=[\"nowhere\"]",
        "pretrain recipe.toml --set run.name=x --set tokenizer={path=\"nowhere\"}",
    ] {
        let ended = sandbox.sst(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, Some(2), "{line}: {}", ended.stderr);
        assert!(ended.stderr.contains("nowhere does not exist"), "{line}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{line}: {}", ended.stdout);
    }
}
