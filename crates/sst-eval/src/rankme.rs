//! RankMe (Garrido, Balestriero, Najman and LeCun 2023, "RankMe: Assessing the Downstream Performance of Pretrained
//! Self-Supervised Representations by Their Rank"): a smooth estimate of the rank of the matrix of text vectors. It needs
//! no labels.
//!
//! Shapes: n texts or pictures, d the width of a vector, k singular values.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Model, Objective, Report};
use tch::{Kind, Tensor};

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{EmbeddedPictures, EmbeddedTexts, Input, InputKind, TextRole};
use crate::pictures::{PictureEncoder, PictureVector};

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "rankme",
    summary: "the effective rank of the vectors of texts or pictures, which needs no labels",
    details: "Reports rankme, the exponential of the entropy of the normalised singular values of the matrix of vectors \
              (Garrido et al. 2023). It is 1 if all vectors lie on one line (the model has collapsed); its maximum is the \
              number of texts (or pictures) or the width of a vector, whichever is smaller. rankme_fraction is rankme divided \
              by this maximum. Only results with the same number of texts are comparable. The vector of a picture is the \
              projection, or the class token of a model without a projection, not scaled to length 1.",
    input: InputKind::EmbeddedTexts,
    records: None,
    needs_objective: false,
    figures: &[Figure::higher("rankme"), Figure::higher("rankme_fraction")],
    default_config: || json!(RankMeConfig::default()),
    options: &[("epsilon", "Added to each normalised singular value.")],
    build,
};

/// The keys of `rankme`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RankMeConfig {
    /// The constant that is added to each normalised singular value.
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
    data: Data<'a>,
}

/// What vectors are computed of.
enum Data<'a> {
    Texts(EmbeddedTexts<'a>),
    Pictures(EmbeddedPictures),
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config: RankMeConfig = parse(ENTRY.name, config)?;
    if !(config.epsilon >= 0.0 && config.epsilon.is_finite()) {
        let reason = format!("epsilon is {}, and must be at least 0", config.epsilon);
        let key = Some("epsilon".to_owned());
        return Err(EvalError::Config { evaluator: ENTRY.name, key, reason });
    }
    let data = match input {
        Input::EmbeddedPictures(pictures) => Data::Pictures(pictures),
        other => Data::Texts(other.embedded_texts(ENTRY.name)?),
    };
    Ok(Box::new(RankMe { config, data }))
}

impl RankMe<'_> {
    /// Reports `rankme` and `rankme_fraction`, which is rankme divided by its maximum min(n, d). Counts `texts`, or
    /// `pictures`, and `width`.
    fn measure(&mut self, model: &dyn Model) -> Result<Report, EvalError> {
        let (counted, vectors_nd) = match &mut self.data {
            Data::Texts(EmbeddedTexts { texts, .. }) if texts.is_empty() => {
                return Err(EvalError::Nothing(ENTRY.name.to_owned()));
            }
            Data::Texts(EmbeddedTexts { vectors, texts }) => {
                ("texts", vectors.vectors(model, texts, TextRole::First)?)
            }
            Data::Pictures(EmbeddedPictures { rows, vector, batch_size }) => {
                let vector = vector.unwrap_or_else(|| PictureVector::of(model));
                let encoder = PictureEncoder::new(model, vector, *batch_size)?;
                ("pictures", encoder.vectors(&**rows)?)
            }
        };
        let (n, d) = vectors_nd.size2()?;
        let rank = rankme(&vectors_nd, self.config.epsilon)?;
        if !rank.is_finite() {
            return Err(EvalError::NotFinite(ENTRY.name.to_owned()));
        }
        let metrics = [("rankme", rank), ("rankme_fraction", rank / n.min(d) as f64)];
        let counts = [(counted, n as u64), ("width", d as u64)];
        Ok(Report::new(ENTRY.name, metrics, counts))
    }
}

/// The exponential of `-sum p_k ln p_k` with `p_k = s_k / sum s + epsilon` for the singular values `s_k` of `vectors_nd`
/// `[n, d]` (equations 1 and 2), in fp64.
fn rankme(vectors_nd: &Tensor, epsilon: f64) -> Result<f64, EvalError> {
    // With `compute_uv = false`, torch.svd would allocate U as zeros of [n, n]; the reduced factors are smaller.
    let (_, values_k, _) = vectors_nd.f_to_kind(Kind::Double)?.f_svd(true, true)?;
    let values = Vec::<f64>::try_from(&values_k)?;
    // If all vectors are zero, the normalisation would divide by 0. The result is the minimum, as for a single line.
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
