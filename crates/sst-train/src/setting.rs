//! The settings that errors of this crate name.

sst_data::settings! {
    /// The last step.
    TOTAL_STEPS = "FitConfig::total_steps";
    /// The most tokens.
    MAX_TOKENS = "FitConfig::max_tokens";
    /// The most seconds.
    MAX_SECONDS = "FitConfig::max_seconds";
    /// How often metrics are logged.
    LOG_EVERY = "FitConfig::log_every";
    /// The metric by which checkpoints are kept.
    BEST_METRIC = "FitConfig::retention.by.metric";
    /// The precision of the forward pass.
    PRECISION = "FitConfig::precision";
    /// Whether the model computes with weights in bf16.
    BF16_WEIGHTS = "FitConfig::bf16_weights";
    /// The parameters that do not train.
    FREEZE = "FitConfig::freeze";
    /// Which layers are trained.
    UNFREEZE = "FitConfig::unfreeze";
    /// When a run ends early.
    EARLY_STOPPING = "FitConfig::early_stopping";
    /// The moving average of the weights.
    EMA = "FitConfig::ema";
    /// What one token takes.
    FLOPS_PER_TOKEN = "FitConfig::flops_per_token";
    /// The seed.
    SEED = "FitConfig::seed";
    /// The highest learning rate.
    LR = "FitConfig::optimizer.lr";
    /// The share of the average that stays at each update.
    EMA_DECAY = "EmaConfig::decay";
    /// The first scale of the loss.
    INIT_SCALE = "LossScaling::init_scale";
    /// What the scale is multiplied by when it grows.
    GROWTH_FACTOR = "LossScaling::growth_factor";
    /// What the scale is multiplied by after an overflow.
    BACKOFF_FACTOR = "LossScaling::backoff_factor";
    /// The good steps after which the scale grows.
    GROWTH_INTERVAL = "LossScaling::growth_interval";
    /// The tasks.
    TASKS = "Fit::tasks";
    /// The folder of the run.
    FOLDER = "Saver::folder";
}
