//! A toy objective: next-token prediction with a parameter and a state.

use std::sync::Arc;

use sst_core::objective::StateDict;
use sst_core::{
    Batch, Error, Init, LossParts, Model, Objective, ParamStore, Result, StepContext, Tokens,
};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer};
use tch::{Device, Kind, Tensor};

use super::{WIDTH, values};

/// The normaliser of a batch of [`NextToken`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Count {
    /// The number of tokens.
    Tokens,
    /// The loss is one over the whole batch.
    Whole,
    /// Zero.
    Nothing,
}

/// Predicts the next token. It has a temperature that is trained, and a moving average of the model's embeddings as its
/// state.
pub(crate) struct NextToken {
    params: ParamStore,
    mean: Tensor,
    pub(crate) count: Count,
}

impl NextToken {
    pub(crate) fn new() -> Self {
        let mut params = ParamStore::new(Device::Cpu, Some(6));
        let _ = params.add("temperature", &[1], Init::Ones).unwrap();
        let mean = Tensor::zeros([WIDTH], (Kind::Float, Device::Cpu));
        Self { params, mean, count: Count::Tokens }
    }

    /// The numbers of its parameter and its state.
    pub(crate) fn values(&self) -> Vec<f32> {
        [values(self.params.get("temperature").unwrap()), values(&self.mean)].concat()
    }
}

/// Makes labels from rows: the label of a token is the token after it.
pub(crate) struct Shift(pub(crate) Count);

impl Collate for Shift {
    fn collate(
        &self,
        examples: &[Example],
        _seed: u64,
    ) -> std::result::Result<HostBatch, CollateError> {
        let rows: Vec<&[u32]> = examples.iter().map(|e| e.tokens("input_ids").unwrap()).collect();
        let shape = [rows.len(), rows[0].len() - 1];
        let ids = rows.iter().flat_map(|row| row[..shape[1]].iter().map(|id| i64::from(*id)));
        let labels = rows.iter().flat_map(|row| row[1..].iter().map(|id| i64::from(*id)));
        let tokens = (shape[0] * shape[1]) as u64;
        let normalizer = match self.0 {
            Count::Tokens => Normalizer::Count(tokens),
            Count::Whole => Normalizer::WholeBatch,
            Count::Nothing => Normalizer::Count(0),
        };
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        Ok(HostBatch::new(normalizer, keys)
            .with("input_ids", &shape, ArrayData::I64(ids.collect()))?
            .with("labels", &[shape[0] * shape[1]], ArrayData::I64(labels.collect()))?
            .with_tokens(tokens, tokens))
    }
}

impl Objective for NextToken {
    fn name(&self) -> &'static str {
        "next_token"
    }

    fn collate(&self) -> Arc<dyn Collate> {
        Arc::new(Shift(self.count))
    }

    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let input = Tokens::from_batch(batch)?;
        let logits = model
            .text_encoder()
            .unwrap()
            .encode(input.into(), context.forward)?
            .hidden_bld
            .f_flatten(0, 1)?;
        let temperature = self.params.get("temperature").unwrap();
        let labels = batch.get("labels")?;
        let loss = logits.f_mul(temperature)?.f_to_kind(Kind::Float)?.f_cross_entropy_loss(
            labels,
            None::<Tensor>,
            tch::Reduction::Sum,
            -100,
            0.0,
        )?;
        let correct = logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Float)?;
        Ok(LossParts { loss, sums: vec![("correct", correct)] })
    }

    fn params(&self) -> Option<&ParamStore> {
        Some(&self.params)
    }

    fn after_update(&mut self, model: &dyn Model, _step: u64) -> Result<()> {
        let table = model.params().get("table.weight").unwrap();
        let mean = table.f_mean_dim([0_i64].as_slice(), false, Kind::Float)?;
        self.mean = self.mean.f_mul_scalar(0.9)?.f_add(&mean.f_mul_scalar(0.1)?)?;
        Ok(())
    }

    fn state(&self) -> Result<StateDict> {
        Ok(StateDict::from([("mean".to_owned(), self.mean.shallow_clone())]))
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        let mean = state.remove("mean");
        self.mean = mean.ok_or_else(|| Error::Contract("the state lacks `mean`".into()))?;
        Ok(())
    }
}
