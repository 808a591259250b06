//! How often a masked language model predicts the masked token.
//!
//! Shapes: b rows, l length, d hidden size, n masked positions, v vocabulary, k predictions for each position.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Batch, Error, Evaluator, Forward, Model, Objective, Report, Terms, Tokens};
use tch::{Device, Kind, Reduction, Tensor};

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, ObjectiveRows};
use crate::metric::{commonest, perplexity, top_k_accuracy};
use crate::rows;

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "mask-accuracy",
    summary: "how often a masked token is predicted correctly, and the loss",
    details: "Reports mask_accuracy, mask_accuracy_top5, commonest_token_accuracy (the accuracy of always predicting the \
              most frequent masked token), loss and perplexity.",
    input: InputKind::ObjectiveRows,
    records: None,
    needs_objective: false,
    figures: &[
        Figure::higher("mask_accuracy").with_baseline("commonest_token_accuracy"),
        Figure::higher("mask_accuracy_top5"),
        Figure::lower("loss"),
        Figure::lower("perplexity").exp_of("loss"),
    ],
    default_config: || json!(MaskAccuracyConfig::default()),
    options: &[("batch_size", "Rows in a forward pass."), ("seed", "Seed of the masks.")],
    build,
};

/// The number of predictions for each masked position.
const TOP_K: i64 = 5;
/// The number of seeds that are tried until a token is masked. With the first seed, a few short rows may have none.
const MAX_SEEDS: u64 = 32;

/// The keys of `mask-accuracy`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MaskAccuracyConfig {
    batch_size: usize,
    seed: u64,
}

impl Default for MaskAccuracyConfig {
    /// 32 rows fit into the memory of any machine that can train the model.
    fn default() -> Self {
        Self { batch_size: 32, seed: 0 }
    }
}

/// Computes the accuracy at the masked positions, and the accuracy of a baseline that ignores the text.
///
/// The collate function of an objective masks the rows with the seed; it must write `masked_positions` and
/// `masked_labels`. If it masks no token at all, the next seeds are tried.
struct MaskAccuracy {
    config: MaskAccuracyConfig,
    data: ObjectiveRows,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(MaskAccuracy { config, data: input.objective_rows(ENTRY.name)? }))
}

/// The predictions of all batches.
#[derive(Default)]
struct Predictions {
    labels: Vec<i64>,
    /// The `TOP_K` most probable ids at each position, most probable first.
    ranked: Vec<i64>,
    /// The negative log-likelihood of each label, in nats.
    nll: Vec<f64>,
    /// The index of the row of each label.
    rows: Vec<usize>,
    /// The number of rows so far.
    num_rows: usize,
}

impl MaskAccuracy {
    /// Reports `mask_accuracy`, `mask_accuracy_top5`, `loss` (the mean negative log-likelihood in nats), `perplexity` (its
    /// exponential), and `commonest_token_accuracy`, the fraction of the most frequent label: the accuracy of a model that
    /// knows only token frequencies. Counts `rows` and `masked_tokens`.
    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let mut predictions = Predictions::default();
        let (vocab_size, device) = (model.vocab_size()?, model.params().device());
        let ObjectiveRows { collate, rows, .. } = &self.data;
        let MaskAccuracyConfig { batch_size, seed } = self.config;
        for attempt in 0..MAX_SEEDS {
            let seed = seed.wrapping_add(attempt);
            for host in rows::batches(&**rows, collate.clone(), batch_size, vocab_size, seed) {
                let batch = Batch::from_host(&host?, device)?;
                tch::no_grad(|| predictions.add(model, &batch))?;
            }
            if !predictions.labels.is_empty() {
                break;
            }
        }
        let by_row =
            [1, TOP_K as usize].map(|k| predictions.terms(|at| predictions.is_right(at, k)));
        let loss_by_row = predictions.terms(|at| predictions.nll[at]);
        let Predictions { labels, ranked, nll, .. } = predictions;
        let Some((_, baseline_accuracy)) = commonest(&labels) else {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        };
        let loss = nll.iter().sum::<f64>() / labels.len() as f64;
        let per_label = ranked.len() / labels.len();
        let accuracy = |k| top_k_accuracy(&labels, &ranked, per_label, k).unwrap_or(0.0);
        let metrics = [
            ("mask_accuracy", accuracy(1)),
            ("mask_accuracy_top5", accuracy(TOP_K as usize)),
            ("commonest_token_accuracy", baseline_accuracy),
            ("loss", loss),
            ("perplexity", perplexity(loss)),
        ];
        let counts = [("rows", rows.len()), ("masked_tokens", labels.len() as u64)];
        let [right, among_first] = by_row;
        Ok(Report::new(ENTRY.name, metrics, counts)
            .with_examples("mask_accuracy", right)
            .with_examples("mask_accuracy_top5", among_first)
            .with_examples("loss", loss_by_row))
    }
}

