//! Unsupervised SimCSE (Gao et al. 2021, "SimCSE: Simple Contrastive Learning of Sentence Embeddings", section 3):
//! the two views of a text are the text itself, read twice with other dropout.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Batch, LossParts, Model, Objective, Result, StepContext};
use sst_data::Collate;

use super::config::Common;
use super::grad_cache::{Rows, compare};
use super::info_nce::info_nce;
use super::views::Twice;
use crate::error::ObjectiveError;
use crate::list::{Context, Entry};
use crate::parse::parse;

/// The word of registration.
pub(crate) const ENTRY: Entry = Entry {
    name: "simcse",
    summary: "unsupervised SimCSE: two readings of a text with other dropout are near each other",
    default_config: || json!(SimCseConfig::default()),
    is_grouped: false,
    frame: |tokenizer| tokenizer.frame().clone(),
    build,
};

/// The keys of `[objective]` for `name = "simcse"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SimCseConfig {
    /// How vectors are made and compared.
    pub common: Common,
}

struct SimCse {
    common: Common,
    collate: Arc<Twice>,
}

fn build(config: &Value, context: &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError> {
    let SimCseConfig { common } = parse(config)?;
    common.check()?;
    let collate = Arc::new(Twice::new(context.tokenizer, context.padding_free));
    Ok(Box::new(SimCse { common, collate }))
}

impl Objective for SimCse {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    fn scored_share(&self) -> f64 {
        0.0
    }

    /// The mean over texts of the InfoNCE of their two readings; `accuracy` is the share of texts that are nearest
    /// to themselves.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let rows = Rows::new(model, batch, None, context, &self.common)?;
        let found = compare(&rows, &|vectors_bd| {
            let views = vectors_bd.f_chunk(2, 0)?;
            info_nce(&views[0], &views[1], self.common.temperature, None)
        })?;
        Ok(LossParts { loss: found.loss, sums: vec![("accuracy", found.accuracy)] })
    }
}
