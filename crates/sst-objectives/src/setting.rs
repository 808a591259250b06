//! The settings that errors and warnings of this crate name, besides the keys of an objective's configuration.

sst_data::settings! {
    /// The tokenizer of the data.
    TOKENIZER = "Context::tokenizer";
    /// Whether batches hold their rows without padding.
    PADDING_FREE = "Context::padding_free";
    /// What is masked at once.
    UNIT = "MlmConfig::unit";
    /// The keys that MoCo keeps.
    QUEUE_SIZE = "MocoConfig::queue_size";
}
