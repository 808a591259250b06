//! The loss and accuracy of pictures that are held out from a run.

use serde_json::Value;

use super::CLIP;
use crate::sandbox::Sandbox;

/// The log of a run of four steps on 40 pictures, of which the part `validation` is held out.
fn run(sandbox: &Sandbox, model: &str, validation: &str) -> String {
    sandbox.write("pictures.jsonl", (0..40).map(super::line).collect::<String>());
    let text = format!(
        "[run]\nname = \"r\"\nseed = 3\ndevice = \"cpu\"\nthreads = 1\n\n[data]\npaths = [\"pictures.jsonl\"]\n\
         validation = {validation}\nworkers = 0\n{model}\n[train]\nsteps = \"4step\"\neval_every = \"2step\"\n\
         batch_size = 8\nprecision = \"fp32\"\n[train.optimizer]\nlr = 1e-30\n"
    );
    sandbox.write("recipe.toml", text);
    sandbox.good(&["pretrain", "recipe.toml"]).stderr
}

fn values(sandbox: &Sandbox, name: &str) -> Vec<f64> {
    let lines = sandbox.read("runs/r/metrics.jsonl");
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|line| line[name].as_f64()).collect()
}

#[test]
fn the_views_of_a_held_out_picture_differ_and_are_the_same_at_each_evaluation() {
    let sandbox = Sandbox::new();
    let model = "\n[model]\ntype = \"vit\"\nimage_size = 8\npatch_size = 4\nhidden_size = 16\nnum_hidden_layers = 1\n\
                 num_attention_heads = 2\nintermediate_size = 32\n\n[objective]\nname = \"simclr\"\n";
    run(&sandbox, model, "0.5");
    // Equal views would have the accuracy 1, even in a model that has not learned anything.
    let accuracy = values(&sandbox, "eval/simclr/accuracy");
    assert!(accuracy.len() >= 2 && accuracy[0] < 1.0, "{accuracy:?}");
    let losses = values(&sandbox, "eval/simclr/loss");
    assert!(losses.windows(2).all(|pair| pair[0] == pair[1]), "{losses:?}");
}

#[test]
fn one_held_out_picture_is_not_measured_and_warned_of() {
    let model = format!("caption_fields = [\"captions\"]\n\n{CLIP}");
    let mut logs = String::new();
    for validation in ["0.01", "0.02", "0.03", "0.05", "0.07", "0.09", "0.12", "0.15"] {
        let sandbox = Sandbox::new();
        let log = run(&sandbox, &model, validation);
        if log.contains("needs at least 2, but 1 of 40") {
            assert_eq!(values(&sandbox, "eval/clip/loss"), [0.0; 0], "{log}");
            return;
        }
        logs += &log;
    }
    panic!("no fraction of these holds out one picture: {logs}");
}
