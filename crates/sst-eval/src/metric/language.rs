//! Metrics of language models.

/// The exponential of a mean negative log-likelihood in nats: the number of equally likely tokens that
/// the model is as unsure between.
pub fn perplexity(mean_nll: f64) -> f64 {
    mean_nll.exp()
}
