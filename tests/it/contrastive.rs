//! Contrastive objectives: parameters that are not part of the model, and large batches in constant memory.

use serde_json::Value;

use crate::sandbox::{RECIPE, Sandbox};

/// A recipe with this `[objective]`, whose batches are not split into micro-batches.
fn recipe(objective: &str) -> String {
    let sizes = "micro_batch_size = 4\n";
    assert!(RECIPE.contains(sizes));
    RECIPE.replace(sizes, "").replace("name = \"mlm\"", objective)
}

/// The lines of a run's metrics.
fn metrics(sandbox: &Sandbox, run: &str) -> Vec<Value> {
    let text = sandbox.read(&format!("runs/{run}/metrics.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The fp32 tensor `name` of a file of safetensors.
fn tensor(bytes: &[u8], name: &str) -> Vec<f32> {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let place = |i: usize| header[name]["data_offsets"][i].as_u64().unwrap() as usize;
    let (numbers, rest) = bytes[8 + length..][place(0)..place(1)].as_chunks::<4>();
    assert!(rest.is_empty() && header[name]["dtype"] == "F32");
    numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

const BOTH: &str = "learn_temperature = true\nprojection = \"mlp\"\nprojection_size = 6\n";

#[test]
fn a_projection_and_a_temperature_train_and_stay_out_of_the_model() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.toml", recipe(&format!("name = \"nt_xent\"\n{BOTH}")));
    sandbox.good(&["pretrain", "recipe.toml"]);
    let state = |step: u32| {
        let file = format!("runs/r/checkpoints/step-{step:08}/state/objective.safetensors");
        std::fs::read(sandbox.path(&file)).unwrap()
    };
    let temperature = |step: u32| (-f64::from(tensor(&state(step), "param.log_scale")[0])).exp();
    let moved = (temperature(4) - 0.05).abs().min((temperature(12) - temperature(4)).abs());
    assert!(moved > 1e-5, "{} {}", temperature(4), temperature(12));
    for name in ["dense.weight", "dense.bias", "output.weight", "output.bias"] {
        let name = format!("param.projection.{name}");
        assert_ne!(tensor(&state(4), &name), tensor(&state(12), &name), "{name}");
    }
    let lines = metrics(&sandbox, "r");
    let figures =
        |key: &str| -> Vec<f64> { lines.iter().filter_map(|line| line[key].as_f64()).collect() };
    // The value that is logged for a step is the one before the update.
    let told = figures("train/temperature");
    assert!(told.len() == 12 && (told[0] - 0.05).abs() < 1e-7, "{told:?}");
    assert!((told[4] - temperature(4)).abs() < 1e-7, "{told:?}");
    // The evaluation uses the trained parameters.
    let measured = figures("eval/nt_xent/temperature");
    assert!((measured.last().unwrap() - temperature(12)).abs() < 1e-7, "{measured:?}");

    let model = "runs/r/checkpoints/latest/model/model.safetensors";
    let model = String::from_utf8_lossy(&std::fs::read(sandbox.path(model)).unwrap()).into_owned();
    assert!(model.contains("bert.encoder") && !model.contains("projection"));
    // The vectors have the hidden size of the encoder, not that of the projection.
    sandbox.write("texts.txt", "the old man\n");
    sandbox.good(&["embed", "--model", "runs/r", "--data", "texts.txt", "--out", "v.jsonl"]);
    let line: Value =
        serde_json::from_str(sandbox.read("v.jsonl").lines().next().unwrap()).unwrap();
    let vector = line.as_object().unwrap().values().find_map(Value::as_array).unwrap();
    assert_eq!(vector.len(), 16);
}

#[test]
fn runs_with_parameters_of_their_own_resume_to_the_last_bit() {
    let sandbox = Sandbox::new();
    for (objective, settings) in [
        ("moco", &["objective.chunk_rows=3", "objective.queue_size=20"][..]),
        ("moco", &["train.precision=bf16", "train.bf16_weights=true", "train.ema.decay=0.9"]),
        ("simcse", &["objective.chunk_rows=5", "train.precision=bf16"]),
    ] {
        sandbox.write("recipe.toml", recipe(&format!("name = \"{objective}\"\n{BOTH}")));
        let mut args = vec!["verify-resume", "recipe.toml", "--json", "--kills", "3"];
        let fixed = ["train.steps=60", "train.save_every=5", "model.hidden_dropout_prob=0.1"];
        for setting in fixed.iter().chain(settings) {
            args.extend(["--set", setting]);
        }
        let report = sandbox.good(&args).json();
        assert_eq!(report["identical"], true, "{args:?}: {report}");
        assert_eq!(report["killed_at"].as_array().map(Vec::len), Some(3), "{args:?}");
    }
}

