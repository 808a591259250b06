//! The settings that errors of this crate name.

sst_data::settings! {
    /// The most tokens of a text.
    MAX_LENGTH = "SentenceOptions::max_length";
    /// Whether vectors are normalised.
    NORMALIZE = "SentenceOptions::normalize";
    /// The text before each text.
    PROMPT = "Embedder::prompt";
    /// The type of matrix products, which is bf16 or that of the weights.
    AUTOCAST = "Embedder::autocast";
}
