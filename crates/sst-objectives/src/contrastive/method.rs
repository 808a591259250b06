//! The implementation of [`Objective`] that all contrastive objectives share. An objective only implements [`Method`]:
//! how it makes views of a text, and which vectors it compares.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sst_core::nn::Pooling;
use sst_core::objective::{StateDict, no_state};
use sst_core::{Batch, LossParts, Model, Objective, ParamStore, Result, StepContext};
use sst_data::{Collate, RowSpec};

use super::config;
use super::grad_cache::LossInput;
use super::info_nce::ContrastiveLoss;
use super::shared::Shared;
use crate::entry::{Context, Entry, Limit};
use crate::error::ObjectiveError;

/// The part that differs between contrastive objectives.
pub(super) trait Method: Sized + Send + 'static {
    /// The configuration keys that only this objective has.
    type Keys: Default + Serialize + DeserializeOwned;

    /// The name of the objective in a recipe.
    const NAME: &'static str;
    /// One line for `sst list`.
    const SUMMARY: &'static str;
    /// The default pooling.
    const POOLING: Pooling;
    /// The limits of the numbers among the objective's own keys.
    const LIMITS: &'static [Limit] = &[];
    /// The kind of rows that the objective learns from.
    const ROWS: RowSpec = RowSpec::Tokens;
    /// The fewest rows of a step that are something to learn from.
    const LEAST_ROWS: usize = 1;
    /// Whether the views of a text differ by the dropout of the encoder alone.
    const NEEDS_DROPOUT: bool = false;

    /// The transforms that make views of pictures for a recipe that names none.
    fn picture_transforms() -> Vec<Value> {
        Vec::new()
    }

    /// Builds the objective and its host half.
    ///
    /// # Errors
    /// If a key has an invalid value, or the tokenizer lacks a token.
    fn new(
        keys: Self::Keys,
        context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError>;

    /// The mean loss of a batch.
    fn loss(&self, input: LossInput<'_>) -> Result<ContrastiveLoss>;

    /// See [`Objective::after_update`].
    fn after_update(&mut self, _shared: &Shared, _model: &dyn Model) -> Result<()> {
        Ok(())
    }

    /// See [`Objective::state`].
    fn state(&self) -> StateDict {
        StateDict::new()
    }

    /// See [`Objective::load_state`].
    fn load_state(&mut self, state: StateDict) -> Result<()> {
        no_state(Self::NAME, &state)
    }
}

/// The entry of `M` in the list of objectives.
pub(super) const fn entry<M: Method>() -> Entry {
    Entry {
        name: M::NAME,
        summary: M::SUMMARY,
        default_config: || config::defaults::<M::Keys>(M::POOLING),
        limits: || [config::LIMITS, M::LIMITS].concat(),
        rows: |_| M::ROWS,
        needs_causal: false,
        least_rows: M::LEAST_ROWS,
        model_types: &[],
        needs_dropout: M::NEEDS_DROPOUT,
        held_out: &["held-out-loss"],
        pipeline_tag: None,
        head: None,
        classes: None,
        model_keys: |_| Map::new(),
        picture_transforms: M::picture_transforms,
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
    let (shared_config, keys) = config::read::<M::Keys>(config, M::POOLING)?;
    let (method, collate) = M::new(keys, context)?;
    let shared = Shared::new(shared_config, context)?;
    Ok(Box::new(Contrastive { method, collate, shared }))
}

/// The contrastive objective that uses the method `M`.
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

    /// Contrastive objectives do not use the language-model head.
    fn head_token_fraction(&self) -> f64 {
        0.0
    }

    /// The mean loss. `accuracy` is the fraction of queries whose most similar key is the positive one. A learned
    /// temperature is logged as `temperature`.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let input = LossInput { model, batch, context, shared: &self.shared };
        let ContrastiveLoss { loss, accuracy } = self.method.loss(input)?;
        let mut sums = vec![("accuracy", accuracy)];
        sums.extend(self.shared.learned_temperature()?.map(|value| ("temperature", value)));
        Ok(LossParts { loss, sums })
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
