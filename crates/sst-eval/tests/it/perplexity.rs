//! Perplexity against a plain reference of transformers, one window at a time.

use sst_eval::{EvalError, Perplexity, Text, Window};
use tch::Device;

use crate::generate::{ids, load};

fn text(ids: Vec<u32>) -> Text {
    let (words, bytes) = (ids.len() as u64, 4 * ids.len() as u64);
    Text { ids, has_start: false, words, bytes }
}

#[test]
fn every_stride_equals_the_reference() {
    for name in ["generate-gpt2", "generate-llama"] {
        let (model, golden) = load(name);
        let golden = &golden["perplexity"];
        let length = golden["length"].as_u64().unwrap() as usize;
        let documents: Vec<_> = golden["documents"].as_array().unwrap().iter().map(ids).collect();
        assert_eq!(documents.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2, 50, 131]);
        for (stride, want) in golden["strides"].as_object().unwrap() {
            for batch_tokens in [1, 100, 8192] {
                let window = Window { length, stride: stride.parse().unwrap() };
                let mut scorer =
                    Perplexity::new(&*model, Device::Cpu, window, batch_tokens).unwrap();
                scorer.add(&text(Vec::new())).unwrap();
                for document in &documents {
                    scorer.add(&text(document.clone())).unwrap();
                }
                let report = scorer.finish().unwrap();
                let scored = want["scored"].as_u64().unwrap();
                assert_eq!(scored, 1 + 49 + 130);
                assert_eq!(report.counts["scored_tokens"], scored);
                assert_eq!(report.counts["unscored_tokens"], 4);
                assert_eq!((report.counts["documents"], report.counts["tokens"]), (5, 184));
                let nll = want["nll"].as_f64().unwrap();
                for (metric, want) in [
                    ("perplexity", (nll / scored as f64).exp()),
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

/// With a start before it a document's first token is scored, and the start is not one of its tokens.
#[test]
fn a_start_gives_the_first_token_a_context() {
    let (model, golden) = load("generate-gpt2");
    let document = ids(&golden["perplexity"]["documents"][2]);
    let window = Window { length: 64, stride: 32 };
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
        Perplexity::new(&*model, Device::Cpu, Window { length, stride }, 100).map(|_| ())
    };
    for (length, stride) in [(257, 1), (1, 1), (8, 0), (8, 9)] {
        assert!(matches!(new(length, stride), Err(EvalError::Window(_))), "{length} {stride}");
    }
    let mut scorer =
        Perplexity::new(&*model, Device::Cpu, Window { length: 8, stride: 4 }, 100).unwrap();
    scorer.add(&text(vec![5])).unwrap();
    assert!(matches!(scorer.finish(), Err(EvalError::Nothing(_))));
}
