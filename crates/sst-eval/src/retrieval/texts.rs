//! Retrieval of texts by texts.
//!
//! Shapes: q queries, c entries of the corpus, d the width of a vector.

use std::collections::HashSet;

use sst_core::{Model, Report, Terms};
use tch::Tensor;

use super::ENTRY;
use crate::error::EvalError;
use crate::input::{Pairs, TextRole};
use crate::metric::{alignment, mrr_at_k, ndcg_at_k, recall_at_k, uniformity};
use crate::nearest::{NearestError, nearest};
use crate::normalize::normalize_rows;

/// A figure of ranked and relevant entries of the corpus.
type ByQuery = fn(&[Vec<usize>], &[HashSet<usize>]) -> Option<f64>;

/// The figures that are means over the queries.
const BY_QUERY: [(&str, ByQuery); 5] = [
    ("recall@1", |ranked, relevant| recall_at_k(ranked, relevant, 1)),
    ("recall@5", |ranked, relevant| recall_at_k(ranked, relevant, 5)),
    ("recall@10", |ranked, relevant| recall_at_k(ranked, relevant, 10)),
    ("mrr@10", |ranked, relevant| mrr_at_k(ranked, relevant, 10)),
    ("ndcg@10", |ranked, relevant| ndcg_at_k(ranked, relevant, 10)),
];

/// The number of nearest entries that are ranked for each query.
const DEPTH: usize = 10;
/// The maximum number of vectors for uniformity, which compares all pairs.
const UNIFORMITY_SAMPLE: i64 = 2000;

/// Reports `recall@1`, `recall@5`, `recall@10`, `mrr@10` and `ndcg@10` by cosine similarity, the `alignment` of each
/// query with its first relevant entry, and the `uniformity` of the corpus (of at most 2,000 of its entries). Counts
/// `queries` and `corpus`.
pub(super) fn measure(data: &mut Pairs<'_>, model: &dyn Model) -> Result<Report, EvalError> {
    let Pairs { vectors, queries, corpus, relevant } = data;
    let queries_qd = normalize_rows(&vectors.vectors(model, queries, TextRole::First)?)?;
    let corpus_cd = normalize_rows(&vectors.vectors(model, corpus, TextRole::Second)?)?;
    let (count, width) = corpus_cd.size2()?;
    // `None` if a query has no relevant entry.
    let first_relevant: Option<Vec<i64>> =
        relevant.iter().map(|entries| entries.iter().min().map(|entry| *entry as i64)).collect();
    let has_all_queries = relevant.len() as i64 == queries_qd.size()[0];
    let Some(first_relevant) = first_relevant.filter(|_| has_all_queries) else {
        return Err(EvalError::Nothing(ENTRY.name.to_owned()));
    };
    let mut ranked: Vec<Vec<usize>> = Vec::with_capacity(relevant.len());
    nearest::<NearestError>(
        &queries_qd,
        &corpus_cd,
        DEPTH,
        |_| true,
        |_, neighbours| {
            ranked.push(neighbours.iter().map(|neighbour| neighbour.index).collect());
            Ok(())
        },
    )?;
    let relevant_qd = corpus_cd.f_index_select(0, &Tensor::f_from_slice(&first_relevant)?)?;
    let step = (count / UNIFORMITY_SAMPLE).max(1);
    let sample_size = count.min(UNIFORMITY_SAMPLE);
    let sampled = corpus_cd.f_slice(0, None, None, step)?.f_narrow(0, 0, sample_size)?;
    let flat = |x: &Tensor| Ok::<_, EvalError>(Vec::<f32>::try_from(x.f_flatten(0, -1)?)?);
    let nothing = || EvalError::Nothing(ENTRY.name.to_owned());
    let width = width as usize;
    let of_vectors = [
        ("alignment", alignment(&flat(&queries_qd)?, &flat(&relevant_qd)?, width)),
        ("uniformity", uniformity(&flat(&sampled)?, width).or(Some(0.0))),
    ];
    let metrics = BY_QUERY
        .iter()
        .map(|(name, figure)| (*name, figure(&ranked, relevant)))
        .chain(of_vectors)
        .map(|(name, value)| Ok((name, value.ok_or_else(nothing)?)))
        .collect::<Result<Vec<_>, EvalError>>()?;
    let counts = [("queries", relevant.len() as u64), ("corpus", count as u64)];
    let mut report = Report::new(ENTRY.name, metrics, counts);
    for k in [1, 5, 10] {
        // What a random order of the corpus finds of the relevant texts among the first k.
        let chance = (k as f64 / count as f64).min(1.0);
        report.metrics.insert(format!("chance_recall@{k}"), chance);
    }
    for (name, figure) in BY_QUERY {
        let of_query =
            |at: usize| figure(&ranked[at..=at], &relevant[at..=at]).map(|value| (value, 1.0));
        let terms: Option<Vec<Terms>> = (0..ranked.len()).map(of_query).collect();
        report = report.with_examples(name, terms.ok_or_else(nothing)?);
    }
    Ok(report)
}
