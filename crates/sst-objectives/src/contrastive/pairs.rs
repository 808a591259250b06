//! Supervised pairs and triplets: the multiple-negatives ranking loss (Henderson et al. 2017, "Efficient Natural Language
//! Response Suggestion for Smart Reply", section 4.4). The positive of a text is its partner; the negatives are the
//! partners of the other texts of the batch and all hard negatives of the batch.
//!
//! Shapes: b groups (rows), v texts in each group, d the width of the compared vectors. The texts of a group are: the
//! text, its partner, and v - 2 hard negatives.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sst_core::nn::Pooling;
use sst_core::{Batch, Result};
use sst_data::rows::group_fields;
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, RowSpec};
use tch::{Kind, Tensor};

use super::grad_cache::{LossInput, chunked_loss};
use super::info_nce::{ContrastiveLoss, info_nce};
use super::method::{Method, entry};
use super::temperature::Temperature;
use super::views::{batch_layout, field_tokens, views_batch};
use crate::entry::{Context, Entry, Limit};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;

/// The entry in the list of objectives.
pub(crate) const ENTRY: Entry = entry::<Pairs>();

/// The configuration of `pairs`, besides the shared keys.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PairsConfig {
    /// The weight of a text's own hard negatives in the denominator of its loss; all other terms have the weight 1 (Gao
    /// et al. 2021, "SimCSE", equation 8).
    pub negative_weight: f64,
    /// Whether to add the loss in the other direction, where the partner is the query and the texts of the batch are the
    /// keys. The result is the mean of both directions.
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

/// Makes batches of groups: all texts, then all partners, then all first hard negatives, and so on. Arrays: those of
/// [`views_batch`], and `same` `[b, v b]` if any texts of the batch are equal: true where a text equals the group's text
/// or partner, so that it would be a false negative.
struct GroupCollate(BatchLayout);

impl Collate for GroupCollate {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        // A row may have other fields besides its texts.
        let num_texts = |example: &Example| {
            example.fields.keys().filter(|name| name.starts_with("input_ids")).count()
        };
        let size = examples.first().map_or(2, |example| num_texts(example).max(2));
        let view = |field: &String| -> Result<Vec<Vec<u32>>, CollateError> {
            examples.iter().map(|example| Ok(field_tokens(example, field)?.to_vec())).collect()
        };
        let views: Vec<Vec<Vec<u32>>> =
            group_fields(size).iter().map(view).collect::<Result<_, _>>()?;
        let batch = views_batch(self.0, examples, &views)?;
        match false_negatives(&views) {
            None => Ok(batch),
            Some(is_false) => {
                let shape = [examples.len(), size * examples.len()];
                Ok(batch.with("same", &shape, ArrayData::Bool(is_false))?)
            }
        }
    }
}

/// For each group and each text of the batch, whether the text equals the group's text or partner without being one of
/// these two itself: `[b, v b]`, flattened. `None` if all texts of the batch are different.
fn false_negatives(views: &[Vec<Vec<u32>>]) -> Option<Vec<bool>> {
    let mut numbers = HashMap::new();
    // Equal texts get the same number.
    let texts: Vec<usize> = views
        .iter()
        .flatten()
        .map(|ids| {
            let next = numbers.len();
            *numbers.entry(ids).or_insert(next)
        })
        .collect();
    let num_groups = views.first().map_or(0, Vec::len);
    if numbers.len() == texts.len() {
        return None;
    }
    let is_false = |group: usize, text: usize| {
        let positives = [group, group + num_groups];
        !positives.contains(&text) && positives.iter().any(|at| texts[*at] == texts[text])
    };
    let cells = (0..num_groups).flat_map(|group| (0..texts.len()).map(move |text| (group, text)));
    Some(cells.map(|(group, text)| is_false(group, text)).collect())
}

impl Pairs {
    /// The bias on the logits of each group and each text of the batch, `[b, v b]`: the logarithm of `negative_weight`
    /// for the group's own hard negatives, minus infinity for false negatives, 0 elsewhere.
    fn bias(&self, batch: &Batch, groups: i64, views: i64) -> Result<Tensor> {
        let options = (Kind::Float, batch.get("input_ids")?.device());
        let mut bias = Tensor::f_zeros([groups, views * groups], options)?;
        if views > 2 && self.config.negative_weight != 1.0 {
            let own_negatives = Tensor::f_eye(groups, options)?
                .f_mul_scalar(self.config.negative_weight.ln())?
                .f_repeat([1, views - 2])?;
            bias.f_narrow(1, 2 * groups, (views - 2) * groups)?.f_copy_(&own_negatives)?;
        }
        if let Some(is_false) = batch.find("same") {
            let _ = bias.f_masked_fill_(is_false, f64::NEG_INFINITY)?;
        }
        Ok(bias)
    }

    /// The loss of the vectors `[v b, d]` of `groups` groups, with the result of [`Pairs::bias`].
    fn vectors_loss(
        &self,
        vectors: &Tensor,
        temperature: Temperature<'_>,
        bias: &Tensor,
        groups: i64,
    ) -> Result<ContrastiveLoss> {
        let texts_bd = vectors.f_narrow(0, 0, groups)?;
        let keys_kd = vectors.f_narrow(0, groups, vectors.size()[0] - groups)?;
        // Two groups are not negatives of each other if they have the same text or the same partner.
        let pair_bias_bb =
            bias.f_narrow(1, 0, groups)?.f_add(&bias.f_narrow(1, groups, groups)?)?;
        let negatives_bias = bias.f_slice(1, 2 * groups, None, 1)?;
        let bias_bk = Tensor::f_cat(&[&pair_bias_bb, &negatives_bias], 1)?;
        let text_to_partner = info_nce(&texts_bd, &keys_kd, temperature, Some(&bias_bk))?;
        if !self.config.symmetric {
            return Ok(text_to_partner);
        }
        let partners_bd = keys_kd.f_narrow(0, 0, groups)?;
        let partner_to_text = info_nce(&partners_bd, &texts_bd, temperature, Some(&pair_bias_bb))?;
        text_to_partner.mean(&partner_to_text)
    }
}

impl Method for Pairs {
    type Keys = PairsConfig;

    const NAME: &'static str = "pairs";
    const SUMMARY: &'static str = "supervised pairs and triplets: pulls a text to its partner, away from other partners and hard negatives";
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
        let collate = GroupCollate(batch_layout(context.tokenizer()?, context.padding_free));
        Ok((Self { config: keys }, Arc::new(collate)))
    }

    /// The mean over groups of the InfoNCE of the text with its partner.
    fn loss(&self, input: LossInput<'_>) -> Result<ContrastiveLoss> {
        let groups = input.batch.keys.len() as i64;
        let rows = input.rows(None)?;
        let bias = self.bias(input.batch, groups, rows.count() / groups.max(1))?;
        let temperature = input.shared.temperature();
        chunked_loss(&rows, &|vectors| self.vectors_loss(vectors, temperature, &bias, groups))
    }
}
