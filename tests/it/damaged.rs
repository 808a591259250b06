//! No command uses the model of a damaged checkpoint.

use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

const NEWEST: &str = "runs/r/checkpoints/step-00000012";

fn flip(sandbox: &Sandbox, file: &str) {
    let path = sandbox.path(file);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

/// The commands that read a model and work with this one.
fn commands(model: &str) -> Vec<Vec<String>> {
    let split = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    [
        "eval mask-accuracy --data held.txt",
        "eval pseudo-perplexity --data held.txt",
        "fill-mask --text [MASK]",
        "embed --data held.txt --out v.npy",
        "export --format huggingface --out exported",
    ]
    .map(|line| [split(line), split(&format!("--model {model}"))].concat())
    .to_vec()
}

#[test]
fn a_checkpoint_given_by_path_is_verified_in_every_command() {
    let sandbox = Sandbox::trained();
    sandbox.write("held.txt", "the old man went to sea.\n");
    flip(&sandbox, &format!("{NEWEST}/model/model.safetensors"));
    let mut all = Vec::new();
    for model in [NEWEST, "runs/r/checkpoints/latest", &format!("{NEWEST}/model")] {
        all.extend(commands(model));
        for key in ["model.path", "tokenizer.path"] {
            let value = format!("{key}={}", model.trim_end_matches("/model").to_owned() + "/model");
            let words = ["pretrain", "other.toml", "--set", &value, "--set", "run.name=other"];
            all.push(words.map(str::to_owned).to_vec());
        }
    }
    let recipe = sandbox.read("recipe.toml");
    let tokenizer = "[tokenizer]\npath = \"runs/r/checkpoints/step-00000004/model\"\n";
    let model = recipe.split_once("[model]").unwrap().1.split_once("[objective]").unwrap().0;
    let other = recipe
        .replace(model, "\npath = \"runs/r/checkpoints/step-00000004/model\"\n\n")
        .replace("[tokenizer.train]\nvocab_size = 120\n", tokenizer);
    sandbox.write("other.toml", other);
    for args in all {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = sandbox.sst(&args);
        assert_eq!(ended.code, Some(1), "{args:?}: {}{}", ended.stdout, ended.stderr);
        let told =
            ended.stderr.contains("is damaged") && ended.stderr.contains("model.safetensors");
        assert!(told, "{args:?}: {}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
    }
    assert!(!sandbox.path("exported").exists() && !sandbox.path("v.npy").exists());
    // For a run folder, the newest good checkpoint is used, and the output says so.
    for args in commands("runs/r") {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ended = sandbox.good(&args);
        let told = ended.stderr.contains("using runs/r/checkpoints/step-00000008, the newest good");
        assert!(told && ended.stderr.contains("model.safetensors"), "{args:?}: {}", ended.stderr);
    }
    // A copy of model/ alone has no manifest to verify against.
    std::fs::rename(sandbox.path(&format!("{NEWEST}/model")), sandbox.path("m")).unwrap();
    sandbox.good(&["fill-mask", "--model", "m", "--text", "[MASK]"]);
}

#[test]
fn a_checkpoint_without_a_manifest_or_with_one_that_names_too_little_is_refused() {
    let sandbox = Sandbox::trained();
    let manifest = format!("{NEWEST}/MANIFEST.json");
    let mut files = sandbox.json(&manifest);
    files["files"].as_object_mut().unwrap().remove("model/tokenizer.json").unwrap();
    let whole = sandbox.read(&manifest);
    sandbox.write(&manifest, files.to_string());
    let fill = |model: &str| sandbox.sst(&["fill-mask", "--model", model, "--text", "[MASK]"]);
    let ended = fill(NEWEST);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("MANIFEST.json") && ended.stderr.contains("changed"),
        "{}",
        ended.stderr
    );
    let verified = sandbox.sst(&["checkpoint", "verify", "runs/r"]);
    assert_eq!(verified.code, Some(1), "{}", verified.stdout);
    assert_eq!(fill("runs/r").code, Some(0));
    std::fs::remove_file(sandbox.path(&manifest)).unwrap();
    let ended = fill(NEWEST);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("has no MANIFEST.json"), "{}", ended.stderr);
    assert_eq!(fill(&format!("{NEWEST}/model")).code, Some(0));
    sandbox.write(&manifest, whole);
    assert_eq!(fill(NEWEST).code, Some(0));
}

#[test]
fn files_of_a_run_have_the_permissions_of_the_umask() {
    let sandbox = Sandbox::trained();
    sandbox.write("plain", "x");
    let mode = |file: &str| sandbox.path(file).metadata().unwrap().permissions().mode() & 0o777;
    let expected = mode("plain");
    for file in ["model/model.safetensors", "state/optimizer.safetensors", "model/config.json"] {
        assert_eq!(mode(&format!("{NEWEST}/{file}")), expected, "{file}");
    }
    assert_eq!(mode("runs/r/loss.png"), expected);
}

#[test]
fn model_cards_and_lists_show_the_metrics_of_their_own_step() {
    let sandbox = Sandbox::new();
    // Evaluated at 6 and 12, saved at 4, 8 and 12.
    sandbox.good(&["pretrain", "recipe.toml", "--set", "train.log_every=3"]);
    let card =
        |step: u32| sandbox.read(&format!("runs/r/checkpoints/step-{step:08}/model/README.md"));
    let listed = sandbox.good(&["checkpoint", "list", "runs/r", "--json"]).json();
    let metrics = |at: usize| listed["checkpoints"][at]["metrics"].as_object().unwrap().clone();
    for (at, step) in [(0, 4), (1, 8)] {
        assert!(!card(step).contains("## Evaluation"), "{}", card(step));
        assert!(metrics(at).is_empty(), "{:?}", metrics(at));
    }
    let loss = metrics(2)["eval/mask-accuracy/loss"].as_f64().unwrap();
    assert!(card(12).contains(&format!("| mask-accuracy/loss | {loss:.4} |")), "{}", card(12));
    assert!(metrics(2).contains_key("train/loss"));
}
