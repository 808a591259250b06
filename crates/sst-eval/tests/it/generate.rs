//! Compares generation with transformers: greedy decoding, repetition penalty and beam search, with and without a cache,
//! one prompt alone and several together, and the distributions that tokens are sampled from.

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
const EOS: u32 = 2;

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
    Limits { max_new_tokens, eos_token_ids: vec![EOS] }
}

fn run(generator: &Generator<'_>, prompts: &[Vec<u32>], sampling: &Sampling) -> Vec<Completion> {
    generator.generate(prompts, sampling, &limits(200), &mut |_, _| Ok(true)).unwrap()
}

fn only_ids(completions: Vec<Completion>) -> Vec<Vec<u32>> {
    completions.into_iter().map(|completion| completion.ids).collect()
}

#[test]
fn greedy_tokens_equal_those_of_transformers() {
    for name in MODELS {
        let (model, golden) = load(name);
        let (prompts, want) = (all_ids(&golden["prompts"]), all_ids(&golden["greedy"]));
        let reaches_limit = want.iter().any(|ids| ids.len() == 200);
        assert!(reaches_limit, "{name}: a sequence must reach the limit of 200 tokens");
        let mut generator = Generator::new(&*model, Device::Cpu);
        for use_cache in [true, false] {
            generator.use_cache = use_cache;
            let together = only_ids(run(&generator, &prompts, &Sampling::GREEDY));
            assert_eq!(together, want, "{name}, cache: {use_cache}");
            for (prompt, want) in prompts.iter().zip(&want) {
                let alone = run(&generator, std::slice::from_ref(prompt), &Sampling::GREEDY);
                assert_eq!(&alone[0].ids, want, "{name}, cache: {use_cache}");
                let finish = if want.len() == 200 { Finish::Length } else { Finish::End };
                assert_eq!(alone[0].finish, finish);
            }
        }
    }
}

#[test]
fn tokens_with_repetition_penalty_equal_those_of_transformers() {
    for name in MODELS {
        let (model, golden) = load(name);
        let sampling = Sampling { repetition_penalty: 1.3, ..Sampling::GREEDY };
        let completions =
            run(&Generator::new(&*model, Device::Cpu), &all_ids(&golden["prompts"]), &sampling);
        assert_eq!(only_ids(completions), all_ids(&golden["penalised"]), "{name}");
    }
}

#[test]
fn beams_equal_those_of_transformers() {
    for name in MODELS {
        let (model, golden) = load(name);
        for case in golden["beams"].as_array().unwrap() {
            let length_penalty = case["length_penalty"].as_f64().unwrap();
            let beams = Beams { count: 4, length_penalty };
            let prompt = ids(&case["prompt"]);
            let completions =
                beam_search(&*model, Device::Cpu, &prompt, beams, &limits(24)).unwrap();
            let best = &completions[0];
            assert_eq!(best.ids, ids(&case["ids"]), "{name} {case}");
            let score = |completion: &Completion| {
                // The length includes the end token.
                let length = completion.ids.len() + usize::from(completion.finish == Finish::End);
                completion.log_probability / (length as f64).powf(length_penalty)
            };
            let (got, want) = (score(best), case["score"].as_f64().unwrap());
            assert!((got - want).abs() < 1e-4 * want.abs(), "{name}: {got} {want}");
            assert!(completions.windows(2).all(|pair| score(&pair[0]) >= score(&pair[1])));
        }
    }
}

/// A sample depends on the seed and the index of its prompt, and not on other prompts.
#[test]
fn samples_repeat_with_the_same_seed_alone_and_together() {
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

/// The distributions equal those after the logits processors of transformers.
#[test]
fn probabilities_equal_those_of_transformers() {
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
        let probabilities = distribution(&logits, &ids(&case["seen"]), &sampling);
        let want = numbers("probabilities");
        let num_kept = want.iter().filter(|probability| **probability > 0.0).count();
        assert_eq!(probabilities.len(), num_kept, "{case}");
        for (id, probability) in probabilities {
            let difference = (probability - want[id as usize]).abs();
            assert!(difference < 1e-6, "{}: token {id} differs by {difference}", case["settings"]);
        }
    }
}

