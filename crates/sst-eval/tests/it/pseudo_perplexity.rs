//! Compares pseudo-perplexity with its closed form.

use std::sync::Arc;

use serde_json::json;
use sst_eval::{Input, TokenRows, build};

use crate::toy::{Fixed, Rows, terms_give_figures, tokenizer};

#[test]
fn every_ordinary_token_is_scored_once() {
    let tokenizer = tokenizer();
    let texts = ["and god said let there be light", "light was there"];
    let rows = Rows(texts.iter().map(|t| tokenizer.encode_with_special(t).unwrap()).collect());
    let light = tokenizer.id("light").unwrap();
    let tokens: usize = rows.0.iter().map(|row| row.len() - 2).sum();
    let lights = rows.0.iter().flatten().filter(|id| **id == light).count();
    assert_eq!(lights, 2);
    let v = tokenizer.vocab_size();
    // The nll of a token is the logsumexp of the logits minus its logit, which is 1.5 for `light` and 0 for others.
    let total = (1.5_f64.exp() + v as f64 - 1.0).ln();
    let nll = total - 1.5 * lights as f64 / tokens as f64;

    let model = Fixed::favouring(v, light, 1.5);
    let rows = Arc::new(rows);
    for batch_size in [1, 3, 100] {
        let rows = Arc::clone(&rows) as Arc<_>;
        let input = Input::TokenRows(TokenRows { rows, tokenizer: tokenizer.clone() });
        let config = json!({ "batch_size": batch_size });
        let mut evaluator = build("pseudo-perplexity", &config, input).unwrap();
        let report = evaluator.evaluate(&model, None).unwrap();
        terms_give_figures(&report);
        assert!((report.metrics["nll"] - nll).abs() < 1e-5, "{batch_size}: {report:?} {nll}");
        assert!((report.metrics["pseudo_perplexity"] - nll.exp()).abs() < 1e-3);
        assert_eq!((report.counts["rows"], report.counts["tokens"]), (2, tokens as u64));
    }
}
