//! Compares perplexity with a simple implementation on transformers that scores one window at a time.

use serde_json::{Value, json};
use sst_core::Model;
use sst_eval::{EvalError, Input, Report, Text, build};

use crate::generate::{ids, load};
use crate::toy::{eval_error, terms_give_figures};

fn text(ids: Vec<u32>) -> Text {
    let (words, bytes) = (ids.len() as u64, 4 * ids.len() as u64);
    Text { ids, has_start: false, words, bytes }
}

fn measure(model: &dyn Model, config: &Value, texts: Vec<Text>) -> Result<Report, EvalError> {
    let mut evaluator = build("perplexity", config, Input::Texts(Box::new(texts)))?;
    evaluator.evaluate(model, None).map_err(eval_error).inspect(terms_give_figures)
}

fn check(windows: &str, key: &str, unscored: &dyn Fn(usize) -> u64) {
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
                let stride: usize = stride.parse().unwrap();
                let config = json!({
                    "max_length": length, "stride": stride, "windows": windows, "batch_tokens": batch_tokens,
                });
                let texts = std::iter::once(Vec::new()).chain(documents.clone()).map(text);
                let report = measure(&*model, &config, texts.collect()).unwrap();
                let scored = want["scored"].as_u64().unwrap();
                assert_eq!(report.settings["windows"], windows);
                assert_eq!(report.counts["scored_tokens"], scored);
                assert_eq!(report.counts["unscored_tokens"], 184 - scored);
                assert_eq!(184 - scored, unscored(stride), "{name} {stride}");
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

/// The reference is the code in transformers' documentation.
#[test]
fn strided_windows_equal_the_documentation() {
    // The first token of each text is not scored. With a stride of 7, one window has a single new token, which is not
    // scored either. With the longest stride, windows do not overlap, and the first token of each is not scored.
    check("strided", "documentation", &|stride| match stride {
        7 => 5,
        16 => 4,
        _ => 9,
    });
}

#[test]
fn full_windows_equal_the_reference() {
    check("full", "strides", &|_| 4);
}

/// With a start token before it, the first token of a document is scored. The start token is not counted.
#[test]
fn a_start_token_gives_the_first_token_a_context() {
    let (model, golden) = load("generate-gpt2");
    let document = ids(&golden["perplexity"]["documents"][2]);
    let config = json!({ "max_length": 64, "stride": 32, "batch_tokens": 100 });
    let report = |with_start: bool| {
        let mut text = text(document.clone());
        if with_start {
            text.ids.insert(0, 2);
            text.has_start = true;
        }
        measure(&*model, &config, vec![text]).unwrap().counts
    };
    let counts = report(true);
    assert_eq!((counts["tokens"], counts["scored_tokens"], counts["unscored_tokens"]), (50, 50, 0));
    let counts = report(false);
    assert_eq!((counts["tokens"], counts["scored_tokens"], counts["unscored_tokens"]), (50, 49, 1));
}

#[test]
fn invalid_windows_and_single_tokens_are_errors() {
    let (model, _) = load("generate-gpt2");
    let measure = |length, stride| {
        let config = json!({ "max_length": length, "stride": stride });
        measure(&*model, &config, vec![text(vec![5])])
    };
    for (length, stride, keys) in [
        (257, 2, &["max_length"][..]),
        (1, 2, &["max_length"][..]),
        (8, 0, &["stride"][..]),
        (8, 1, &["stride", "windows"][..]),
        (8, 9, &["stride"][..]),
    ] {
        let error = measure(length, stride).unwrap_err();
        assert!(matches!(error, EvalError::SlidingWindow { .. }), "{length} {stride}");
        assert_eq!(error.keys(), keys);
        keys.iter().for_each(|key| assert!(error.to_string().contains(key), "{error}"));
    }
    assert!(matches!(measure(8, 4), Err(EvalError::Nothing(_))));
}

/// With NaN weights, there is an error instead of a perplexity.
#[test]
fn a_loss_that_is_not_finite_is_an_error() {
    let (mut model, golden) = load("generate-gpt2");
    let document = ids(&golden["perplexity"]["documents"][2]);
    let name = "transformer.ln_f.bias";
    let not_finite = model.params().get(name).unwrap().full_like(f64::NAN);
    model.params_mut().assign(name, &not_finite).unwrap();
    let config = json!({ "max_length": 64, "stride": 32, "batch_tokens": 100 });
    let error = measure(&*model, &config, vec![text(document)]);
    assert!(matches!(error, Err(EvalError::NotFinite(_))), "{error:?}");
}
