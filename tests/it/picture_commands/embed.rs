//! `sst embed` with pictures and captions.

use serde_json::{Value, json};

use super::{CLIP, EMBED, MAE, base64, dot, embed, line, picture, refused, trained, vectors};

#[test]
fn pictures_and_captions_get_vectors_in_one_space() {
    let sandbox = trained(CLIP);
    let told = embed(&sandbox, "pictures-out.jsonl", &[]);
    assert_eq!(
        (&told["pictures"], &told["width"], &told["normalized"]),
        (&18.into(), &12.into(), &true.into())
    );
    let pictures = vectors(&sandbox, "pictures-out.jsonl");
    assert_eq!(pictures[4].0["key"], "pictures.jsonl:5");
    assert!(pictures[4].0.get("text").is_none());
    for (_, vector) in &pictures {
        assert!((dot(vector, vector) - 1.0).abs() < 1e-5);
    }
    // Of several captions the first one, and the others are counted.
    let told = embed(&sandbox, "captions-out.jsonl", &["--fields", "captions"]);
    assert_eq!(
        (&told["captions"], &told["ledger"]["captions.not_used"]["count"]),
        (&18.into(), &18.into())
    );
    let captions = vectors(&sandbox, "captions-out.jsonl");
    assert_eq!(captions[3].0["text"], "a red square number 1");
    assert_eq!(captions[3].0["key"], "pictures.jsonl:4");
    // The same texts without pictures have the same vectors.
    let texts: String =
        captions.iter().map(|(line, _)| format!("{}\n", line["text"].as_str().unwrap())).collect();
    sandbox.write("texts.txt", texts);
    sandbox.good(&[
        "embed",
        "--model",
        "runs/r",
        "--texts",
        "--data",
        "texts.txt",
        "--out",
        "texts-out.jsonl",
        "--precision",
        "fp32",
    ]);
    for ((_, caption), (line, text)) in captions.iter().zip(vectors(&sandbox, "texts-out.jsonl")) {
        assert!(line.get("key").is_none());
        assert!((dot(caption, &text) - 1.0).abs() < 1e-5);
    }
    // The vectors in a file of NumPy are the same.
    embed(&sandbox, "pictures-out.npy", &[]);
    let npy = std::fs::read(sandbox.path("pictures-out.npy")).unwrap();
    let numbers: Vec<f32> =
        npy[128..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
    let flat: Vec<f64> = pictures.iter().flat_map(|(_, vector)| vector.clone()).collect();
    assert_eq!(numbers.len(), flat.len());
    assert!(numbers.iter().zip(&flat).all(|(x, y)| (f64::from(*x) - y).abs() < 1e-6));
    // --pooling gives the hidden states before the projection.
    assert_eq!(embed(&sandbox, "mean.npy", &["--pooling", "mean"])["width"], 16);
    for (more, texts) in [
        (&["--fields", "captions", "--pooling", "mean"][..], &["--pooling is for pictures"][..]),
        (&["--pooling", "lasttoken"], &["--pooling lasttoken is for texts"]),
        (&["--prompt", "x"], &["--prompt is not for the model"]),
        (&["--text-field", "x"], &["--text-field is not for the model"]),
    ] {
        refused(&sandbox, &[&EMBED[..], &["x.npy"], more].concat(), texts);
    }
    refused(
        &sandbox,
        &[&EMBED[..], &["pictures.jsonl"]].concat(),
        &["is the input pictures.jsonl"],
    );
}

#[test]
fn pictures_that_cannot_be_read_are_errors_or_counted() {
    let sandbox = trained(MAE);
    let told = embed(&sandbox, "cls.jsonl", &[]);
    assert_eq!(told["vector"], "the class token of the last layer");
    assert_eq!((&told["width"], &told["normalized"]), (&16.into(), &false.into()));
    embed(&sandbox, "mean.jsonl", &["--pooling", "mean", "--normalize"]);
    let (cls, mean) = (vectors(&sandbox, "cls.jsonl"), vectors(&sandbox, "mean.jsonl"));
    assert!((dot(&mean[0].1, &mean[0].1) - 1.0).abs() < 1e-5);
    let length = dot(&cls[0].1, &cls[0].1).sqrt();
    assert!((dot(&cls[0].1, &mean[0].1) / length - 1.0).abs() > 1e-4);
    // A model without a text tower is refused before any data is read.
    let missing = ["embed", "--model", "runs/r", "--data", "no-such", "--out", "x.npy"];
    refused(&sandbox, &[&missing[..], &["--fields", "captions"]].concat(), &["reads no texts"]);
    refused(&sandbox, &missing, &["no-such"]);
    let zero_shot = ["eval", "zero-shot", "--model", "runs/r", "--data", "no-such"];
    refused(&sandbox, &zero_shot, &["reads no texts"]);
    // A damaged picture.
    let damaged = json!({"image": base64(&picture([9; 3], 1).to_png().unwrap()[..60]), "label": "red", "captions": ["c"]});
    sandbox.write("some.jsonl", format!("{}{damaged}\n{}", line(0), line(1)));
    let args =
        ["embed", "--model", "runs/r", "--data", "some.jsonl", "--out", "some-out.jsonl", "--json"];
    let ended = sandbox.sst(&args);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("some.jsonl:2"), "{}", ended.stderr);
    let told = sandbox.good(&[&args[..], &["--skip-errors"]].concat()).json();
    assert_eq!(
        (&told["pictures"], &told["ledger"]["pictures.damaged"]["count"]),
        (&2.into(), &1.into())
    );
    let keys: Vec<Value> = vectors(&sandbox, "some-out.jsonl")
        .into_iter()
        .map(|(line, _)| line["key"].clone())
        .collect();
    assert_eq!(keys, ["some.jsonl:1", "some.jsonl:3"]);
    refused(&sandbox, &[&args[..], &["--max-pixels", "0"]].concat(), &["--max-pixels"]);
}

/// A processor that does not scale to values from 0 to 1 is kept by a run that starts from its model.
#[test]
fn a_run_keeps_the_scale_of_the_image_processor() {
    let sandbox = trained(CLIP);
    let folder = sandbox.path("runs/r/checkpoints/latest/model");
    std::fs::create_dir(sandbox.path("m")).unwrap();
    for file in folder.read_dir().unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), sandbox.path("m").join(file.file_name())).unwrap();
    }
    let mut processor = sandbox.json("m/preprocessor_config.json");
    for (key, value) in [("image_mean", [120.0; 3]), ("image_std", [60.0; 3])] {
        processor[key] = value.to_vec().into();
    }
    processor["do_rescale"] = false.into();
    sandbox.write("m/preprocessor_config.json", processor.to_string());
    let recipe = sandbox.read("recipe.toml");
    let (head, _) = recipe.split_once("[model]").unwrap();
    let (_, tail) = recipe.split_once("[objective]").unwrap();
    let text =
        format!("{head}[tokenizer]\npath = \"m\"\n\n[model]\npath = \"m\"\n\n[objective]{tail}");
    sandbox.write("recipe.toml", text);
    sandbox.good(&["pretrain", "recipe.toml", "--set", "run.name=s", "--set", "train.steps=1step"]);
    let saved = sandbox.json("runs/s/checkpoints/latest/model/preprocessor_config.json");
    let factor =
        if saved["do_rescale"] == false { 1.0 } else { saved["rescale_factor"].as_f64().unwrap() };
    assert_eq!((factor, &saved["image_mean"]), (1.0, &serde_json::json!([120.0, 120.0, 120.0])));
}
