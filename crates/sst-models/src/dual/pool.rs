//! How the hidden states of a row become one vector, and the head that projects it.
//!
//! Shapes: b rows, l tokens or patches, d hidden size, q width of the pooled vector, o width of the shared space.

use sst_core::nn::{LayerNorm, Linear};
use sst_core::{Forward, Head, HeadInput, Result};
use tch::Tensor;

use crate::heads::Pooler;

/// Makes one vector of the hidden states of a row.
pub(crate) trait Pool: Send {
    /// The hidden states that it reads.
    fn input(&self) -> HeadInput;

    /// The vectors `[b, q]` for hidden states `[b, d]`, or `[b, l, d]` if it reads whole rows.
    fn forward(&self, hidden: &Tensor, train: bool) -> Result<Tensor>;

    /// Its parameters.
    fn parameters(&self) -> Vec<&Tensor>;
}

impl Pool for Pooler {
    fn input(&self) -> HeadInput {
        HeadInput::FirstToken
    }

    fn forward(&self, hidden: &Tensor, train: bool) -> Result<Tensor> {
        self.forward(hidden, train)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.parameters().collect()
    }
}

/// The hidden state of one token.
pub(crate) struct TokenPool(pub(crate) HeadInput);

impl Pool for TokenPool {
    fn input(&self) -> HeadInput {
        self.0
    }

    fn forward(&self, hidden: &Tensor, _train: bool) -> Result<Tensor> {
        Ok(hidden.shallow_clone())
    }

    fn parameters(&self) -> Vec<&Tensor> {
        Vec::new()
    }
}

/// The norm of the hidden state of the first token.
pub(crate) struct FirstNorm(pub(crate) LayerNorm);

impl Pool for FirstNorm {
    fn input(&self) -> HeadInput {
        HeadInput::FirstToken
    }

    fn forward(&self, hidden: &Tensor, _train: bool) -> Result<Tensor> {
        self.0.before(hidden)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.0.parameters().collect()
    }
}

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
