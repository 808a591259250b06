//! A contrastive objective is what it makes of a text and what it compares; the rest is the same in all.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sst_core::nn::Pooling;
use sst_core::objective::{StateDict, no_state};
use sst_core::{Batch, LossParts, Model, Objective, ParamStore, Result, StepContext};
use sst_data::{Collate, RowSpec};

use super::config;
use super::grad_cache::Input;
use super::info_nce::Compared;
use super::shared::Shared;
use crate::entry::{Context, Entry, Limit};
use crate::error::ObjectiveError;

/// What one objective has to itself.
pub(super) trait Method: Sized + Send + 'static {
    /// The configuration keys that are its own.
    type Keys: Default + Serialize + DeserializeOwned;

    /// The name by which it is asked for.
    const NAME: &'static str;
    /// A line for `sst list`.
    const SUMMARY: &'static str;
    /// How hidden states become a vector where the configuration does not say.
    const POOLING: Pooling;
    /// The limits of the numbers in its own keys.
    const LIMITS: &'static [Limit] = &[];
    /// The rows that it learns from.
    const ROWS: RowSpec = RowSpec::Tokens;

    /// The objective, and its host half.
    ///
    /// # Errors
    /// If a key cannot be, or the tokenizer lacks a token.
    fn new(
        keys: Self::Keys,
        context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError>;

    /// The mean loss of a batch.
    fn compare(&self, input: Input<'_>) -> Result<Compared>;

    /// As [`Objective::after_update`].
    fn after_update(&mut self, _shared: &Shared, _model: &dyn Model) -> Result<()> {
        Ok(())
    }

    /// As [`Objective::state`].
    fn state(&self) -> StateDict {
        StateDict::new()
    }

    /// As [`Objective::load_state`].
    fn load_state(&mut self, state: StateDict) -> Result<()> {
        no_state(Self::NAME, &state)
    }
}

/// The word of registration of `M`.
pub(super) const fn entry<M: Method>() -> Entry {
    Entry {
        name: M::NAME,
        summary: M::SUMMARY,
        default_config: || config::defaults::<M::Keys>(M::POOLING),
        limits: || [config::LIMITS, M::LIMITS].concat(),
        rows: |_| M::ROWS,
        held_out: "held-out-loss",
        pipeline_tag: None,
        head: None,
        idle_keys: |_| Vec::new(),
        special_token_template: |tokenizer| tokenizer.special_token_template().clone(),
        check: |config, _| config::read::<M::Keys>(config, M::POOLING).map(|_| ()),
        build: build::<M>,
    }
}

fn build<M: Method>(
    config: &Value,
    context: &Context<'_>,
) -> Result<Box<dyn Objective>, ObjectiveError> {
    let (common, keys) = config::read::<M::Keys>(config, M::POOLING)?;
    let (method, collate) = M::new(keys, context)?;
    let shared = Shared::new(common, context)?;
    Ok(Box::new(Contrastive { method, collate, shared }))
}

/// An objective of the list.
struct Contrastive<M> {
    method: M,
    collate: Arc<dyn Collate>,
    shared: Shared,
}

impl<M: Method> Objective for Contrastive<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn collate(&self) -> Arc<dyn Collate> {
        Arc::clone(&self.collate)
    }

    fn params(&self) -> Option<&ParamStore> {
        Some(self.shared.params())
    }

    /// Vectors need no head of the model's.
    fn head_token_fraction(&self) -> f64 {
        0.0
    }

    /// The mean loss; `accuracy` is the share of queries that are nearest to their own key, and `temperature` what
    /// has become of it, if it is learned.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let input = Input { model, batch, context, shared: &self.shared };
        let found = self.method.compare(input)?;
        let mut sums = vec![("accuracy", found.accuracy)];
        sums.extend(self.shared.learned_temperature()?.map(|value| ("temperature", value)));
        Ok(LossParts { loss: found.loss, sums })
    }

    fn after_update(&mut self, model: &dyn Model, _step: u64) -> Result<()> {
        self.shared.after_update()?;
        self.method.after_update(&self.shared, model)
    }

    fn state(&self) -> Result<StateDict> {
        Ok(self.method.state())
    }

    fn load_state(&mut self, state: StateDict) -> Result<()> {
        self.method.load_state(state)
    }
}
