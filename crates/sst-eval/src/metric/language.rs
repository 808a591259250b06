//! Metrics of language models.

/// The perplexity: the exponential of a mean negative log-likelihood in nats. A model that gives n tokens the same
/// probability has the perplexity n.
pub fn perplexity(mean_nll: f64) -> f64 {
    mean_nll.exp()
}
