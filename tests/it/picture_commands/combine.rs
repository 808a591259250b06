//! `sst combine`: a dual encoder of an image model and a text model.

use serde_json::Value;

use super::{MAE, refused, trained};
use crate::sandbox::Sandbox;

/// The lines of metrics.jsonl with `name`.
fn values(sandbox: &Sandbox, name: &str) -> Vec<f64> {
    let lines = sandbox.read("runs/lit/metrics.jsonl");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line[name].as_f64()).collect()
}

#[test]
fn two_trained_models_become_a_dual_encoder_that_is_trained_with_a_frozen_tower() {
    let sandbox = trained(MAE);
    let texts = Sandbox::trained();
    let text = texts.path("runs/r").display().to_string();
    let combine = ["combine", "--image", "runs/r", "--text", &text, "--projection-dim", "12"];
    let report = sandbox.good(&[&combine[..], &["--out", "dual", "--json"]].concat()).json();
    // What the encoders of a masked autoencoder and of a masked language model have besides, and what is new.
    let unused = &report["ledger"]["unused.tensors"];
    assert!(unused["count"].as_u64().is_some_and(|count| count > 0), "{report}");
    let new = report["ledger"]["weights.new"]["items"].to_string();
    assert!(new.contains("visual_projection") && new.contains("text_projection"), "{report}");
    assert_eq!(sandbox.json("dual/config.json")["model_type"], "vision-text-dual-encoder");
    assert!(sandbox.path("dual/preprocessor_config.json").is_file());

    sandbox.write(
        "lit.toml",
        "[run]\nname = \"lit\"\nseed = 1\ndevice = \"cpu\"\nthreads = 1\n\n[data]\npaths = [\"pictures.jsonl\"]\n\
         caption_fields = [\"captions\"]\nmax_length = 16\nvalidation = 0.0\nworkers = 0\n\n[model]\npath = \"dual\"\n\n[tokenizer]\npath = \"dual\"\n\n\
         [objective]\nname = \"clip\"\n\n[train]\nsteps = \"6step\"\nbatch_size = 8\nprecision = \"fp32\"\nlog_every = 1\n\
         freeze = [\"vision_model\"]\n",
    );
    sandbox.good(&["pretrain", "lit.toml"]);
    assert_eq!(values(&sandbox, "train/loss").len(), 6);
    // The tower is still that of the run, and captions and pictures have vectors in one space.
    for (model, out) in [("runs/r", "of_mae.npy"), ("runs/lit", "of_lit.npy")] {
        let args = ["embed", "--model", model, "--data", "pictures.jsonl", "--pooling", "mean"];
        sandbox
            .good(&[&args[..], &["--no-normalize", "--precision", "fp32", "--out", out]].concat());
    }
    let bytes = |name: &str| std::fs::read(sandbox.path(name)).unwrap();
    assert_eq!(bytes("of_mae.npy"), bytes("of_lit.npy"));
    let retrieval = ["eval", "retrieval", "--model", "runs/lit", "--data", "pictures.jsonl"];
    let report =
        sandbox.good(&[&retrieval[..], &["--fields", "image,captions", "--json"]].concat());
    assert!(report.json()["metrics"]["image_to_text_mrr"].as_f64().is_some());

    let out = ["--out", "dual2"];
    refused(&sandbox, &[&combine[..], &["--out", "dual"]].concat(), &["dual exists"]);
    let swapped = ["combine", "--image", &text, "--text", "runs/r"];
    refused(&sandbox, &[&swapped[..], &out].concat(), &["reads no pictures"]);
    assert!(!sandbox.path("dual2").exists());
}
