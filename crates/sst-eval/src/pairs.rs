//! Reports on vectors of pairs of texts: how well their cosines follow a score, and whether each finds the other.
//!
//! Shapes: n pairs, q queries, c entries of the corpus, d numbers in a vector. Vectors are fp32 on the CPU; they are
//! brought to length 1 here.

use std::collections::HashSet;

use tch::{Kind, Tensor};

use crate::error::EvalError;
use crate::metric::{alignment, mrr_at_k, ndcg_at_k, pearson, recall_at_k, spearman, uniformity};
use crate::nearest::{NearestError, nearest};
use crate::report::Report;

/// Found documents that are looked at.
const DEPTH: usize = 10;
/// Vectors that uniformity is taken of, at most: all pairs of these are compared.
const SAMPLED: i64 = 2000;

/// Semantic textual similarity: `spearman` and `pearson` correlation of the cosines of `left_nd` and `right_nd`
/// `[n, d]` with the scores `[n]` that people gave. Counts `pairs`.
///
/// # Errors
/// If there are not as many of one as of the others, all scores or all cosines are the same, or libtorch fails.
pub fn similarity(
    left_nd: &Tensor,
    right_nd: &Tensor,
    scores: &[f64],
) -> Result<Report, EvalError> {
    let (left_nd, right_nd) = (unit(left_nd)?, unit(right_nd)?);
    let cosines_n =
        left_nd.f_mul(&right_nd)?.f_sum_dim_intlist([1_i64].as_slice(), false, Kind::Double)?;
    let cosines = Vec::<f64>::try_from(&cosines_n)?;
    let nothing = || EvalError::NoCorrelation;
    let metrics = [
        ("spearman", spearman(&cosines, scores).ok_or_else(nothing)?),
        ("pearson", pearson(&cosines, scores).ok_or_else(nothing)?),
    ];
    Ok(Report::new("sts", metrics, [("pairs", scores.len() as u64)]))
}

/// Retrieval by cosine: `recall@1`, `recall@5`, `recall@10`, `mrr@10` and `ndcg@10` of the queries `[q, d]`, each of
/// which is to find the entries of `corpus_cd` `[c, d]` in `relevant`; `alignment` of queries with their first relevant
/// entry, and `uniformity` of the corpus (of 2,000 entries of a larger one). Counts `queries` and `corpus`.
///
/// # Errors
/// If a query has no relevant entry or one outside the corpus, vectors are of another width, or libtorch fails.
pub fn retrieval(
    queries_qd: &Tensor,
    corpus_cd: &Tensor,
    relevant: &[HashSet<usize>],
) -> Result<Report, EvalError> {
    let (queries_qd, corpus_cd) = (unit(queries_qd)?, unit(corpus_cd)?);
    let (count, width) = corpus_cd.size2()?;
    let first: Option<Vec<i64>> =
        relevant.iter().map(|found| found.iter().min().map(|entry| *entry as i64)).collect();
    let Some(first) = first.filter(|_| relevant.len() as i64 == queries_qd.size()[0]) else {
        return Err(EvalError::Nothing("retrieval".to_owned()));
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
    let nothing = || EvalError::Nothing("retrieval".to_owned());
    let width = width as usize;
    let figures = [
        ("recall@1", recall_at_k(&ranked, relevant, 1)),
        ("recall@5", recall_at_k(&ranked, relevant, 5)),
        ("recall@10", recall_at_k(&ranked, relevant, 10)),
        ("mrr@10", mrr_at_k(&ranked, relevant, 10)),
        ("ndcg@10", ndcg_at_k(&ranked, relevant, 10)),
        ("alignment", alignment(&flat(&queries_qd)?, &flat(&own_qd)?, width)),
        ("uniformity", uniformity(&flat(&sampled)?, width).or(Some(0.0))),
    ];
    let metrics = figures
        .into_iter()
        .map(|(name, figure)| Ok((name, figure.ok_or_else(nothing)?)))
        .collect::<Result<Vec<_>, EvalError>>()?;
    let counts = [("queries", relevant.len() as u64), ("corpus", count as u64)];
    Ok(Report::new("retrieval", metrics, counts))
}

/// Rows of length 1.
fn unit(x_nd: &Tensor) -> Result<Tensor, EvalError> {
    let norms_n1 = x_nd.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
    Ok(x_nd.f_div(&norms_n1.f_clamp_min(1e-12)?)?)
}
