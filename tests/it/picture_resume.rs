//! Runs on pictures that are killed and resumed end like uninterrupted ones.

use crate::sandbox::{Sandbox, repository};

const LAYERS: &str =
    "hidden_size = 24\nnum_hidden_layers = 2\nnum_attention_heads = 2\nintermediate_size = 32\n";

/// A small recipe on the bundled pictures. `data` are further lines of `[data]`, and `model` is `[model]` with its
/// subsections.
fn recipe(objective: &str, data: &str, model: &str) -> String {
    let pictures = repository().join("corpora/emoji/test.jsonl.gz");
    format!(
        "[run]\nname = \"run\"\nseed = 3\ndevice = \"cpu\"\nthreads = 1\n\n\
         [data]\npaths = [{pictures:?}]\nvalidation = 0.1\n{data}\n\n{model}\n\
         [objective]\n{objective}\n\n\
         [train]\nsteps = \"40step\"\nbatch_size = 16\neval_every = \"20step\"\nsave_every = \"5step\"\nlog_every = 1\n"
    )
}

fn resumes_exactly(sandbox: &Sandbox, text: String) {
    sandbox.write("pictures.toml", text);
    let args = ["verify-resume", "pictures.toml", "--kills", "3", "--json"];
    let report = sandbox.good(&args).json();
    assert_eq!(report["identical"], true, "{report}");
    assert!(report["killed_at"].as_array().is_some_and(|kills| !kills.is_empty()), "{report}");
}

#[test]
fn mae_and_simclr_resume_bit_for_bit() {
    let sandbox = Sandbox::new();
    let image = format!("image_size = 16\npatch_size = 4\n{LAYERS}");
    let decoder = LAYERS.lines().map(|line| format!("decoder_{line}\n")).collect::<String>();
    let model = format!("[model]\ntype = \"vit_mae\"\nhidden_dropout_prob = 0.1\n{image}{decoder}");
    resumes_exactly(&sandbox, recipe("name = \"mae\"", "", &model));
    let model = format!("[model]\ntype = \"vit\"\nhidden_dropout_prob = 0.1\n{image}");
    let objective =
        "name = \"simclr\"\nprojection = \"mlp\"\nlearn_temperature = true\nchunk_rows = 6";
    resumes_exactly(&sandbox, recipe(objective, "", &model));
}

#[test]
fn clip_resumes_bit_for_bit_in_chunks_and_with_a_frozen_tower() {
    let sandbox = Sandbox::new();
    let model = format!(
        "[tokenizer.train]\nvocab_size = 300\n\n[model]\ntype = \"clip\"\nprojection_dim = 16\n\n\
         [model.vision_config]\nattention_dropout = 0.1\nimage_size = 16\npatch_size = 4\n{LAYERS}\n\
         [model.text_config]\nattention_dropout = 0.1\nmax_position_embeddings = 24\n{LAYERS}\n"
    );
    let data = "caption_fields = [\"en_captions\", \"zh_captions\"]";
    resumes_exactly(&sandbox, recipe("name = \"clip\"\nchunk_rows = 6", data, &model));
    let frozen = recipe("name = \"clip\"\nchunk_rows = 6", data, &model);
    let frozen = frozen.replace("log_every = 1\n", "log_every = 1\nfreeze = [\"vision_model\"]\n");
    resumes_exactly(&sandbox, frozen);
}