impl Predictions {
    /// Adds the predictions at the masked positions of `batch`.
    fn add(&mut self, model: &dyn Model, batch: &Batch) -> Result<(), EvalError> {
        let positions_n = batch.get("masked_positions")?;
        let labels_n = batch.get("masked_labels")?;
        let input = Tokens::from_batch(batch)?;
        let positions = to_vec(positions_n)?;
        let in_batch = match input.rows {
            Some(rows) => {
                let begin_before = |at: &i64| rows.offsets().partition_point(|begin| begin <= at);
                self.rows.extend(positions.iter().map(|at| self.num_rows + begin_before(at) - 1));
                rows.num_rows()
            }
            None => {
                let (b, l) = input.input_ids.size2()?;
                self.rows.extend(positions.iter().map(|at| self.num_rows + (at / l) as usize));
                b
            }
        };
        self.num_rows += in_batch as usize;
        if labels_n.numel() == 0 {
            return Ok(());
        }
        let hidden_bld = model.text_encoder()?.encode(input.into(), Forward::EVAL)?.hidden_bld;
        let hidden_nd = hidden_bld.f_flatten(0, -2)?.f_index_select(0, positions_n)?;
        let logits_nv =
            model.lm_head()?.logits(&hidden_nd, Forward::EVAL)?.f_to_kind(Kind::Float)?;
        let nll =
            logits_nv.f_cross_entropy_loss(labels_n, None::<Tensor>, Reduction::None, -100, 0.0)?;
        let nll_n = Vec::<f32>::try_from(nll.f_to_device(Device::Cpu)?)?;
        self.nll.extend(nll_n.into_iter().map(f64::from));
        let k = TOP_K.min(logits_nv.size()[1]);
        let (_, best_nk) = logits_nv.f_topk(k, 1, true, true)?;
        self.ranked.extend(to_vec(&best_nk)?);
        self.labels.extend(to_vec(labels_n)?);
        Ok(())
    }

    /// Whether the label at `at` is among the `k` most probable tokens: 1 or 0.
    fn is_right(&self, at: usize, k: usize) -> f64 {
        let per_label = self.ranked.len() / self.labels.len();
        let ranked = &self.ranked[at * per_label..(at + 1) * per_label];
        f64::from(u8::from(ranked[..k.min(per_label)].contains(&self.labels[at])))
    }

    /// The sum of a score of labels, and the number of labels, of each row.
    fn terms(&self, score: impl Fn(usize) -> f64) -> Vec<Terms> {
        let mut terms = vec![(0.0, 0.0); self.num_rows];
        for (at, row) in self.rows.iter().enumerate() {
            terms[*row].0 += score(at);
            terms[*row].1 += 1.0;
        }
        terms
    }
}

fn to_vec(tensor: &Tensor) -> Result<Vec<i64>, EvalError> {
    let flat = tensor.f_to_device(Device::Cpu)?.f_flatten(0, -1)?;
    Ok(Vec::<i64>::try_from(flat).map_err(Error::from)?)
}

impl Evaluator for MaskAccuracy {
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
