//! A model with known predictions, an objective that masks every third token, and rows of ids.

use std::sync::Arc;

use serde_json::Value;
use sst_core::{
    Batch, Embedded, Encoder, EncoderOutput, Forward, Head, HeadInput, HeadKind, Input, InputSpec,
    LayerStack, LossParts, Modality, Model, Objective, ParamStore, Result, StepContext,
};
use sst_data::rows::{Dataset, DatasetError};
use sst_data::tokenize::{Tokenizer, TrainConfig, train};
use sst_data::{ArrayData, Collate, CollateError, Example, Field, HostBatch, Key, Normalizer};
use sst_eval::{EvalError, ObjectiveRows, Report};
use tch::{Device, Kind, Reduction, Tensor};

/// A model whose logits are the same at every position. Its hidden states are the one-hot token ids.
pub(crate) struct Fixed {
    params: ParamStore,
    logits_v: Tensor,
    pub(crate) max_length: usize,
}

impl Fixed {
    /// A model with these logits.
    pub(crate) fn new(logits: &[f32]) -> Self {
        let params = ParamStore::new(Device::Cpu, None);
        Self { params, logits_v: Tensor::from_slice(logits), max_length: 64 }
    }

    /// A model that gives all `v` tokens the same probability.
    pub(crate) fn uniform(v: usize) -> Self {
        Self::new(&vec![0.5; v])
    }

    /// A model whose logit of `favourite` is `boost` larger than those of the other `v - 1` tokens.
    pub(crate) fn favouring(v: usize, favourite: u32, boost: f32) -> Self {
        let mut logits = vec![0.0; v];
        logits[favourite as usize] = boost;
        Self::new(&logits)
    }
}

impl Encoder for Fixed {
    fn spec(&self) -> InputSpec {
        InputSpec::Text { vocab_size: self.num_outputs(), max_length: self.max_length }
    }

    fn hidden_size(&self) -> i64 {
        self.logits_v.size()[0]
    }

    fn embed(&self, input: Input<'_>, _: Forward) -> Result<Embedded> {
        let tokens = input.tokens()?;
        let hidden = tokens.input_ids.one_hot(self.num_outputs() as i64).to_kind(Kind::Float);
        Ok(Embedded { hidden, rows: tokens.layout() })
    }

    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput> {
        assert!(!forward.train, "an evaluation must run without dropout");
        let Embedded { hidden, rows } = embedded;
        Ok(EncoderOutput { hidden_bld: hidden, rows, attentions: None, hidden_states: None })
    }
}

impl Head for Fixed {
    fn logits(&self, hidden_nd: &Tensor, _forward: Forward) -> Result<Tensor> {
        Ok(self.logits_v.unsqueeze(0).expand([hidden_nd.size()[0], -1], false))
    }

    fn num_outputs(&self) -> usize {
        self.logits_v.size()[0] as usize
    }

    fn input(&self) -> HeadInput {
        HeadInput::EveryToken
    }

    fn parameters(&self) -> Vec<&Tensor> {
        Vec::new()
    }
}

impl Model for Fixed {
    fn model_type(&self) -> &'static str {
        "fixed"
    }

    fn config(&self) -> Value {
        Value::Null
    }

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn encoder(&self, _: Modality) -> Result<&dyn Encoder> {
        Ok(self)
    }

    fn stacks(&self) -> Vec<LayerStack> {
        Vec::new()
    }

    fn head(&self, _: HeadKind) -> Result<&dyn Head> {
        Ok(self)
    }
}

/// Rows of token ids, one example each.
pub(crate) struct Rows(pub(crate) Vec<Vec<u32>>);

impl Dataset for Rows {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn row_length(&self, index: u64) -> usize {
        self.0[index as usize].len()
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        assert_eq!(epoch, 0, "an evaluation draws the masks of epoch 0");
        let ids = Field::Tokens(self.0[index as usize].clone());
        Ok(Example::new(self.key(index), index, "input_ids", ids))
    }

    fn key(&self, index: u64) -> Key {
        Key::new("toy", index + 1)
    }
}

/// Replaces the tokens at the positions 1, 4, 7, ... of each row by id 0. All rows must have the same length.
pub(crate) struct EveryThird;

impl Collate for EveryThird {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let (mut ids, mut positions, mut labels) = (vec![], vec![], vec![]);
        for example in examples {
            for (position, id) in example.tokens("input_ids").unwrap().iter().enumerate() {
                let is_masked = position % 3 == 1;
                if is_masked {
                    positions.push(ids.len() as i64);
                    labels.push(i64::from(*id));
                }
                ids.push(if is_masked { 0 } else { i64::from(*id) });
            }
        }
        let shape = [examples.len(), ids.len() / examples.len()];
        let n = [labels.len()];
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(labels.len() as u64), keys);
        Ok(batch
            .with("input_ids", &shape, ArrayData::I64(ids))?
            .with("masked_positions", &n, ArrayData::I64(positions))?
            .with("masked_labels", &n, ArrayData::I64(labels))?)
    }
}

impl Objective for EveryThird {
    fn name(&self) -> &'static str {
        "every-third"
    }

    fn collate(&self) -> Arc<dyn Collate> {
        Arc::new(Self)
    }

    fn loss(&self, model: &dyn Model, batch: &Batch, _: &StepContext) -> Result<LossParts> {
        let labels_n = batch.get("masked_labels")?;
        let hidden_nd = Tensor::zeros([labels_n.numel() as i64, 1], (Kind::Float, Device::Cpu));
        let logits_nv = model.lm_head()?.logits(&hidden_nd, Forward::EVAL)?;
        let correct = logits_nv.argmax(1, false).eq_tensor(labels_n).sum(Kind::Float);
        let loss =
            logits_nv.cross_entropy_loss(labels_n, None::<Tensor>, Reduction::Sum, -100, 0.0);
        Ok(LossParts { loss, sums: vec![("correct", correct)] })
    }
}

/// A WordPiece tokenizer of a few words.
pub(crate) fn tokenizer() -> Tokenizer {
    let text = "and god said let there be light and there was light ".repeat(4);
    let config = TrainConfig { vocab_size: 60, min_frequency: 1, ..TrainConfig::default() };
    train(&config, std::iter::once(text)).unwrap()
}

/// The rows of an evaluator whose batches [`EveryThird`] makes.
pub(crate) fn every_third(rows: Arc<Rows>) -> sst_eval::Input<'static> {
    let objective = EveryThird.name().to_owned();
    let collate = Objective::collate(&EveryThird);
    sst_eval::Input::ObjectiveRows(ObjectiveRows { objective, collate, rows })
}

/// Unwraps the error of sst-eval from the error of an evaluator.
pub(crate) fn eval_error(error: sst_core::Error) -> EvalError {
    match error {
        sst_core::Error::Evaluation(inner) => *inner.downcast().unwrap(),
        other => EvalError::Core(other),
    }
}

/// Checks that the terms of the examples of a report give its figures.
pub(crate) fn terms_give_figures(report: &Report) {
    for (name, terms) in &report.examples {
        let sum = |of: fn(&(f64, f64)) -> f64| terms.iter().map(of).sum::<f64>();
        let (figure, expected) = (sum(|one| one.0) / sum(|one| one.1), report.metrics[name]);
        assert!((figure - expected).abs() < 1e-9 * expected.abs().max(1.0), "{name}: {figure}");
    }
}
