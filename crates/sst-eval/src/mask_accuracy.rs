//! How often a masked language model finds the hidden token.
//!
//! Shapes: b batch, l length, d hidden size, n masked positions, v vocabulary, k candidates kept.

use std::sync::Arc;

use sst_core::{Batch, Error, Evaluator, Forward, Metrics, Model, Objective, Tokens};
use sst_data::rows::Dataset;
use tch::{Device, Kind, Reduction, Tensor};

use crate::error::{EvalError, into_core};
use crate::metric::{commonest, perplexity, top_k_accuracy};
use crate::report::Report;
use crate::rows;

/// Candidates kept for each masked position.
const KEPT: i64 = 5;
/// How often rows are masked until a token of them is: a few short rows may have none the first time.
const MASKINGS: u64 = 32;

/// Accuracy on the masked positions of held-out rows, beside what guessing would get.
///
/// It works for any objective whose batches hold `masked_positions` and `masked_labels`.
pub struct MaskAccuracy {
    objective: Box<dyn Objective>,
    dataset: Arc<dyn Dataset>,
    batch_size: usize,
    device: Device,
    seed: u64,
}

/// What is gathered over all batches.
#[derive(Default)]
struct Found {
    labels: Vec<i64>,
    /// The `KEPT` best ids of each position, best first.
    ranked: Vec<i64>,
    nll: f64,
}

impl MaskAccuracy {
    /// Masks the rows of `dataset` as `objective` does under `seed`, `batch_size` at a time. Where that masks no token
    /// at all, the next seeds are tried.
    pub fn new(
        objective: Box<dyn Objective>,
        dataset: Arc<dyn Dataset>,
        batch_size: usize,
        device: Device,
        seed: u64,
    ) -> Self {
        Self { objective, dataset, batch_size, device, seed }
    }

    /// `mask_accuracy`, `mask_accuracy_top5`, `loss` (mean negative log-likelihood in nats),
    /// `perplexity` (its exponential), and `commonest_token_accuracy`: the share of the commonest label,
    /// which a model that knows frequencies alone would reach. Counts `rows` and `masked_tokens`.
    ///
    /// # Errors
    /// If a row cannot be read or holds a token that the model does not know, the model has no language-model head, or
    /// no position is masked.
    pub fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let mut found = Found::default();
        let (collate, known) = (self.objective.collate(), model.vocab_size()?);
        for masking in 0..MASKINGS {
            let seed = self.seed.wrapping_add(masking);
            let collate = collate.clone();
            for host in rows::batches(&*self.dataset, collate, self.batch_size, known, seed) {
                let batch = Batch::from_host(&host?, self.device)?;
                tch::no_grad(|| found.add(model, &batch))?;
            }
            if !found.labels.is_empty() {
                break;
            }
        }
        let Found { labels, ranked, nll } = found;
        let Some((_, share)) = commonest(&labels) else {
            return Err(EvalError::Nothing(self.name().to_owned()));
        };
        let loss = nll / labels.len() as f64;
        let kept = ranked.len() / labels.len();
        let accuracy = |k| top_k_accuracy(&labels, &ranked, kept, k).unwrap_or(0.0);
        let metrics = [
            ("mask_accuracy", accuracy(1)),
            ("mask_accuracy_top5", accuracy(KEPT as usize)),
            ("commonest_token_accuracy", share),
            ("loss", loss),
            ("perplexity", perplexity(loss)),
        ];
        let counts = [("rows", self.dataset.len()), ("masked_tokens", labels.len() as u64)];
        Ok(Report::new(self.name(), metrics, counts))
    }
}

impl Found {
    fn add(&mut self, model: &dyn Model, batch: &Batch) -> Result<(), EvalError> {
        let positions_n = batch.get("masked_positions")?;
        let labels_n = batch.get("masked_labels")?;
        if labels_n.numel() == 0 {
            return Ok(());
        }
        let input = Tokens::from_batch(batch)?;
        let hidden_bld = model.text_encoder()?.encode(input.into(), Forward::EVAL)?.hidden_bld;
        let hidden_nd = hidden_bld.f_flatten(0, -2)?.f_index_select(0, positions_n)?;
        let logits_nv = model.lm_head()?.logits(&hidden_nd, Forward::EVAL)?;
        let logits_nv = logits_nv.f_to_kind(Kind::Float)?;
        let nll =
            logits_nv.f_cross_entropy_loss(labels_n, None::<Tensor>, Reduction::Sum, -100, 0.0)?;
        self.nll += f64::try_from(nll)?;
        let kept = KEPT.min(logits_nv.size()[1]);
        let (_, best_nk) = logits_nv.f_topk(kept, 1, true, true)?;
        self.ranked.extend(to_vec(&best_nk)?);
        self.labels.extend(to_vec(labels_n)?);
        Ok(())
    }
}

fn to_vec(tensor: &Tensor) -> Result<Vec<i64>, EvalError> {
    let flat = tensor.f_to_device(Device::Cpu)?.f_flatten(0, -1)?;
    Ok(Vec::<i64>::try_from(flat).map_err(Error::from)?)
}

impl Evaluator for MaskAccuracy {
    fn name(&self) -> &str {
        "mask-accuracy"
    }

    fn evaluate(&mut self, model: &dyn Model) -> sst_core::Result<Metrics> {
        Ok(self.measure(model).map_err(into_core)?.metrics)
    }
}
