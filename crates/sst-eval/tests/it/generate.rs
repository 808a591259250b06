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