#[test]
fn beam_search_with_one_beam_equals_greedy_decoding() {
    let (model, golden) = load("generate-llama");
    let prompt = ids(&golden["prompts"][0]);
    let beams = Beams { count: 1, length_penalty: 0.0 };
    let limits = Limits { max_new_tokens: 12, eos_token_ids: Vec::new() };
    let by_beam = beam_search(&*model, Device::Cpu, &prompt, beams, &limits).unwrap();
    let generator = Generator::new(&*model, Device::Cpu);
    let greedy =
        generator.generate(&[prompt], &Sampling::GREEDY, &limits, &mut |_, _| Ok(true)).unwrap();
    assert_eq!(by_beam[0].ids, greedy[0].ids);
    let (a, b) = (by_beam[0].log_probability, greedy[0].log_probability);
    assert!((a - b).abs() < 1e-4 * a.abs(), "{a} {b}");
}

#[test]
fn generation_stops_when_the_caller_says_so_or_at_the_maximum_length() {
    let (model, golden) = load("generate-gpt2");
    let prompts = all_ids(&golden["prompts"]);
    let generator = Generator::new(&*model, Device::Cpu);
    let mut tokens = Vec::new();
    let completions = generator
        .generate(&prompts, &Sampling::GREEDY, &limits(9), &mut |prompt, id| {
            tokens.push((prompt, id));
            Ok(prompt != 1)
        })
        .unwrap();
    assert_eq!((completions[1].ids.len(), completions[1].finish), (1, Finish::Stop));
    assert_eq!(tokens.iter().filter(|(prompt, _)| *prompt == 1).count(), 1);
    let unlimited = Limits { max_new_tokens: 10_000, eos_token_ids: Vec::new() };
    let completions =
        generator.generate(&prompts, &Sampling::GREEDY, &unlimited, &mut |_, _| Ok(true)).unwrap();
    for (prompt, completion) in prompts.iter().zip(&completions) {
        assert_eq!(prompt.len() + completion.ids.len(), 256);
    }
    let error = |prompt: Vec<u32>| {
        generator
            .generate(&[prompt], &Sampling::GREEDY, &limits(1), &mut |_, _| Ok(true))
            .unwrap_err()
    };
    assert!(matches!(error(Vec::new()), EvalError::EmptyPrompt));
    assert!(matches!(error(vec![5; 256]), EvalError::LongPrompt { length: 256, limit: 256 }));
}

/// NaN or infinite weights are an error with every decoding method.
#[test]
fn logits_that_are_not_finite_are_an_error() {
    for value in [f64::NAN, f64::INFINITY] {
        let (mut model, golden) = load("generate-gpt2");
        let name = "transformer.ln_f.bias";
        let not_finite = model.params().get(name).unwrap().full_like(value);
        model.params_mut().assign(name, &not_finite).unwrap();
        let prompt = ids(&golden["prompts"][0]);
        let generator = Generator::new(&*model, Device::Cpu);
        let sampled = Sampling { temperature: Some(1.0), ..Sampling::GREEDY };
        for sampling in [Sampling::GREEDY, sampled] {
            let prompts = [prompt.clone()];
            let mut on_token = |_, _| panic!("a token was generated");
            let error = generator.generate(&prompts, &sampling, &limits(3), &mut on_token);
            assert!(matches!(error, Err(EvalError::NotFinite(_))), "{error:?}");
        }
        let beams = Beams { count: 2, length_penalty: 1.0 };
        let error = beam_search(&*model, Device::Cpu, &prompt, beams, &limits(3));
        assert!(matches!(error, Err(EvalError::NotFinite(_))), "{error:?}");
    }
}

/// Rotary embeddings whose frequencies depend on the length of the row (`longrope`, `dynamic`), with rows that grow past
/// the length at which they change: generation gives the same result with and without a cache, alone and together.
#[test]
fn length_dependent_rope_gives_the_same_tokens_with_and_without_a_cache() {
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
        let limits = Limits { max_new_tokens: 24, eos_token_ids: Vec::new() };
        let mut generate = |use_cache: bool, prompts: &[Vec<u32>]| {
            generator.use_cache = use_cache;
            generator.generate(prompts, &Sampling::GREEDY, &limits, &mut |_, _| Ok(true)).unwrap()
        };
        let uncached = generate(false, &prompts);
        for (prompt, uncached) in prompts.iter().zip(&uncached) {
            assert!(prompt.len() + uncached.ids.len() > 12);
            let alone = generate(true, std::slice::from_ref(prompt));
            assert_eq!(alone[0].ids, uncached.ids, "{rope}");
            let difference = (alone[0].log_probability - uncached.log_probability).abs();
            assert!(difference < 1e-4, "{rope}: {difference}");
        }
        assert_eq!(only_ids(generate(true, &prompts)), only_ids(uncached));
    }
}
