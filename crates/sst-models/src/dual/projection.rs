//! The head that projects the pooled vector of a row into the shared space.
//!
//! Shapes: b rows, l tokens or patches, d hidden size, q width of the pooled vector, o width of the shared space.

use sst_core::nn::Linear;
use sst_core::{Forward, Head, HeadInput, Result};
use tch::Tensor;

use crate::tower::Pool;

/// The pooled vector of a tower, projected into the shared space.
pub(super) struct Projection {
    pool: Box<dyn Pool>,
    /// `None` if the pooled vector is in the shared space (SigLIP).
    projection: Option<Linear>,
    outputs: i64,
}

impl Projection {
    /// A head with a projection of o outputs, or without one, in which case o is q.
    pub(super) fn new(pool: Box<dyn Pool>, projection: Option<Linear>, outputs: i64) -> Self {
        Self { pool, projection, outputs }
    }
}

impl Head for Projection {
    fn logits(&self, hidden_nd: &Tensor, Forward { train, .. }: Forward) -> Result<Tensor> {
        let pooled_bq = self.pool.forward(hidden_nd, train)?;
        match &self.projection {
            Some(projection) => projection.forward(&pooled_bq, train),
            None => Ok(pooled_bq),
        }
    }

    fn num_outputs(&self) -> usize {
        self.outputs as usize
    }

    fn input(&self) -> HeadInput {
        self.pool.input()
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let projection = self.projection.iter().flat_map(Linear::parameters);
        self.pool.parameters().into_iter().chain(projection).collect()
    }
}
