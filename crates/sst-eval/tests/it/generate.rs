//! Generation against transformers: greedy, penalised, by beams; with a cache and without, alone and together; and
//! the probabilities that sampling draws from.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sst_core::Model;
use sst_core::checkpoint::Allow;
use sst_eval::EvalError;
use sst_eval::generate::{
    Beams, Completion, Finish, Generator, Limits, Sampling, beam_search, distribution,
};
use tch::Device;

const MODELS: [&str; 2] = ["generate-gpt2", "generate-llama"];
const END: u32 = 2;

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/causal").join(name)
}

pub(crate) fn load(name: &str) -> (Box<dyn Model>, Value) {
    let folder = golden(name);
    let (model, _) = sst_models::load(&folder, None, Device::Cpu, &Allow::default()).unwrap();
    let text = std::fs::read_to_string(folder.join("generate.json")).unwrap();
    (model, serde_json::from_str(&text).unwrap())
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn all_ids(value: &Value) -> Vec<Vec<u32>> {
    value.as_array().unwrap().iter().map(ids).collect()
}

fn limits(max_new_tokens: usize) -> Limits {
    Limits { max_new_tokens, ends: vec![END] }
}

fn run(generator: &Generator<'_>, prompts: &[Vec<u32>], sampling: &Sampling) -> Vec<Completion> {
    generator.generate(prompts, sampling, &limits(200), &mut |_, _| Ok(true)).unwrap()
}

fn only_ids(completions: Vec<Completion>) -> Vec<Vec<u32>> {
    completions.into_iter().map(|completion| completion.ids).collect()
}

#[test]
fn greedy_tokens_are_those_of_transformers() {
    for name in MODELS {
        let (model, golden) = load(name);
        let (prompts, want) = (all_ids(&golden["prompts"]), all_ids(&golden["greedy"]));
        assert!(want.iter().any(|ids| ids.len() == 200), "{name}: nothing runs for 200 tokens");
        let mut generator = Generator::new(&*model, Device::Cpu);
        for use_cache in [true, false] {
            generator.use_cache = use_cache;
            let together = only_ids(run(&generator, &prompts, &Sampling::GREEDY));
            assert_eq!(together, want, "{name}, cache: {use_cache}");
            for (prompt, want) in prompts.iter().zip(&want) {
                let alone = run(&generator, std::slice::from_ref(prompt), &Sampling::GREEDY);
                assert_eq!(&alone[0].ids, want, "{name}, cache: {use_cache}");
                let ended = if want.len() == 200 { Finish::Length } else { Finish::End };
                assert_eq!(alone[0].finish, ended);
            }
        }
    }
}

#[test]
fn penalised_tokens_are_those_of_transformers() {
    for name in MODELS {
        let (model, golden) = load(name);
        let sampling = Sampling { repetition_penalty: 1.3, ..Sampling::GREEDY };
        let found =
            run(&Generator::new(&*model, Device::Cpu), &all_ids(&golden["prompts"]), &sampling);
        assert_eq!(only_ids(found), all_ids(&golden["penalised"]), "{name}");
    }
}

#[test]
fn beams_are_those_of_transformers() {
    for name in MODELS {
        let (model, golden) = load(name);
        for case in golden["beams"].as_array().unwrap() {
            let length_penalty = case["length_penalty"].as_f64().unwrap();
            let beams = Beams { count: 4, length_penalty };
            let prompt = ids(&case["prompt"]);
            let found = beam_search(&*model, Device::Cpu, &prompt, beams, &limits(24)).unwrap();
            let best = &found[0];
            assert_eq!(best.ids, ids(&case["ids"]), "{name} {case}");
            let length = best.ids.len() + usize::from(best.finish == Finish::End);
            let score = best.log_probability / (length as f64).powf(length_penalty);
            let want = case["score"].as_f64().unwrap();
            assert!((score - want).abs() < 1e-4 * want.abs(), "{name}: {score} {want}");
            let rank = |c: &Completion| {
                let length = c.ids.len() + usize::from(c.finish == Finish::End);
                c.log_probability / (length as f64).powf(length_penalty)
            };
            assert!(found.windows(2).all(|pair| rank(&pair[0]) >= rank(&pair[1])));
        }
    }
}

/// Samples depend on the seed, their place and nothing else.
#[test]
fn samples_repeat_with_the_seed_alone_and_together() {
    let (model, golden) = load("generate-gpt2");
    let prompts = all_ids(&golden["prompts"]);
    let generator = Generator::new(&*model, Device::Cpu);
    let sampling = |seed| Sampling { temperature: Some(1.5), top_k: 30, seed, ..Sampling::GREEDY };
    let first = run(&generator, &prompts, &sampling(3));
    assert_eq!(only_ids(first.clone()), only_ids(run(&generator, &prompts, &sampling(3))));
    assert_ne!(only_ids(first.clone()), only_ids(run(&generator, &prompts, &sampling(4))));
    let alone = run(&generator, &prompts[..1], &sampling(3));
    assert_eq!(alone[0].ids, first[0].ids);
}

/// What is drawn from equals what transformers' processors leave.
#[test]
fn probabilities_are_those_of_transformers() {
    let text = std::fs::read_to_string(golden("sampling.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    for case in cases.as_array().unwrap() {
        let numbers = |key: &str| -> Vec<f64> {
            case[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let setting = |key: &str| case["settings"].get(key).and_then(Value::as_f64);
        let sampling = Sampling {
            repetition_penalty: setting("repetition_penalty").unwrap_or(1.0),
            temperature: Some(setting("temperature").unwrap_or(1.0)),
            top_k: setting("top_k").unwrap_or(0.0) as usize,
            top_p: setting("top_p").unwrap_or(1.0),
            min_p: setting("min_p").unwrap_or(0.0),
            seed: 0,
        };
        let logits: Vec<f32> = numbers("logits").into_iter().map(|x| x as f32).collect();
        let found = distribution(&logits, &ids(&case["seen"]), &sampling);
        let want = numbers("probabilities");
        assert_eq!(found.len(), want.iter().filter(|share| **share > 0.0).count(), "{case}");
        for (id, share) in found {
            let off = (share - want[id as usize]).abs();
            assert!(off < 1e-6, "{}: token {id} is off by {off}", case["settings"]);
        }
    }
}

#[test]
fn log_probabilities_are_the_models_own() {
    let (model, golden) = load("generate-llama");
    let prompt = ids(&golden["prompts"][0]);
    let beams = Beams { count: 1, length_penalty: 0.0 };
    let limits = Limits { max_new_tokens: 12, ends: Vec::new() };
    let by_beam = beam_search(&*model, Device::Cpu, &prompt, beams, &limits).unwrap();
    let generator = Generator::new(&*model, Device::Cpu);
    let greedy =
        generator.generate(&[prompt], &Sampling::GREEDY, &limits, &mut |_, _| Ok(true)).unwrap();
    assert_eq!(by_beam[0].ids, greedy[0].ids);
    let (a, b) = (by_beam[0].log_probability, greedy[0].log_probability);
    assert!((a - b).abs() < 1e-4 * a.abs(), "{a} {b}");
}

#[test]
fn whoever_listens_can_stop_and_the_positions_are_the_limit() {
    let (model, golden) = load("generate-gpt2");
    let prompts = all_ids(&golden["prompts"]);
    let generator = Generator::new(&*model, Device::Cpu);
    let mut told = Vec::new();
    let found = generator
        .generate(&prompts, &Sampling::GREEDY, &limits(9), &mut |place, id| {
            told.push((place, id));
            Ok(place != 1)
        })
        .unwrap();
    assert_eq!((found[1].ids.len(), found[1].finish), (1, Finish::Stop));
    assert_eq!(told.iter().filter(|(place, _)| *place == 1).count(), 1);
    let to_the_end = Limits { max_new_tokens: 10_000, ends: Vec::new() };
    let found =
        generator.generate(&prompts, &Sampling::GREEDY, &to_the_end, &mut |_, _| Ok(true)).unwrap();
    for (prompt, completion) in prompts.iter().zip(&found) {
        assert_eq!(prompt.len() + completion.ids.len(), 256);
    }
    let error = |prompt: Vec<u32>| {
        let found =
            generator.generate(&[prompt], &Sampling::GREEDY, &limits(1), &mut |_, _| Ok(true));
        found.unwrap_err()
    };
    assert!(matches!(error(Vec::new()), EvalError::EmptyPrompt));
    assert!(matches!(error(vec![5; 256]), EvalError::LongPrompt { length: 256, limit: 256 }));
}

/// Weights that are no numbers are an error, by whichever way tokens are picked.
#[test]
fn scores_that_are_no_numbers_are_an_error() {
    for value in [f64::NAN, f64::INFINITY] {
        let (mut model, golden) = load("generate-gpt2");
        let name = "transformer.ln_f.bias";
        let broken = model.params().get(name).unwrap().full_like(value);
        model.params_mut().assign(name, &broken).unwrap();
        let prompt = ids(&golden["prompts"][0]);
        let generator = Generator::new(&*model, Device::Cpu);
        let sampled = Sampling { temperature: Some(1.0), ..Sampling::GREEDY };
        for sampling in [Sampling::GREEDY, sampled] {
            let prompts = [prompt.clone()];
            let mut listen = |_, _| panic!("a token was told");
            let error = generator.generate(&prompts, &sampling, &limits(3), &mut listen);
            assert!(matches!(error, Err(EvalError::NotFinite(_))), "{error:?}");
        }
        let beams = Beams { count: 2, length_penalty: 1.0 };
        let error = beam_search(&*model, Device::Cpu, &prompt, beams, &limits(3));
        assert!(matches!(error, Err(EvalError::NotFinite(_))), "{error:?}");
    }
}

/// Rows longer than the first positions of a rope whose rates follow the length go on alike with a cache, without,
/// alone and together.
#[test]
fn a_rope_that_follows_the_length_goes_on_alike_with_a_cache_and_without() {
    let (trained, golden_json) = load("generate-llama");
    let text = std::fs::read_to_string(golden("generate-llama/config.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    let prompts = all_ids(&golden_json["prompts"]);
    let longrope = serde_json::json!({
        "rope_type": "longrope", "rope_theta": 1000.0, "original_max_position_embeddings": 12,
        "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [1.0, 2.0, 3.0, 4.0],
    });
    let dynamic = serde_json::json!({"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1000.0});
    for (rope, positions) in [(longrope, 64), (dynamic, 12)] {
        let mut config = config.clone();
        config["rope_parameters"] = rope.clone();
        config["max_position_embeddings"] = positions.into();
        let dir = tempfile::tempdir().unwrap();
        let card = sst_models::ModelCard::default();
        sst_models::save_folder(dir.path(), &*trained, None, &card).unwrap();
        let path = dir.path().join("config.json");
        sst_data::atomic::write(&path, config.to_string().as_bytes()).unwrap();
        let allow = Allow::default();
        let (model, _) = sst_models::load(dir.path(), None, Device::Cpu, &allow).unwrap();
        let mut generator = Generator::new(&*model, Device::Cpu);
        let all = Limits { max_new_tokens: 24, ends: Vec::new() };
        let mut go_on = |use_cache: bool, prompts: &[Vec<u32>]| {
            generator.use_cache = use_cache;
            generator.generate(prompts, &Sampling::GREEDY, &all, &mut |_, _| Ok(true)).unwrap()
        };
        let plain = go_on(false, &prompts);
        for (prompt, plain) in prompts.iter().zip(&plain) {
            assert!(prompt.len() + plain.ids.len() > 12);
            let alone = go_on(true, std::slice::from_ref(prompt));
            assert_eq!(alone[0].ids, plain.ids, "{rope}");
            let off = (alone[0].log_probability - plain.log_probability).abs();
            assert!(off < 1e-4, "{rope}: off by {off}");
        }
        assert_eq!(only_ids(go_on(true, &prompts)), only_ids(plain));
    }
}
