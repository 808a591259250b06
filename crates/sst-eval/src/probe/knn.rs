//! Classification by the nearest neighbours of frozen vectors.

use tch::{Device, Kind, Tensor};

use super::data::{Labelled, check_features, chunks};
use super::error::ProbeError;
use crate::nearest::{Neighbour, nearest};

/// The length that a vector of zeros counts as, whose cosine with any other is then 0.
const LEAST_LENGTH: f64 = 1e-300;

/// How neighbours vote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Vote {
    /// Each has one vote, as in scikit-learn's `KNeighborsClassifier` with `metric="cosine"`.
    Majority,
    /// Each votes with `exp(cosine / temperature)`, as in Wu et al. 2018 ("Unsupervised Feature Learning via Non-Parametric
    /// Instance Discrimination", section 3.4) and in DINO's evaluation (Caron et al. 2021), with k = 20 and temperature 0.07.
    Weighted {
        /// The smaller, the more the nearest ones decide.
        temperature: f64,
    },
}

/// The class of each row of `queries_md` `[m, d]` by the votes of the `k` rows of `train` with the greatest cosines.
///
/// Of equally near neighbours those of lower rows are taken, and of classes with equal votes the smallest number. The latter
/// is scikit-learn's rule too; which of equally near neighbours it takes is left to its partial sort. Cosines are made from
/// vectors of length 1, rounded to fp32, in blocks, on the CPU.
///
/// # Errors
/// If the queries are not finite numbers of the width of `train`, `k` is 0 or more than the rows of `train`, the
/// temperature is not above 0, or libtorch fails.
pub fn knn_classify(
    train: &Labelled,
    queries_md: &Tensor,
    k: usize,
    vote: Vote,
) -> Result<Vec<i64>, ProbeError> {
    let ((rows, expected), (queries, found)) =
        (check_features(train.features_nd())?, check_features(queries_md)?);
    if expected != found {
        return Err(ProbeError::Width { expected, found });
    }
    if k == 0 {
        let reason = "0 neighbours have no vote: use 1 at least".to_owned();
        return Err(ProbeError::Option { key: "k", reason });
    }
    if rows < k {
        return Err(ProbeError::Rows { what: "this number of neighbours", rows, needed: k });
    }
    if let Vote::Weighted { temperature } = vote
        && !(temperature > 0.0 && temperature.is_finite())
    {
        let reason = format!("{temperature} is not a finite number above 0");
        return Err(ProbeError::Option { key: "temperature", reason });
    }
    let mut votes = vec![0.0; train.classes()];
    let mut winners = Vec::with_capacity(queries);
    let (queries_md, train_nd) = (unit(queries_md)?, unit(train.features_nd())?);
    let count_votes = |_: usize, neighbours: &[Neighbour]| {
        votes.fill(0.0);
        for neighbour in neighbours {
            let label = train.labels()[neighbour.index];
            votes[label as usize] += weight(neighbour, neighbours, vote);
        }
        let most = votes.iter().fold(0.0_f64, |most, votes| most.max(*votes));
        winners.push(votes.iter().position(|votes| *votes == most).unwrap_or(0) as i64);
        Ok::<_, ProbeError>(())
    };
    nearest(&queries_md, &train_nd, k, |_| true, count_votes)?;
    Ok(winners)
}

/// The vote of a neighbour. Weighted votes are divided by that of the nearest, so that none is infinite.
fn weight(neighbour: &Neighbour, neighbours: &[Neighbour], vote: Vote) -> f64 {
    match vote {
        Vote::Majority => 1.0,
        Vote::Weighted { temperature } => {
            let nearest = f64::from(neighbours.first().map_or(0.0, |nearest| nearest.score));
            ((f64::from(neighbour.score) - nearest) / temperature).exp()
        }
    }
}

/// The rows `[n, d]` divided by their lengths, in fp32 on the CPU.
fn unit(x_nd: &Tensor) -> Result<Tensor, ProbeError> {
    let unit_of = |(first, count)| {
        let x_md = x_nd.f_narrow(0, first, count)?.f_detach()?.f_to_kind(Kind::Double)?;
        let lengths_m1 = x_md.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), true)?;
        let unit_md = x_md.f_div(&lengths_m1.f_clamp_min(LEAST_LENGTH)?)?;
        Ok(unit_md.f_to_kind(Kind::Float)?.f_to(Device::Cpu)?)
    };
    let (n, d) = x_nd.size2()?;
    let parts: Vec<Tensor> = chunks(n).map(unit_of).collect::<Result<_, ProbeError>>()?;
    if parts.is_empty() {
        return Ok(Tensor::f_zeros([0, d], (Kind::Float, Device::Cpu))?);
    }
    Ok(Tensor::f_cat(&parts, 0)?)
}
