//! Folders of sentence-transformers: truncation side, width of vectors, and folder of the encoder.

use std::path::Path;

use serde_json::{Value, json};
use sst_data::Ledger;
use sst_models::{Embedder, ModelCard, SentenceModel, SentenceOptions, encoder_folder};
use tch::Device;

use crate::unused::{edit, items, sentence_folder};

const PROMPTS: &str = "config_sentence_transformers.json";
const TEXT: &str = "a b c d e f g h";

fn load(folder: &Path, options: SentenceOptions) -> (SentenceModel, Vec<String>) {
    let ledger = Ledger::new();
    let model = SentenceModel::load(folder, Device::Cpu, options, &ledger).unwrap();
    (model, items(&ledger))
}

fn vector(model: &SentenceModel) -> Vec<f32> {
    Embedder::new(model, Device::Cpu, None, 100).embed(&[TEXT]).unwrap().vectors
}

fn file(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn ids(folder: &Path, max_length: usize) -> Vec<u32> {
    let options = SentenceOptions { max_length: Some(max_length), ..SentenceOptions::default() };
    load(folder, options).0.tokens(&[TEXT]).unwrap().remove(0).ids
}

#[test]
fn a_long_text_keeps_the_end_that_the_tokenizer_says() {
    let folder = sentence_folder();
    let all = ids(folder.path(), 12);
    let last = all.len() - 1;
    assert_eq!(ids(folder.path(), 5), [&all[..4], &all[last..]].concat());
    edit(folder.path(), "tokenizer_config.json", "truncation_side", json!("left"));
    let left = [&all[..1], &all[last - 3..]].concat();
    assert_eq!(ids(folder.path(), 5), left);
    assert_eq!(ids(folder.path(), 12), all);
    let (model, unused) = load(folder.path(), SentenceOptions::default());
    assert_eq!(unused, [""; 0]);
    let saved = tempfile::tempdir().unwrap();
    model.save(saved.path(), &ModelCard::default()).unwrap();
    assert_eq!(ids(saved.path(), 5), left);
}

#[test]
fn vectors_are_as_wide_as_truncate_dim_says() {
    let folder = sentence_folder();
    let full = vector(&load(folder.path(), SentenceOptions::default()).0);
    edit(folder.path(), PROMPTS, "truncate_dim", json!(6));
    let (model, unused) = load(folder.path(), SentenceOptions::default());
    assert_eq!((unused, model.width()), (vec![], 6));
    // The vectors are normalised before they are truncated, so they are shorter than one.
    assert!(!model.normalizes());
    assert_eq!(vector(&model), full[..6]);
    let saved = tempfile::tempdir().unwrap();
    model.save(saved.path(), &ModelCard::default()).unwrap();
    assert_eq!(file(&saved.path().join(PROMPTS))["truncate_dim"], json!(6));
    assert_eq!(vector(&load(saved.path(), SentenceOptions::default()).0), full[..6]);
    let asked = SentenceOptions { normalize: Some(true), ..SentenceOptions::default() };
    let (model, _) = load(folder.path(), asked);
    let norm: f32 = vector(&model).iter().map(|x| x * x).sum();
    assert!(model.normalizes() && (norm - 1.0).abs() < 1e-5, "{norm}");
    let error = model.save(saved.path(), &ModelCard::default()).unwrap_err().to_string();
    assert!(error.contains("truncate_dim") && error.contains("leave `normalize` unset"), "{error}");
    edit(folder.path(), PROMPTS, "truncate_dim", json!(1000));
    assert_eq!(vector(&load(folder.path(), SentenceOptions::default()).0), full);
    for bad in [json!(0), json!(-2), json!(1.5), json!("6"), json!([6])] {
        edit(folder.path(), PROMPTS, "truncate_dim", bad);
        let options = SentenceOptions::default();
        let error = SentenceModel::load(folder.path(), Device::Cpu, options, &Ledger::new());
        let error = error.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(PROMPTS) && error.contains("truncate_dim"), "{error}");
    }
}

#[test]
fn the_encoder_may_lie_in_a_folder_below() {
    let folder = sentence_folder();
    let here = folder.path();
    assert_eq!(encoder_folder(here).unwrap(), here);
    let full = vector(&load(here, SentenceOptions::default()).0);
    let below = here.join("0_Transformer");
    std::fs::create_dir(&below).unwrap();
    for entry in std::fs::read_dir(here).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_file() && name != "modules.json" && name != PROMPTS {
            std::fs::rename(entry.path(), below.join(name)).unwrap();
        }
    }
    let mut modules = file(&here.join("modules.json"));
    let mut place = |path: &str| {
        modules[0]["path"] = json!(path);
        std::fs::write(here.join("modules.json"), modules.to_string()).unwrap();
    };
    place("0_Transformer");
    assert_eq!(encoder_folder(here).unwrap(), below);
    let (model, unused) = load(here, SentenceOptions::default());
    assert_eq!((unused, vector(&model)), (vec![], full.clone()));
    let saved = tempfile::tempdir().unwrap();
    model.save(saved.path(), &ModelCard::default()).unwrap();
    assert!(saved.path().join("config.json").is_file());
    assert_eq!(vector(&load(saved.path(), SentenceOptions::default()).0), full);
    place("../elsewhere");
    let error = encoder_folder(here).unwrap_err().to_string();
    assert!(error.contains("modules.json") && error.contains("within this one"), "{error}");
}
