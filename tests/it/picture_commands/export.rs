//! `sst export` of models that read pictures, and commands on texts that need another model.

use serde_json::json;

use super::{CLIP, MAE, refused, trained, vectors};

const MODEL: &str = "changed";

#[test]
fn an_exported_model_gives_the_same_vectors() {
    for recipe in [CLIP, MAE] {
        let sandbox = trained(recipe);
        let model = sandbox.path(MODEL);
        std::fs::create_dir(&model).unwrap();
        for entry in std::fs::read_dir(sandbox.path("runs/r/checkpoints/latest/model")).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), model.join(entry.file_name())).unwrap();
        }
        // A file that the model type does not imply, so that it matters.
        let file = model.join("preprocessor_config.json");
        let mut processor: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        processor["image_mean"] = json!([0.1, 0.2, 0.3]);
        sst_data::atomic::write(&file, processor.to_string().as_bytes()).unwrap();
        let to = ["--format", "huggingface", "--out", "exported", "--json"];
        let export = [&["export", "--model", MODEL][..], &to].concat();
        let report = sandbox.good(&export).json();
        assert!(report["ledger"].get("unused.files").is_none(), "{report}");
        assert_eq!(sandbox.json("exported/preprocessor_config.json"), processor);
        for (model, out) in [(MODEL, "of_run.jsonl"), ("exported", "of_export.jsonl")] {
            let args = ["embed", "--model", model, "--data", "pictures.jsonl", "--out", out];
            sandbox.good(&[&args[..], &["--precision", "fp32"]].concat());
        }
        assert_eq!(vectors(&sandbox, "of_run.jsonl"), vectors(&sandbox, "of_export.jsonl"));
    }
}

#[test]
fn commands_that_pool_hidden_states_of_texts_refuse_clip() {
    let sandbox = trained(CLIP);
    sandbox.write(
        "pairs.tsv",
        "text1\ttext2\tscore\na red square\tsomething red\t5\nblue\tgreen\t1\n",
    );
    sandbox.write("texts.txt", "a red square\nsomething blue\n");
    let sts = [
        "eval",
        "sts",
        "--model",
        "runs/r",
        "--data",
        "pairs.tsv",
        "--fields",
        "text1,text2,score",
    ];
    refused(&sandbox, &sts, &["`clip`", "projection"]);
    let export =
        ["export", "--model", "runs/r", "--format", "sentence-transformers", "--out", "exported"];
    refused(&sandbox, &export, &["`clip`", "projection"]);
    assert!(!sandbox.path("exported").exists());
}