#[test]
fn another_projection_is_another_run() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.toml", recipe("name = \"simcse\""));
    sandbox.good(&["pretrain", "recipe.toml", "--set", "train.steps=4"]);
    let more = ["--set", "objective.projection=tanh", "--resume"];
    let ended =
        sandbox.sst(&[&["pretrain", "recipe.toml", "--set", "train.steps=4"], &more[..]].concat());
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let said = "objective.projection was \"none\" and is \"tanh\"";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    let other = ["--set", "run.name=s", "--set", "objective.projection=relu"];
    let ended = sandbox.sst(&[&["pretrain", "recipe.toml"], &other[..]].concat());
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let said = "is relu; expected one of none, linear, tanh, mlp";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn views_that_are_equal_without_dropout_are_told() {
    let sandbox = Sandbox::new();
    sandbox.write("recipe.toml", recipe("name = \"simcse\""));
    let start = ["pretrain", "recipe.toml", "--set", "train.steps=4"];
    let none = ["--set", "model.hidden_dropout_prob=0.0"];
    let told = "`simcse` compares encodings of a text that differ by dropout alone";
    let ended = sandbox.good(&[&start[..], &none[..]].concat());
    assert!(!ended.stderr.contains(told), "{}", ended.stderr);
    let rest = ["--set", "model.attention_probs_dropout_prob=0.0", "--set", "run.name=s"];
    let ended = sandbox.good(&[&start[..], &none[..], &rest[..]].concat());
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
    let keys = "model.hidden_dropout_prob, model.attention_probs_dropout_prob above 0";
    assert!(ended.stderr.contains(keys), "{}", ended.stderr);
}

/// A model whose activations need more memory than its parameters.
const WIDE: [&str; 14] = [
    "run.threads=2",
    "data.validation=0",
    "data.max_length=64",
    "tokenizer.train.vocab_size=300",
    "model.hidden_size=256",
    "model.num_hidden_layers=4",
    "model.num_attention_heads=4",
    "model.intermediate_size=512",
    "model.max_position_embeddings=64",
    "train.eval_every=0",
    "train.save_every=0",
    "train.log_every=1",
    "objective.learn_temperature=true",
    "objective.projection=mlp",
];

/// GradCache (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup"): a batch of
/// any size needs the memory of a small one. The allocator keeps freed memory for later tensors, so peak memory grows
/// over the first steps; 24 steps are enough to reach the maximum.
#[test]
fn a_batch_of_512_in_chunks_takes_the_memory_of_one_of_16() {
    let sandbox = Sandbox::new();
    let words =
        sandbox.read("corpus.txt").split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let text = |i: usize| -> String {
        let words = (0..80).map(|j| &*words[(i * 7 + j * (1 + i % 5)) % words.len()]);
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    let texts: String = (0..1200).map(text).collect();
    sandbox.write("corpus.txt", texts);
    sandbox.write("recipe.toml", recipe("name = \"simcse\""));
    let run = |name: &str, steps: u32, batch: u32, chunk: u32| -> f64 {
        let own = [
            format!("run.name={name}"),
            format!("train.steps={steps}"),
            format!("train.batch_size={batch}"),
            format!("objective.chunk_rows={chunk}"),
        ];
        let sets = own.iter().map(String::as_str).chain(WIDE);
        let args: Vec<&str> = ["pretrain", "recipe.toml"]
            .into_iter()
            .chain(sets.flat_map(|s| ["--set", s]))
            .collect();
        sandbox.good(&args);
        let lines = metrics(&sandbox, name);
        let peaks = lines.iter().filter_map(|line| line["perf/peak_memory_bytes"].as_f64());
        peaks.fold(0.0, f64::max)
    };
    // The cache is filled beforehand, so that preparing data does not count.
    run("first", 1, 16, 0);
    let (small, chunked, whole) =
        (run("small", 24, 16, 0), run("chunked", 2, 512, 16), run("whole", 1, 512, 0));
    println!(
        "peak: {:.0} MB of 16, {:.0} MB of 512 in chunks, {:.0} MB of 512",
        small / 1e6,
        chunked / 1e6,
        whole / 1e6
    );
    assert!(chunked <= 1.2 * small, "{chunked} {small}");
    assert!(whole > 2.0 * small, "{whole} {small}");
}
