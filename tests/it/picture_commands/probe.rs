//! `sst eval probe` and `sst eval knn` with pictures.

use serde_json::json;

use super::{MAE, base64, close, line, picture, refused, trained};

#[test]
fn probes_of_pictures_are_compared_with_pixels_and_a_twin() {
    let sandbox = trained(MAE);
    let test: String = (18..30).map(line).collect();
    sandbox.write("test.jsonl", test);
    let args = |name: &'static str| {
        [
            "eval",
            name,
            "--model",
            "runs/r",
            "--data",
            "pictures.jsonl",
            "--test",
            "test.jsonl",
            "--json",
        ]
    };
    let report = sandbox.good(&args("probe")).json();
    let methods = report["tables"]["methods"]["rows"].as_array().unwrap();
    let names: Vec<&str> = methods.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(names, ["model", "twin", "pixels", "pca"]);
    // Pictures of one colour are told apart by their pixels.
    close("pixels", &report["metrics"]["pixels_accuracy"], 1.0);
    close("pca", &report["metrics"]["pca_accuracy"], 1.0);
    close("majority", &report["metrics"]["majority_accuracy"], 1.0 / 3.0);
    let model = report["metrics"]["accuracy"].as_f64().unwrap();
    close("difference", &methods[2][1][3], model - 1.0);
    assert!(
        report["settings"]["pca"]
            .as_str()
            .unwrap()
            .starts_with("16 components of 8 x 8 pixels of 3 channels")
    );
    // Embeddings, two layers, and the output after the last norm.
    let layers = report["tables"]["layers"]["rows"].as_array().unwrap();
    assert_eq!((layers.len(), &layers[3][0]), (4, &"output".into()));
    assert_eq!(
        (&report["counts"]["train_pictures"], &report["counts"]["test_pictures"]),
        (&18.into(), &12.into())
    );
    // As many of each label, drawn by seed.
    let limit = ["--train-limit", "6", "--folds", "2", "--no-twin", "--pooling", "cls"];
    let limited = sandbox.good(&[&args("probe")[..], &limit].concat()).json();
    assert_eq!(
        (&limited["counts"]["train_pictures"], &limited["ledger"]["train.beyond_limit"]["count"]),
        (&6.into(), &12.into())
    );
    assert!(limited["settings"]["pca"].as_str().unwrap().contains("from 18 pictures"));
    assert!(limited["metrics"].get("twin_accuracy").is_none());
    let knn = ["--k", "3", "--pixel-baselines", "false"];
    let report = sandbox.good(&[&args("knn")[..], &knn].concat()).json();
    let methods = report["tables"]["methods"]["rows"].as_array().unwrap();
    assert_eq!((methods.len(), &methods[1][0]), (2, &"twin".into()));
    refused(
        &sandbox,
        &[&args("probe")[..], &["--train-limit", "19"]].concat(),
        &["--train-limit is 19, and there are 18"],
    );
    refused(
        &sandbox,
        &[&args("knn")[..], &["--pooling", "lasttoken"]].concat(),
        &["cls, mean and max"],
    );
    refused(&sandbox, &[&args("knn")[..], &["--max-length", "3"]].concat(), &["--max-length"]);
    let few = ["--train-limit", "3", "--no-twin"];
    let ended = sandbox.sst(&[&args("probe")[..], &few].concat());
    assert!(ended.stderr.contains("needs 2 training pictures of each label"), "{}", ended.stderr);
    let other = json!({"image": base64(&picture([9; 3], 1).to_png().unwrap()), "label": "black"});
    sandbox.write("other.jsonl", format!("{other}\n"));
    let ended = sandbox.sst(&[
        "eval",
        "knn",
        "--model",
        "runs/r",
        "--data",
        "pictures.jsonl",
        "--test",
        "other.jsonl",
    ]);
    assert!(ended.code != Some(0) && ended.stderr.contains("black"), "{}", ended.stderr);
}
