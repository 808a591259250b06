//! `sst eval rankme` and `cka` on pictures, and the evaluators of `[train.online_eval]`.

use serde_json::{Value, json};

use super::{CLIP, MAE, embed, refused, trained, vectors};
use crate::sandbox::Sandbox;

/// The exponential of the entropy of the normalised singular values, from the eigenvalues of X^T X by Jacobi rotations.
fn rankme(vectors: &[Vec<f64>]) -> f64 {
    let d = vectors[0].len();
    let product = |i: usize, j: usize| vectors.iter().map(|x| x[i] * x[j]).sum::<f64>();
    let mut a: Vec<Vec<f64>> = (0..d).map(|i| (0..d).map(|j| product(i, j)).collect()).collect();
    for _ in 0..60 {
        for p in 0..d {
            for q in p + 1..d {
                let angle = 0.5 * f64::atan2(2.0 * a[p][q], a[q][q] - a[p][p]);
                let (s, c) = angle.sin_cos();
                for row in &mut a {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (of_p, of_q) = (a[p].clone(), a[q].clone());
                for k in 0..d {
                    a[p][k] = c * of_p[k] - s * of_q[k];
                    a[q][k] = s * of_p[k] + c * of_q[k];
                }
            }
        }
    }
    let values: Vec<f64> = (0..d).map(|i| a[i][i].max(0.0).sqrt()).collect();
    let sum: f64 = values.iter().sum();
    let entropy = |value: &f64| {
        let p = value / sum + 1e-7;
        -p * p.ln()
    };
    values.iter().map(entropy).sum::<f64>().exp()
}

fn near(got: &Value, want: f64, within: f64) {
    let got = got.as_f64().unwrap();
    assert!((got - want).abs() < within, "{got} is not {want}");
}

#[test]
fn the_rank_of_pictures_is_that_of_their_vectors() {
    let sandbox = trained(CLIP);
    let eval = ["eval", "rankme", "--model", "runs/r", "--data", "pictures.jsonl", "--json"];
    for (pooling, vector) in [
        (&[][..], "the projection into the space"),
        (&["--pooling", "mean"], "the mean of the patches"),
    ] {
        embed(&sandbox, "v.jsonl", &[&["--no-normalize"], pooling].concat());
        let of_pictures: Vec<Vec<f64>> =
            vectors(&sandbox, "v.jsonl").into_iter().map(|(_, vector)| vector).collect();
        let report = sandbox.good(&[&eval[..], pooling].concat()).json();
        near(&report["metrics"]["rankme"], rankme(&of_pictures), 1e-4);
        assert_eq!(report["counts"], json!({"pictures": 18, "width": of_pictures[0].len()}));
        assert!(report["settings"]["vector"].as_str().unwrap().starts_with(vector), "{report}");
    }
    refused(&sandbox, &[&eval[..], &["--prompt", "x"]].concat(), &["--prompt"]);
    refused(&sandbox, &[&eval[..], &["--pooling", "lasttoken"]].concat(), &["lasttoken"]);
}

#[test]
fn layers_of_pictures_are_compared() {
    let sandbox = trained(MAE);
    let args = ["eval", "cka", "--model", "runs/r", "--data", "pictures.jsonl", "--json"];
    let report = sandbox.good(&args).json();
    assert_eq!(report["counts"]["pictures"], 18);
    let table = &report["tables"]["layers"];
    let columns = ["embeddings", "layer 1", "layer 2", "output"];
    assert_eq!(table["columns"], json!(columns), "{report}");
    let other = sandbox.good(&[&args[..], &["--other", "runs/r"]].concat()).json();
    near(&other["metrics"]["same_layer"], 1.0, 1e-6);
    refused(&sandbox, &[&args[..], &["--max-length", "4"]].concat(), &["--max-length"]);
}

/// A recipe of a masked autoencoder on the labelled pictures.
fn recipe(online: &str) -> String {
    format!(
        "[run]\nname = \"r\"\nseed = 3\ndevice = \"cpu\"\nthreads = 1\n\n[data]\npaths = [\"pictures.jsonl\"]\n\
         label_field = \"label\"\nvalidation = 0.2\nworkers = 0\n\n[image]\nstore_size = 8\n\n{MAE}\n[train]\n\
         steps = \"6step\"\neval_every = \"3step\"\nbatch_size = 8\nprecision = \"fp32\"\n\n[train.online_eval]\n{online}\n"
    )
}

#[test]
fn frozen_vectors_are_measured_during_a_run() {
    let sandbox = Sandbox::new();
    sandbox.write("pictures.jsonl", (0..60).map(super::line).collect::<String>());
    let evaluators = "evaluators = [\"rankme\", \"knn\", \"probe\"]";
    sandbox.write("recipe.toml", recipe(evaluators));
    sandbox.good(&["pretrain", "recipe.toml"]);
    let metrics = sandbox.read("runs/r/metrics.jsonl");
    let lines: Vec<Value> =
        metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let values =
        |name: &str| -> Vec<f64> { lines.iter().filter_map(|line| line[name].as_f64()).collect() };
    assert_eq!(values("eval/knn/accuracy").len(), 2, "{metrics}");
    // The held-out part of these commands is that of the run.
    for (evaluator, figure) in [("knn", "accuracy"), ("probe", "accuracy"), ("probe", "best_layer")]
    {
        let args = ["eval", evaluator, "--model", "runs/r", "--data", "pictures.jsonl"];
        let alone =
            sandbox.good(&[&args[..], &["--field", "label=label", "--json"]].concat()).json();
        let online = values(&format!("eval/{evaluator}/{figure}"));
        near(&alone["metrics"][figure], online[1], 1e-9);
    }
    let rank = values("eval/rankme/rankme")[1];
    assert!(1.0 < rank && rank <= 16.0, "{rank}");

    // What cannot be measured is refused before the first step.
    let refuse = |text: String, parts: &[&str]| {
        sandbox.write("bad.toml", text);
        refused(&sandbox, &["pretrain", "bad.toml", "--set", "run.name=bad"], parts);
    };
    refuse(recipe("evaluators = [\"ner\"]"), &["names `ner`", "knn"]);
    refuse(recipe("evaluators = []"), &["train.online_eval.evaluators", "is empty"]);
    let unlabelled = recipe(evaluators).replace("label_field = \"label\"\n", "");
    refuse(unlabelled, &["`knn`", "data.label_field"]);
    refuse(
        recipe(evaluators).replace("validation = 0.2", "validation = 0.0"),
        &["data.validation"],
    );
    let rare = (0..60).map(super::line).collect::<String>().replacen(
        "\"label\":\"red\"",
        "\"label\":\"odd\"",
        1,
    );
    sandbox.write("pictures.jsonl", rare);
    refuse(recipe(evaluators), &["`odd` has"]);
}

#[test]
fn folders_are_labels_and_ranges_are_paths() {
    let sandbox = Sandbox::new();
    for at in 0..60 {
        let (name, colour) = super::COLOURS[at as usize % 3];
        let file = super::picture(colour, at).to_png().unwrap();
        std::fs::create_dir_all(sandbox.path(&format!("pictures/{name}"))).unwrap();
        sandbox.write(&format!("pictures/{name}/{at}.png"), file);
    }
    let of_folders = |online: &str| {
        let recipe = recipe(online).replace("label_field = \"label\"\n", "");
        recipe.replace("pictures.jsonl", "pictures")
    };
    let online = "evaluators = [\"knn\"]";
    sandbox.write("recipe.toml", of_folders(online));
    sandbox.good(&["pretrain", "recipe.toml"]);
    let metrics = sandbox.read("runs/r/metrics.jsonl");
    let accuracy = metrics.lines().filter_map(|line| {
        serde_json::from_str::<Value>(line).unwrap()["eval/knn/accuracy"].as_f64()
    });
    assert_eq!(accuracy.count(), 2, "{metrics}");

    // Fewer pictures than neighbours are refused before the first step.
    sandbox.write("few.toml", of_folders(&format!("{online}\ntrain_pictures = 12")));
    let few = ["pretrain", "few.toml", "--set", "run.name=few"];
    refused(&sandbox, &few, &["20 neighbours", "12 pictures", "train.online_eval"]);

    // A range stands for its files, and one that names no file is refused.
    for (name, lines) in [("part-0.jsonl", 0..30), ("part-1.jsonl", 30..60)] {
        sandbox.write(name, lines.map(super::line).collect::<String>());
    }
    let ranged = recipe(online).replace("pictures.jsonl", "part-{0..1}.jsonl");
    sandbox.write("ranged.toml", ranged.clone());
    sandbox.good(&["pretrain", "ranged.toml", "--set", "run.name=ranged"]);
    let environment = sandbox.json("runs/ranged/environment.json");
    assert_eq!(environment["data"]["documents"], 60, "{environment}");
    sandbox.write("ranged.toml", ranged.replace("{0..1}", "{0..2}"));
    let missing = ["pretrain", "ranged.toml", "--set", "run.name=missing"];
    refused(&sandbox, &missing, &["part-2.jsonl"]);
}
