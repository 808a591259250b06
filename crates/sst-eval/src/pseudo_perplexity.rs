//! The pseudo-perplexity of a masked language model (Salazar, Liang, Nguyen and Kirchhoff 2020, "Masked Language Model
//! Scoring", section 2.3): each token is masked in turn and predicted from all other tokens.
//!
//! Shapes: b copies of one row in a forward pass, l length, d hidden size, v vocabulary.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Forward, Model, Objective, Report, Terms, Tokens};
use tch::{Kind, Reduction, Tensor};

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, TokenRows};
use crate::metric::perplexity;
use crate::rows;

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "pseudo-perplexity",
    summary: "the perplexity of each token given all other tokens of its row",
    details: "Reports pseudo_perplexity and nll, the mean negative log-likelihood of a token in nats.",
    input: InputKind::TokenRows,
    records: None,
    needs_objective: false,
    figures: &[Figure::lower("pseudo_perplexity").exp_of("nll"), Figure::lower("nll")],
    default_config: || json!(PseudoPerplexityConfig::default()),
    options: &[("batch_size", "Masked copies of a row in a forward pass.")],
    build,
};

/// The keys of `pseudo-perplexity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PseudoPerplexityConfig {
    batch_size: usize,
}

impl Default for PseudoPerplexityConfig {
    /// 32 copies of a row fit into the memory of any machine that can train the model.
    fn default() -> Self {
        Self { batch_size: 32 }
    }
}

/// Scores every token of every row with a masked copy of the row for each token. This is exact but slow.
struct PseudoPerplexity {
    config: PseudoPerplexityConfig,
    data: TokenRows,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(PseudoPerplexity { config, data: input.token_rows(ENTRY.name)? }))
}

impl PseudoPerplexity {
    /// Reports `nll`, the mean negative log-likelihood of a token in nats, and `pseudo_perplexity`, its exponential.
    /// Special tokens are not scored. Counts `rows` and `tokens`.
    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let TokenRows { rows, tokenizer } = &self.data;
        let mask = tokenizer.special().mask.ok_or(EvalError::NoMaskToken)?;
        let mut terms: Vec<Terms> = Vec::new();
        for row in rows::groups(&**rows, 1, model.vocab_size()?) {
            for example in row? {
                let ids = example.tokens("input_ids").unwrap_or(&[]);
                let special = &tokenizer.special().all;
                let ordinary: Vec<usize> = (0..ids.len())
                    .filter(|position| special.binary_search(&ids[*position]).is_err())
                    .collect();
                let mut nll = 0.0;
                for positions in ordinary.chunks(self.config.batch_size.max(1)) {
                    nll += tch::no_grad(|| score(model, ids, positions, mask))?;
                }
                terms.push((nll, ordinary.len() as f64));
            }
        }
        let tokens: f64 = terms.iter().map(|(_, tokens)| tokens).sum();
        if tokens == 0.0 {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        }
        let mean = terms.iter().map(|(nll, _)| nll).sum::<f64>() / tokens;
        let metrics = [("nll", mean), ("pseudo_perplexity", perplexity(mean))];
        let counts = [("rows", rows.len()), ("tokens", tokens as u64)];
        Ok(Report::new(ENTRY.name, metrics, counts).with_examples("nll", terms))
    }
}

/// The summed negative log-likelihood of the tokens at `positions`. Each of them is masked in its own copy of the row.
fn score(model: &dyn Model, ids: &[u32], positions: &[usize], mask: u32) -> Result<f64, EvalError> {
    let device = model.params().device();
    let (b, l) = (positions.len() as i64, ids.len() as i64);
    let mut copies = Vec::with_capacity(positions.len() * ids.len());
    for position in positions {
        let masked = |(i, id): (usize, &u32)| i64::from(if i == *position { mask } else { *id });
        copies.extend(ids.iter().enumerate().map(masked));
    }
    let on_device = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(device);
    let input_ids = on_device(&copies)?.f_reshape([b, l])?;
    // The index of each masked token in the flattened copies.
    let masked_positions: Vec<i64> = positions
        .iter()
        .enumerate()
        .map(|(copy, position)| (copy * ids.len() + position) as i64)
        .collect();
    let labels: Vec<i64> = positions.iter().map(|position| i64::from(ids[*position])).collect();
    let input = Tokens::new(&input_ids);
    let hidden_bld = model.text_encoder()?.encode(input.into(), Forward::EVAL)?.hidden_bld;
    let hidden_bd =
        hidden_bld.f_flatten(0, 1)?.f_index_select(0, &on_device(&masked_positions)?)?;
    let logits_bv = model.lm_head()?.logits(&hidden_bd, Forward::EVAL)?.f_to_kind(Kind::Float)?;
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
