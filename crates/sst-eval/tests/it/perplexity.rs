//! Perplexity against a plain reference of transformers, one window at a time.

use sst_eval::{EvalError, Perplexity, Text, Window, Windows};
use tch::Device;

use crate::generate::{ids, load};

fn text(ids: Vec<u32>) -> Text {
    let (words, bytes) = (ids.len() as u64, 4 * ids.len() as u64);
    Text { ids, has_start: false, words, bytes }
}

fn check(windows: Windows, key: &str, unscored: &dyn Fn(usize) -> u64) {
    for name in ["generate-gpt2", "generate-llama"] {
        let (model, golden) = load(name);
        let golden = &golden["perplexity"];
        let length = golden["length"].as_u64().unwrap() as usize;
        let documents: Vec<_> = golden["documents"].as_array().unwrap().iter().map(ids).collect();
        assert_eq!(documents.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 50, 131]);
        let strides = golden[key].as_object().unwrap();
        assert_eq!(strides.len(), 3);
        for (stride, want) in strides {
            for batch_tokens in [1, 100, 8192] {
                let window = Window { length, stride: stride.parse().unwrap(), windows };
                let mut scorer =
                    Perplexity::new(&*model, Device::Cpu, window, batch_tokens).unwrap();
                scorer.add(&text(Vec::new())).unwrap();
                for document in &documents {
                    scorer.add(&text(document.clone())).unwrap();
                }
                let report = scorer.finish().unwrap();
                let scored = want["scored"].as_u64().unwrap();
                assert_eq!(report.settings["windows"], windows.name());
                assert_eq!(report.counts["scored_tokens"], scored);
                assert_eq!(report.counts["unscored_tokens"], 184 - scored);
                assert_eq!(184 - scored, unscored(window.stride), "{name} {stride}");
                assert_eq!((report.counts["documents"], report.counts["tokens"]), (5, 184));
                let nll = want["nll"].as_f64().unwrap();
                for (metric, want) in [
                    ("loss", want["loss"].as_f64().unwrap()),
                    ("perplexity", want["loss"].as_f64().unwrap().exp()),
                    ("token_perplexity", (nll / scored as f64).exp()),
                    ("word_perplexity", (nll / 184.0).exp()),
                    ("byte_perplexity", (nll / 736.0).exp()),
                    ("bits_per_byte", nll / 736.0 / 2f64.ln()),
                ] {
                    let got = report.metrics[metric];
                    assert!(
                        (got - want).abs() < 1e-4 * want,
                        "{name} {stride} {metric}: {got} {want}"
                    );
                }
            }
        }
    }
}

/// The code of transformers' documentation.
#[test]
fn strided_windows_equal_the_documentation() {
    // The first token of each text; with a stride of 7 also one that is the only new one of its window, and without
    // an overlap the first of each window.
    check(Windows::Strided, "documentation", &|stride| match stride {
        7 => 5,
        16 => 4,
        _ => 9,
    });
}

#[test]
fn full_windows_equal_the_reference() {
    check(Windows::Full, "strides", &|_| 4);
}

/// With a start before it a document's first token is scored, and the start is not one of its tokens.
#[test]
fn a_start_gives_the_first_token_a_context() {
    let (model, golden) = load("generate-gpt2");
    let document = ids(&golden["perplexity"]["documents"][2]);
    let window = Window { length: 64, stride: 32, windows: Windows::Strided };
    let report = |with_start: bool| {
        let mut scorer = Perplexity::new(&*model, Device::Cpu, window, 100).unwrap();
        let mut text = text(document.clone());
        if with_start {
            text.ids.insert(0, 2);
            text.has_start = true;
        }
        scorer.add(&text).unwrap();
        scorer.finish().unwrap().counts
    };
    let counts = report(true);
    assert_eq!((counts["tokens"], counts["scored_tokens"], counts["unscored_tokens"]), (50, 50, 0));
    let counts = report(false);
    assert_eq!((counts["tokens"], counts["scored_tokens"], counts["unscored_tokens"]), (50, 49, 1));
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let (model, _) = load("generate-gpt2");
    let new = |length, stride| {
        let window = Window { length, stride, windows: Windows::Strided };
        Perplexity::new(&*model, Device::Cpu, window, 100).map(|_| ())
    };
    for (length, stride) in [(257, 2), (1, 2), (8, 0), (8, 1), (8, 9)] {
        assert!(matches!(new(length, stride), Err(EvalError::Window(_))), "{length} {stride}");
    }
    let window = Window { length: 8, stride: 4, windows: Windows::Strided };
    let mut scorer = Perplexity::new(&*model, Device::Cpu, window, 100).unwrap();
    scorer.add(&text(vec![5])).unwrap();
    assert!(matches!(scorer.finish(), Err(EvalError::Nothing(_))));
}

/// Weights that are no numbers are no perplexity, but an error.
#[test]
fn numbers_that_are_none_are_an_error() {
    let (mut model, golden) = load("generate-gpt2");
    let document = ids(&golden["perplexity"]["documents"][2]);
    let name = "transformer.ln_f.bias";
    let broken = model.params().get(name).unwrap().full_like(f64::NAN);
    model.params_mut().assign(name, &broken).unwrap();
    let window = Window { length: 64, stride: 32, windows: Windows::Strided };
    let mut scorer = Perplexity::new(&*model, Device::Cpu, window, 100).unwrap();
    let error = scorer.add(&text(document)).and_then(|()| scorer.finish().map(|_| ()));
    assert!(matches!(error, Err(EvalError::NotFinite(_))), "{error:?}");
}
