//! RankMe (Garrido, Balestriero, Najman and LeCun 2023, "RankMe: Assessing the Downstream Performance of Pretrained
//! Self-Supervised Representations by Their Rank"): how many dimensions the vectors of texts fill, without labels.
//!
//! Shapes: n texts, d numbers in a vector, k singular values.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Model, Objective, Report};
use tch::{Kind, Tensor};

use crate::entry::{Entry, parse};
use crate::error::EvalError;
use crate::input::{EmbeddedTexts, Input, InputKind, TextRole};

/// The word of registration.
pub(crate) const ENTRY: Entry = Entry {
    name: "rankme",
    summary: "how many dimensions the vectors of texts fill, which needs no labels",
    details: "Reports rankme, the exponential of the entropy of the normalised singular values of the matrix of vectors \
              (Garrido et al. 2023): from 1, where all vectors lie on one line and the model has collapsed, to the lesser \
              of the number of texts and the width of a vector. rankme_fraction is its share of that greatest value. Only \
              figures of the same number of texts can be compared.",
    input: InputKind::EmbeddedTexts,
    needs_objective: false,
    default_config: || json!(RankMeConfig::default()),
    options: &[("epsilon", "Added to each normalised singular value.")],
    build,
};

/// The constant of the entropy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RankMeConfig {
    epsilon: f64,
}

impl Default for RankMeConfig {
    /// The value of the paper for fp32 (section 3.1).
    fn default() -> Self {
        Self { epsilon: 1e-7 }
    }
}

struct RankMe<'a> {
    config: RankMeConfig,
    data: EmbeddedTexts<'a>,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config: RankMeConfig = parse(ENTRY.name, config)?;
    if !(config.epsilon >= 0.0 && config.epsilon.is_finite()) {
        let reason = format!("epsilon is {}, and must be at least 0", config.epsilon);
        return Err(EvalError::Config { evaluator: ENTRY.name, reason });
    }
    Ok(Box::new(RankMe { config, data: input.embedded_texts(ENTRY.name)? }))
}

impl RankMe<'_> {
    /// `rankme`, and `rankme_fraction`, its share of the greatest value min(n, d). Counts `texts` and `width`.
    fn measure(&mut self, model: &dyn Model) -> Result<Report, EvalError> {
        let EmbeddedTexts { vectors, texts } = &mut self.data;
        if texts.is_empty() {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        }
        let vectors_nd = vectors.vectors(model, texts, TextRole::First)?;
        let (n, d) = vectors_nd.size2()?;
        let rank = rankme(&vectors_nd, self.config.epsilon)?;
        if !rank.is_finite() {
            return Err(EvalError::NotFinite(ENTRY.name.to_owned()));
        }
        let metrics = [("rankme", rank), ("rankme_fraction", rank / n.min(d) as f64)];
        let counts = [("texts", n as u64), ("width", d as u64)];
        Ok(Report::new(ENTRY.name, metrics, counts))
    }
}

/// The exponential of `-sum p_k ln p_k` with `p_k = s_k / sum s + epsilon` for the singular values `s_k` of `vectors_nd`
/// `[n, d]` (equations 1 and 2), in fp64.
fn rankme(vectors_nd: &Tensor, epsilon: f64) -> Result<f64, EvalError> {
    // torch.svd with the reduced factors: without them it would return zeros of [n, n].
    let (_, values_k, _) = vectors_nd.f_to_kind(Kind::Double)?.f_svd(true, true)?;
    let values = Vec::<f64>::try_from(&values_k)?;
    // The matrix of zeros has no direction: as that of one line, it has the least rank.
    let sum = values.iter().sum::<f64>();
    if sum == 0.0 {
        return Ok(1.0);
    }
    let entropy = |value: &f64| {
        let p = value / sum + epsilon;
        if p > 0.0 { -p * p.ln() } else { 0.0 }
    };
    Ok(values.iter().map(entropy).sum::<f64>().exp())
}

impl Evaluator for RankMe<'_> {
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
