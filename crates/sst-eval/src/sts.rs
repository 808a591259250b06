//! Semantic textual similarity: the correlation between cosine similarities of text pairs and human similarity scores.
//!
//! Shapes: n pairs, d the width of a vector.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Model, Objective, Report};
use tch::Kind;

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, ScoredPairs, TextRole};
use crate::intervals::Intervals;
use crate::metric::{pearson, spearman};
use crate::normalize::normalize_rows;

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "sts",
    summary: "how well cosine similarities correlate with human similarity scores",
    details: "Reports spearman and pearson, the correlations of the cosine similarities with the scores.",
    input: InputKind::ScoredPairs,
    records: None,
    needs_objective: false,
    figures: &[Figure::higher("spearman"), Figure::higher("pearson")],
    default_config: || json!(StsConfig::default()),
    options: &[],
    build,
};

/// Samples of the bootstrap.
const SAMPLES: usize = 1000;

/// A correlation of two lists of numbers; `None` if one of them is constant.
type Correlation = fn(&[f64], &[f64]) -> Option<f64>;

/// The keys of `sts`. There are none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct StsConfig {}

struct Sts<'a>(ScoredPairs<'a>);

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let StsConfig {} = parse(ENTRY.name, config)?;
    Ok(Box::new(Sts(input.scored_pairs(ENTRY.name)?)))
}

impl Sts<'_> {
    /// Reports the `spearman` and `pearson` correlations of the cosine similarities with the scores, with 95 % intervals by
    /// a bootstrap over pairs. Counts `pairs`.
    fn measure(&mut self, model: &dyn Model) -> Result<Report, EvalError> {
        let ScoredPairs { vectors, first, second, scores } = &mut self.0;
        let first_nd = normalize_rows(&vectors.vectors(model, first, TextRole::First)?)?;
        let second_nd = normalize_rows(&vectors.vectors(model, second, TextRole::Second)?)?;
        let products_nd = first_nd.f_mul(&second_nd)?;
        let cosines_n = products_nd.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double)?;
        let cosines = Vec::<f64>::try_from(&cosines_n)?;
        let mut metrics = Vec::new();
        let figures: [(&str, Correlation); 2] = [("spearman", spearman), ("pearson", pearson)];
        for (name, correlation) in figures {
            correlation(&cosines, scores).ok_or(EvalError::NoCorrelation)?;
            Intervals::of(SAMPLES).add(&mut metrics, name, scores.len(), |sample| {
                let pick = |of: &[f64]| sample.iter().map(|at| of[*at]).collect::<Vec<_>>();
                correlation(&pick(&cosines), &pick(scores))
            })?;
        }
        let metrics = metrics.iter().map(|(name, value)| (&**name, *value));
        Ok(Report::new(ENTRY.name, metrics, [("pairs", scores.len() as u64)]))
    }
}

impl Evaluator for Sts<'_> {
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
