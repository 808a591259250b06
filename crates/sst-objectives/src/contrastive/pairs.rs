//! Supervised pairs and triplets: multiple negatives ranking (Henderson et al. 2017, "Efficient Natural Language
//! Response Suggestion for Smart Reply", section 4.4). A text is to be near its partner, among the partners of the
//! others in the batch and all hard negatives.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sst_core::nn::Pooling;
use sst_core::{Batch, Result};
use sst_data::rows::group_fields;
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, RowSpec};
use tch::{Kind, Tensor};

use super::grad_cache::{Input, compare};
use super::info_nce::{Compared, info_nce};
use super::method::{Method, entry};
use super::temperature::Temperature;
use super::views::{lay, layout, tokens_of};
use crate::entry::{Context, Entry, Limit};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;

/// The word of registration.
pub(crate) const ENTRY: Entry = entry::<Pairs>();

/// The configuration of `pairs`, besides the shared keys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairsConfig {
    /// How much a text's own hard negatives count in its sum, beside 1 for everything else (Gao et al. 2021,
    /// "SimCSE", equation 8).
    pub negative_weight: f64,
    /// Whether partners are to find their texts too, among the texts of the batch.
    pub symmetric: bool,
}

impl Default for PairsConfig {
    fn default() -> Self {
        Self { negative_weight: 1.0, symmetric: false }
    }
}

struct Pairs {
    config: PairsConfig,
}

/// All first texts, then all second ones, and so on. Arrays as of all contrastive objectives, and `same` `[b, v b]`
/// where a text equals another: true for what would be a false negative.
struct Groups(BatchLayout);

impl Collate for Groups {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        // A row may have other fields beside its texts.
        let texts = |example: &Example| {
            example.fields.keys().filter(|name| name.starts_with("input_ids")).count()
        };
        let size = examples.first().map_or(2, |example| texts(example).max(2));
        let view = |field: &String| -> Result<Vec<Vec<u32>>, CollateError> {
            examples.iter().map(|example| Ok(tokens_of(example, field)?.to_vec())).collect()
        };
        let views: Vec<Vec<Vec<u32>>> =
            group_fields(size).iter().map(view).collect::<Result<_, _>>()?;
        let batch = lay(self.0, examples, &views)?;
        match same(&views) {
            None => Ok(batch),
            Some(same) => {
                let shape = [examples.len(), size * examples.len()];
                Ok(batch.with("same", &shape, ArrayData::Bool(same))?)
            }
        }
    }
}

/// For each group, which texts of all views equal its first or its second and are not itself; `None` if none do.
fn same(views: &[Vec<Vec<u32>>]) -> Option<Vec<bool>> {
    let mut numbers = HashMap::new();
    let texts: Vec<usize> = views
        .iter()
        .flatten()
        .map(|ids| {
            let next = numbers.len();
            *numbers.entry(ids).or_insert(next)
        })
        .collect();
    let count = views.first().map_or(0, Vec::len);
    if numbers.len() == texts.len() {
        return None;
    }
    let own = |row: usize| [row, row + count];
    let is_same = |row: usize, text: usize| {
        !own(row).contains(&text) && own(row).iter().any(|own| texts[*own] == texts[text])
    };
    let all = (0..count).flat_map(|row| (0..texts.len()).map(move |text| (row, text)));
    Some(all.map(|(row, text)| is_same(row, text)).collect())
}

impl Pairs {
    /// What is added to the logits of `rows` texts for all others of the batch, `[b, v b]`: the logarithm of the
    /// weight of own negatives, and minus infinity for false ones.
    fn bias(&self, batch: &Batch, rows: i64, views: i64) -> Result<Tensor> {
        let options = (Kind::Float, batch.get("input_ids")?.device());
        let mut bias = Tensor::f_zeros([rows, views * rows], options)?;
        if views > 2 && self.config.negative_weight != 1.0 {
            let own =
                Tensor::f_eye(rows, options)?.f_mul_scalar(self.config.negative_weight.ln())?;
            let own = own.f_repeat([1, views - 2])?;
            bias.f_narrow(1, 2 * rows, (views - 2) * rows)?.f_copy_(&own)?;
        }
        if let Some(same) = batch.find("same") {
            let _ = bias.f_masked_fill_(same, f64::NEG_INFINITY)?;
        }
        Ok(bias)
    }

    /// The loss of the vectors of `rows` groups.
    fn of_vectors(
        &self,
        vectors_bd: &Tensor,
        temperature: Temperature<'_>,
        bias: &Tensor,
        rows: i64,
    ) -> Result<Compared> {
        let texts = vectors_bd.f_narrow(0, 0, rows)?;
        let keys = vectors_bd.f_narrow(0, rows, vectors_bd.size()[0] - rows)?;
        // Two groups with the same text or the same partner are no negatives of each other.
        let groups = bias.f_narrow(1, 0, rows)?.f_add(&bias.f_narrow(1, rows, rows)?)?;
        let more = bias.f_slice(1, 2 * rows, None, 1)?;
        let bias = Tensor::f_cat(&[&groups, &more], 1)?;
        let there = info_nce(&texts, &keys, temperature, Some(&bias))?;
        if !self.config.symmetric {
            return Ok(there);
        }
        let partners = keys.f_narrow(0, 0, rows)?;
        let back = info_nce(&partners, &texts, temperature, Some(&groups))?;
        let mean = |a: &Tensor, b: &Tensor| a.f_add(b)?.f_div_scalar(2);
        Ok(Compared {
            loss: mean(&there.loss, &back.loss)?,
            accuracy: mean(&there.accuracy, &back.accuracy)?,
        })
    }
}

impl Method for Pairs {
    type Keys = PairsConfig;

    const NAME: &'static str = "pairs";
    const SUMMARY: &'static str =
        "supervised pairs and triplets: near the partner, far from others' and hard negatives";
    const POOLING: Pooling = Pooling::Mean;
    const LIMITS: &'static [Limit] = &[("negative_weight", 0.0, 1e6)];
    const ROWS: RowSpec = RowSpec::Groups { least: 2 };

    fn new(
        keys: PairsConfig,
        context: &Context<'_>,
    ) -> Result<(Self, Arc<dyn Collate>), ObjectiveError> {
        let weight = keys.negative_weight;
        if !(weight > 0.0 && weight.is_finite()) {
            let message = format!("is {weight} and must be above 0");
            return Err(ObjectiveError::Config { path: "negative_weight".to_owned(), message });
        }
        let collate = Groups(layout(context.tokenizer()?, context.padding_free));
        Ok((Self { config: keys }, Arc::new(collate)))
    }

    /// The mean over texts of the InfoNCE with their partners.
    fn compare(&self, input: Input<'_>) -> Result<Compared> {
        let texts = input.batch.keys.len() as i64;
        let all = input.rows(None)?;
        let bias = self.bias(input.batch, texts, all.count() / texts.max(1))?;
        let temperature = input.shared.temperature();
        compare(&all, &|vectors_bd| self.of_vectors(vectors_bd, temperature, &bias, texts))
    }
}
