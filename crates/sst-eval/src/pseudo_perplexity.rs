//! Pseudo-perplexity of a masked language model (Salazar, Liang, Nguyen and Kirchhoff 2020, "Masked
//! Language Model Scoring", section 2.3): each token is masked in turn and scored from all the others.
//!
//! Shapes: b copies of one row in a pass, l length, d hidden size, v vocabulary.

use std::sync::Arc;

use sst_core::{Evaluator, Forward, Metrics, Model, Tokens};
use sst_data::rows::Dataset;
use sst_data::tokenize::Tokenizer;
use tch::{Device, Kind, Reduction, Tensor};

use crate::error::{EvalError, into_core};
use crate::metric::perplexity;
use crate::report::Report;
use crate::rows;

/// Scores every token of every row, one forward pass a token: exact, and slow.
pub struct PseudoPerplexity {
    dataset: Arc<dyn Dataset>,
    tokenizer: Tokenizer,
    batch_size: usize,
    device: Device,
}

impl PseudoPerplexity {
    /// Scores the rows of `dataset`, `batch_size` masked copies at a time.
    pub fn new(
        dataset: Arc<dyn Dataset>,
        tokenizer: Tokenizer,
        batch_size: usize,
        device: Device,
    ) -> Self {
        Self { dataset, tokenizer, batch_size, device }
    }

    /// `nll`, the mean negative log-likelihood of a token in nats, and `pseudo_perplexity`, its
    /// exponential. Special tokens are not scored. Counts `rows` and `tokens`.
    ///
    /// # Errors
    /// If the tokenizer has no mask token, a row cannot be read, or no token can be scored.
    pub fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let mask = self.tokenizer.special().mask.ok_or(EvalError::NoMaskToken)?;
        let (mut nll, mut tokens) = (0.0, 0);
        for row in rows::groups(&*self.dataset, 1, model.vocab_size()?) {
            for example in row? {
                let ids = example.tokens("input_ids").unwrap_or(&[]);
                let special = &self.tokenizer.special().all;
                let scored: Vec<usize> = (0..ids.len())
                    .filter(|place| special.binary_search(&ids[*place]).is_err())
                    .collect();
                for places in scored.chunks(self.batch_size.max(1)) {
                    nll += tch::no_grad(|| self.score(model, ids, places, mask))?;
                }
                tokens += scored.len() as u64;
            }
        }
        if tokens == 0 {
            return Err(EvalError::Nothing(self.name().to_owned()));
        }
        let mean = nll / tokens as f64;
        let metrics = [("nll", mean), ("pseudo_perplexity", perplexity(mean))];
        let counts = [("rows", self.dataset.len()), ("tokens", tokens)];
        Ok(Report::new(self.name(), metrics, counts))
    }

    /// The summed negative log-likelihood of the tokens at `places`, each masked in its own copy.
    fn score(
        &self,
        model: &dyn Model,
        ids: &[u32],
        places: &[usize],
        mask: u32,
    ) -> Result<f64, EvalError> {
        let (b, l) = (places.len() as i64, ids.len() as i64);
        let mut copies = Vec::with_capacity(places.len() * ids.len());
        for place in places {
            let masked = |(i, id): (usize, &u32)| i64::from(if i == *place { mask } else { *id });
            copies.extend(ids.iter().enumerate().map(masked));
        }
        let on_device = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(self.device);
        let input_ids = on_device(&copies)?.f_reshape([b, l])?;
        let at: Vec<i64> =
            places.iter().enumerate().map(|(i, p)| (i * ids.len() + p) as i64).collect();
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
}

impl Evaluator for PseudoPerplexity {
    fn name(&self) -> &str {
        "pseudo-perplexity"
    }

    fn evaluate(&mut self, model: &dyn Model) -> sst_core::Result<Metrics> {
        Ok(self.measure(model).map_err(into_core)?.metrics)
    }
}
