//! Commands on pictures: `sst embed`, `sst eval retrieval`, `zero-shot`, `probe` and `knn`, and `sst reconstruct`.

mod combine;
mod embed;
mod export;
mod held_out;
mod probe;
mod reconstruct;
mod retrieval;
mod unlabelled;
mod zero_shot;

use serde_json::{Value, json};
use sst_data::pictures::Picture;

use crate::sandbox::Sandbox;

/// A tiny CLIP; `[objective]` and what follows are the same for both recipes.
const CLIP: &str = r#"[model]
type = "clip"
projection_dim = 12

[model.vision_config]
image_size = 8
patch_size = 4
hidden_size = 16
num_hidden_layers = 1
num_attention_heads = 2
intermediate_size = 32

[model.text_config]
max_position_embeddings = 16
hidden_size = 16
num_hidden_layers = 1
num_attention_heads = 2
intermediate_size = 32

[tokenizer.train]
vocab_size = 90

[objective]
name = "clip"
"#;

/// A tiny masked autoencoder.
const MAE: &str = r#"[model]
type = "vit_mae"
image_size = 8
patch_size = 2
hidden_size = 16
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 32
decoder_hidden_size = 16
decoder_num_hidden_layers = 1
decoder_num_attention_heads = 2
decoder_intermediate_size = 32

[objective]
name = "mae"
"#;

const COLOURS: [(&str, [u8; 3]); 3] =
    [("red", [220, 30, 30]), ("green", [30, 200, 40]), ("blue", [20, 40, 230])];

/// A picture of 8 x 8 pixels of one colour with some noise.
fn picture(colour: [u8; 3], seed: u32) -> Picture {
    let noise = |at: u32| (at.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 13) % 24;
    let value = |at: u32| colour[at as usize % 3].saturating_add(noise(at) as u8);
    Picture::new(8, 8, (0..192).map(value).collect()).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [chunk, &[0, 0][..3 - chunk.len()]].concat();
        let bits = padded.iter().fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        for place in 0..4 {
            let letter = LETTERS[bits >> (18 - 6 * place) & 63] as char;
            text.push(if place <= chunk.len() { letter } else { '=' });
        }
    }
    text
}

/// A line of a picture with its label and captions. The last two pictures of a colour have the same first caption.
pub(crate) fn line(at: u32) -> String {
    let (name, colour) = COLOURS[at as usize % 3];
    let file = picture(colour, at).to_png().unwrap();
    let number = (at / 3).min(4);
    let captions = [format!("a {name} square number {number}"), format!("something {name}")];
    let image = base64(&file);
    json!({"image": image, "label": name, "captions": captions, "note": "n"}).to_string() + "\n"
}

/// A folder with 18 pictures in `pictures.jsonl`, and a run `r` on them.
fn trained(recipe: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let lines: String = (0..18).map(line).collect();
    sandbox.write("pictures.jsonl", lines);
    let head = "[run]\nname = \"r\"\nseed = 3\ndevice = \"cpu\"\nthreads = 1\n\n[data]\npaths = [\"pictures.jsonl\"]\n\
                validation = 0.1\nworkers = 0\n";
    let captions = if recipe == CLIP { "caption_fields = [\"captions\"]\n" } else { "" };
    let train = "\n[train]\nsteps = \"6step\"\nbatch_size = 8\nprecision = \"fp32\"\n[train.optimizer]\nlr = 3e-3\n";
    sandbox.write("recipe.toml", format!("{head}{captions}\n{recipe}{train}"));
    sandbox.good(&["pretrain", "recipe.toml"]);
    sandbox
}

/// The lines of a file of vectors.
fn vectors(sandbox: &Sandbox, name: &str) -> Vec<(Value, Vec<f64>)> {
    let lines = sandbox.read(name);
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines
        .map(|line| {
            let vector = line["embedding"].as_array().unwrap();
            let vector = vector.iter().map(|x| x.as_f64().unwrap()).collect();
            (line, vector)
        })
        .collect()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}

fn close(what: &str, got: &Value, want: f64) {
    let got = got.as_f64().unwrap();
    assert!((got - want).abs() < 1e-9, "{what}: {got} is not {want}");
}

fn refused(sandbox: &Sandbox, args: &[&str], texts: &[&str]) {
    let ended = sandbox.sst(args);
    assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
    for text in texts {
        assert!(ended.stderr.contains(text), "{text}: {}", ended.stderr);
    }
}

const EMBED: [&str; 6] = ["embed", "--model", "runs/r", "--data", "pictures.jsonl", "--out"];

fn embed(sandbox: &Sandbox, out: &str, more: &[&str]) -> Value {
    let args = [&EMBED[..], &[out, "--precision", "fp32", "--json"], more].concat();
    sandbox.good(&args).json()
}

#[test]
fn options_for_pictures_are_refused_with_models_of_texts() {
    let sandbox = Sandbox::trained();
    let embed = ["embed", "--model", "runs/r", "--data", "corpus.txt", "--out", "x.npy"];
    refused(
        &sandbox,
        &[&embed[..], &["--fields", "image"]].concat(),
        &["--fields is not for the model"],
    );
    refused(&sandbox, &[&embed[..], &["--texts"]].concat(), &["--texts is not for the model"]);
    let pairs =
        ["eval", "retrieval", "--model", "runs/r", "--data", "pairs.jsonl", "--fields", "a,b"];
    refused(
        &sandbox,
        &[&pairs[..], &["--grid", "x.png"]].concat(),
        &["--grid is not for the model"],
    );
    let probe =
        ["eval", "probe", "--model", "runs/r", "--data", "pairs.jsonl", "--image-field", "x"];
    refused(&sandbox, &probe, &["--image-field is not for the model"]);
    let reconstruct =
        ["reconstruct", "--model", "runs/r", "--data", "corpus.txt", "--out", "x.png"];
    refused(&sandbox, &reconstruct, &["reads no pictures"]);
}
