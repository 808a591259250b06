//! Retrieval: whether the vectors of queries find what belongs to them among all entries of a corpus.
//!
//! Shapes: q queries, c entries of the corpus, d numbers in a vector.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Model, Objective, Report};
use tch::Tensor;

use crate::entry::{Entry, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, Pairs, TextRole};
use crate::metric::{alignment, mrr_at_k, ndcg_at_k, recall_at_k, uniformity};
use crate::nearest::{NearestError, nearest};
use crate::unit::unit;

/// The word of registration.
pub(crate) const ENTRY: Entry = Entry {
    name: "retrieval",
    summary: "how often a text's vector finds its partner's",
    details: "Reports recall@1, recall@5, recall@10, mrr@10 and ndcg@10, and the alignment and uniformity of the vectors \
              (Wang and Isola 2020; lower is better).",
    input: InputKind::Pairs,
    needs_objective: false,
    default_config: || json!(RetrievalConfig::default()),
    options: &[],
    build,
};

/// Entries of the corpus that are ranked for each query.
const DEPTH: usize = 10;
/// The greatest number of vectors whose uniformity is computed, since all pairs of them are compared.
const SAMPLED: i64 = 2000;

/// It has no keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RetrievalConfig {}

struct Retrieval<'a>(Pairs<'a>);

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let RetrievalConfig {} = parse(ENTRY.name, config)?;
    Ok(Box::new(Retrieval(input.pairs(ENTRY.name)?)))
}

impl Retrieval<'_> {
    /// `recall@1`, `recall@5`, `recall@10`, `mrr@10` and `ndcg@10` by cosine; `alignment` of queries with their first
    /// relevant entry, and `uniformity` of the corpus (of 2,000 entries of a larger one). Counts `queries` and
    /// `corpus`.
    fn measure(&mut self, model: &dyn Model) -> Result<Report, EvalError> {
        let Pairs { vectors, queries, corpus, relevant } = &mut self.0;
        let queries_qd = unit(&vectors.vectors(model, queries, TextRole::First)?)?;
        let corpus_cd = unit(&vectors.vectors(model, corpus, TextRole::Second)?)?;
        let (count, width) = corpus_cd.size2()?;
        let first: Option<Vec<i64>> =
            relevant.iter().map(|found| found.iter().min().map(|entry| *entry as i64)).collect();
        let Some(first) = first.filter(|_| relevant.len() as i64 == queries_qd.size()[0]) else {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        };
        let mut ranked: Vec<Vec<usize>> = Vec::with_capacity(relevant.len());
        nearest::<NearestError>(
            &queries_qd,
            &corpus_cd,
            DEPTH,
            |_| true,
            |_, found| {
                ranked.push(found.iter().map(|neighbour| neighbour.index).collect());
                Ok(())
            },
        )?;
        let own_qd = corpus_cd.f_index_select(0, &Tensor::f_from_slice(&first)?)?;
        let step = (count / SAMPLED).max(1);
        let sampled = corpus_cd.f_slice(0, None, None, step)?.f_narrow(0, 0, count.min(SAMPLED))?;
        let flat = |x: &Tensor| Ok::<_, EvalError>(Vec::<f32>::try_from(x.f_flatten(0, -1)?)?);
        let nothing = || EvalError::Nothing(ENTRY.name.to_owned());
        let width = width as usize;
        let figures = [
            ("recall@1", recall_at_k(&ranked, &*relevant, 1)),
            ("recall@5", recall_at_k(&ranked, &*relevant, 5)),
            ("recall@10", recall_at_k(&ranked, &*relevant, 10)),
            ("mrr@10", mrr_at_k(&ranked, &*relevant, 10)),
            ("ndcg@10", ndcg_at_k(&ranked, &*relevant, 10)),
            ("alignment", alignment(&flat(&queries_qd)?, &flat(&own_qd)?, width)),
            ("uniformity", uniformity(&flat(&sampled)?, width).or(Some(0.0))),
        ];
        let metrics = figures
            .into_iter()
            .map(|(name, figure)| Ok((name, figure.ok_or_else(nothing)?)))
            .collect::<Result<Vec<_>, EvalError>>()?;
        let counts = [("queries", relevant.len() as u64), ("corpus", count as u64)];
        Ok(Report::new(ENTRY.name, metrics, counts))
    }
}

impl Evaluator for Retrieval<'_> {
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
