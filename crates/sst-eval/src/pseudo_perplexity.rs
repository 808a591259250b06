//! Pseudo-perplexity of a masked language model (Salazar, Liang, Nguyen and Kirchhoff 2020, "Masked
//! Language Model Scoring", section 2.3): each token is masked in turn and scored from all the others.
//!
//! Shapes: b copies of one row in a pass, l length, d hidden size, v vocabulary.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Forward, Model, Objective, Report, Tokens};
use tch::{Kind, Reduction, Tensor};

use crate::entry::{Entry, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, TokenRows};
use crate::metric::perplexity;
use crate::rows;

/// The word of registration.
pub(crate) const ENTRY: Entry = Entry {
    name: "pseudo-perplexity",
    summary: "how unsure the model is of each token, given all others",
    details: "Reports pseudo_perplexity and nll, the mean negative log-likelihood of a token in nats.",
    input: InputKind::TokenRows,
    needs_objective: false,
    default_config: || json!(PseudoPerplexityConfig::default()),
    options: &[("batch_size", "Masked copies of a row in a forward pass.")],
    build,
};

/// How much is done at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PseudoPerplexityConfig {
    batch_size: usize,
}

impl Default for PseudoPerplexityConfig {
    /// 32 copies of a row fit the memory of any machine that trains.
    fn default() -> Self {
        Self { batch_size: 32 }
    }
}

/// Scores every token of every row with one masked copy of the row for each token: exact, and slow.
struct PseudoPerplexity {
    config: PseudoPerplexityConfig,
    data: TokenRows,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(PseudoPerplexity { config, data: input.token_rows(ENTRY.name)? }))
}

impl PseudoPerplexity {
    /// `nll`, the mean negative log-likelihood of a token in nats, and `pseudo_perplexity`, its exponential. Special
    /// tokens are not scored. Counts `rows` and `tokens`.
    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let TokenRows { rows, tokenizer } = &self.data;
        let mask = tokenizer.special().mask.ok_or(EvalError::NoMaskToken)?;
        let (mut nll, mut tokens) = (0.0, 0);
        for row in rows::groups(&**rows, 1, model.vocab_size()?) {
            for example in row? {
                let ids = example.tokens("input_ids").unwrap_or(&[]);
                let special = &tokenizer.special().all;
                let scored: Vec<usize> = (0..ids.len())
                    .filter(|place| special.binary_search(&ids[*place]).is_err())
                    .collect();
                for places in scored.chunks(self.config.batch_size.max(1)) {
                    nll += tch::no_grad(|| score(model, ids, places, mask))?;
                }
                tokens += scored.len() as u64;
            }
        }
        if tokens == 0 {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        }
        let mean = nll / tokens as f64;
        let metrics = [("nll", mean), ("pseudo_perplexity", perplexity(mean))];
        let counts = [("rows", rows.len()), ("tokens", tokens)];
        Ok(Report::new(ENTRY.name, metrics, counts))
    }
}

/// The summed negative log-likelihood of the tokens at `places`, each masked in its own copy.
fn score(model: &dyn Model, ids: &[u32], places: &[usize], mask: u32) -> Result<f64, EvalError> {
    let device = model.params().device();
    let (b, l) = (places.len() as i64, ids.len() as i64);
    let mut copies = Vec::with_capacity(places.len() * ids.len());
    for place in places {
        let masked = |(i, id): (usize, &u32)| i64::from(if i == *place { mask } else { *id });
        copies.extend(ids.iter().enumerate().map(masked));
    }
    let on_device = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(device);
    let input_ids = on_device(&copies)?.f_reshape([b, l])?;
    let at: Vec<i64> = places.iter().enumerate().map(|(i, p)| (i * ids.len() + p) as i64).collect();
    let labels: Vec<i64> = places.iter().map(|place| i64::from(ids[*place])).collect();
    let input = Tokens::new(&input_ids);
    let hidden_bld = model.text_encoder()?.encode(input.into(), Forward::EVAL)?.hidden_bld;
    let hidden_bd = hidden_bld.f_flatten(0, 1)?.f_index_select(0, &on_device(&at)?)?;
    let logits_bv = model.lm_head()?.logits(&hidden_bd, Forward::EVAL)?;
    let logits_bv = logits_bv.f_to_kind(Kind::Float)?;
    let nll = logits_bv.f_cross_entropy_loss(
        &on_device(&labels)?,
        None::<Tensor>,
        Reduction::Sum,
        -100,
        0.0,
    )?;
    Ok(f64::try_from(nll)?)
}

impl Evaluator for PseudoPerplexity {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn evaluate(
        &mut self,
        model: &dyn Model,
        _objective: Option<&dyn Objective>,
    ) -> sst_core::Result<Report> {
        Ok(self.measure(model)?)
    }
}
