//! `[train]`: length, precision, logging, evaluation and checkpoints. Parts of the section with more than a key or
//! two have a file each.

pub(super) mod batching;
pub(super) mod budget;
mod checkpointing;
pub(super) mod early_stopping;
pub(super) mod ema;
pub(super) mod inject;
pub(super) mod keep;
pub(super) mod loss_scaling;
pub(super) mod online_eval;
pub(super) mod optimizer;
pub(super) mod schedule;
pub(super) mod unfreeze;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sst_train::{
    EarlyStopping, EmaConfig, FitConfig, LossScaling, OptimizerConfig, PrecisionChoice, setting,
};

pub use self::batching::{BatchWarmup, Batching, BatchingSection, LengthWarmup};
pub use self::budget::Budget;
pub use self::checkpointing::Checkpointing;
pub use self::inject::Inject;
pub use self::keep::Keep;
pub use self::online_eval::OnlineEval;
pub use self::schedule::Schedule;
pub use self::unfreeze::UnfreezeSection;

use self::batching::BatchingFile;
use self::keep::KeepFile;
use self::schedule::ScheduleFile;
use super::duration::{Duration, Scale};
use super::error::{Problem, require};
use super::limits::MOST_REAL;
use super::section;
use super::{Effect, Idle, Keys, RunConfig};

/// `[train]` as it is written, without the keys of [`BatchingFile`].
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TrainFile {
    steps: Option<Duration>,
    precision: Option<PrecisionChoice>,
    max_grad_norm: Option<f64>,
    log_every: Option<Duration>,
    eval_every: Option<Duration>,
    save_every: Option<Duration>,
    activation_checkpointing: Option<Checkpointing>,
    freeze: Vec<String>,
    unfreeze: Option<UnfreezeSection>,
    early_stopping: Option<EarlyStopping>,
    online_eval: Option<OnlineEval>,
    async_save: Option<bool>,
    measure_mfu: Option<bool>,
    allow_tf32: bool,
    bf16_weights: bool,
    loss_scaling: LossScaling,
    ema: Option<EmaConfig>,
    budget: Budget,
    keep: KeepFile,
    inject: Inject,
    optimizer: OptimizerConfig,
    schedule: ScheduleFile,
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Train {
    /// The length of the training. It has no default.
    pub steps: Duration,
    /// How rows become steps and micro-batches.
    #[serde(flatten)]
    pub batching: BatchingSection,
    /// The precision. `auto`, the default, is bf16 if the device computes it fast and fp32 otherwise; when the run
    /// starts, it is replaced by the precision in use.
    pub precision: PrecisionChoice,
    /// The gradient norm to clip to; 0 means no clipping. Default: 1.
    pub max_grad_norm: f64,
    /// How often metrics are logged. Default: every 10 steps.
    pub log_every: Duration,
    /// How often the model is evaluated; 0 evaluates only at the end. Default: every tenth of the run.
    pub eval_every: Duration,
    /// How often a checkpoint is saved; 0 saves only at the end. Default: every tenth of the run.
    pub save_every: Duration,
    /// The layers whose activations are recomputed in the backward pass. Default: none.
    pub activation_checkpointing: Checkpointing,
    /// Prefixes of the names of parameters that are not trained. Default: none.
    pub freeze: Vec<String>,
    /// `[train.unfreeze]`: which layers are trained. Default: all from the first step on.
    pub unfreeze: Option<UnfreezeSection>,
    /// `[train.early_stopping]`: ends the run when the metric of `[train.keep]` has not improved. Default: never.
    pub early_stopping: Option<EarlyStopping>,
    /// `[train.online_eval]`: evaluators of frozen vectors of pictures, which run at every evaluation. Default: none.
    pub online_eval: Option<OnlineEval>,
    /// Whether checkpoints are written while training goes on. Default: true.
    pub async_save: bool,
    /// Whether to log the fraction of the device's peak speed that is used (MFU). Default: false.
    pub measure_mfu: bool,
    /// Whether fp32 matrix products may use TF32 on a GPU. Default: false.
    pub allow_tf32: bool,
    /// Whether the weights are bf16; the remaining bits of fp32 are stored separately. Default: false.
    pub bf16_weights: bool,
    /// `[train.loss_scaling]`, for fp16.
    pub loss_scaling: LossScaling,
    /// `[train.ema]`: a moving average of the weights, which is evaluated and exported. Default: none.
    pub ema: Option<EmaConfig>,
    /// `[train.budget]`
    pub budget: Budget,
    /// `[train.keep]`
    pub keep: Keep,
    /// `[train.inject]`
    pub inject: Inject,
    /// `[train.optimizer]`
    pub optimizer: OptimizerConfig,
    /// `[train.schedule]`
    pub schedule: Schedule,
}

pub(super) const KEYS: Keys = Keys {
    limits: &[
        ("train.max_grad_norm", 0.0, MOST_REAL),
        ("train.activation_checkpointing", 0.0, checkpointing::MOST),
    ],
    may_differ: &[
        ("train.steps", Effect::LastBits),
        ("train.log_every", Effect::None),
        ("train.eval_every", Effect::None),
        ("train.save_every", Effect::None),
        ("train.activation_checkpointing", Effect::None),
        ("train.async_save", Effect::None),
        ("train.measure_mfu", Effect::None),
    ],
    durations,
    idle,
    settings: &[
        (setting::TOTAL_STEPS, "train.steps"),
        (setting::LOG_EVERY, "train.log_every"),
        (setting::PRECISION, "train.precision"),
        (setting::BF16_WEIGHTS, "train.bf16_weights"),
        (setting::FREEZE, "train.freeze"),
        (setting::FLOPS_PER_TOKEN, "train.measure_mfu"),
    ],
    ..Keys::NONE
};

impl Train {
    /// Reads `[train]` and fills in the defaults. `max_length` is the length of the longest row.
    pub(super) fn fill(section: &Map<String, Value>, max_length: usize) -> Result<Self, Problem> {
        let mut rest = section.clone();
        let batching: BatchingFile =
            section::take("train", &mut rest, section::keys::<TrainFile>())?;
        let file: TrainFile = section::parse("train", &Value::Object(rest))?;
        let Some(steps) = file.steps else {
            let message = "is missing: write how long to train, as in \"1500step\" or \"3epoch\"";
            return Err(Problem::new("train.steps", message));
        };
        Ok(Self {
            steps,
            batching: batching.fill(max_length)?,
            precision: file.precision.unwrap_or(PrecisionChoice::Auto),
            max_grad_norm: file.max_grad_norm.unwrap_or(1.0),
            log_every: file.log_every.unwrap_or(Duration::Steps(10)),
            eval_every: file.eval_every.unwrap_or(Duration::Run(0.1)),
            save_every: file.save_every.unwrap_or(Duration::Run(0.1)),
            activation_checkpointing: file
                .activation_checkpointing
                .unwrap_or(Checkpointing::All(false)),
            freeze: file.freeze,
            unfreeze: file.unfreeze,
            early_stopping: file.early_stopping,
            online_eval: file.online_eval,
            async_save: file.async_save.unwrap_or(true),
            measure_mfu: file.measure_mfu.unwrap_or(false),
            allow_tf32: file.allow_tf32,
            bf16_weights: file.bf16_weights,
            loss_scaling: file.loss_scaling,
            ema: file.ema,
            budget: file.budget,
            keep: file.keep.fill(file.early_stopping.is_some()),
            inject: file.inject,
            optimizer: file.optimizer,
            schedule: file.schedule.fill(),
        })
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        self.batching.check()?;
        self.inject.check()?;
        self.activation_checkpointing.check()?;
        let can_be_bf16 = matches!(self.precision, PrecisionChoice::Auto | PrecisionChoice::Bf16);
        let fits = !self.bf16_weights || can_be_bf16;
        require(
            fits,
            "train.bf16_weights",
            "applies only to train.precision = \"bf16\" or \"auto\"",
        )?;
        require(!self.steps.is_zero(), "train.steps", "is zero: there would be nothing to do")?;
        let whole = !matches!(self.steps, Duration::Run(_));
        let message = "cannot be a fraction of the run: write it in step, epoch or tok";
        require(whole, "train.steps", message)?;
        require(!self.log_every.is_zero(), "train.log_every", "must be at least one step")?;
        let clip = self.max_grad_norm;
        require(clip >= 0.0, "train.max_grad_norm", "must be above 0, or 0 for no clipping")?;
        ema::check(self.ema.as_ref())?;
        optimizer::check(&self.optimizer)?;
        self.schedule.check(self.steps)
    }

    /// The settings of the training loop for a run of `total_steps` steps, with every duration in steps. The caller
    /// sets seed, device and precision.
    pub(crate) fn fit_config(&self, scale: Scale, total_steps: u64) -> FitConfig {
        let every = |duration: Duration| match duration.steps(scale, total_steps) {
            0 => None,
            steps => Some(steps),
        };
        FitConfig {
            total_steps,
            max_grad_norm: (self.max_grad_norm > 0.0).then_some(self.max_grad_norm),
            log_every: every(self.log_every).unwrap_or(1),
            eval_every: every(self.eval_every),
            save_every: every(self.save_every),
            optimizer: self.optimizer,
            schedule: self.schedule.in_steps(scale, total_steps),
            max_tokens: self.budget.tokens,
            max_seconds: self.budget.seconds,
            retention: self.keep.retention(scale, total_steps),
            async_save: self.async_save,
            loss_scaling: self.loss_scaling,
            allow_tf32: self.allow_tf32,
            bf16_weights: self.bf16_weights,
            freeze: self.freeze.clone(),
            unfreeze: self.unfreeze.map(|unfreeze| unfreeze.in_steps(scale, total_steps)),
            early_stopping: self.early_stopping,
            ema: self.ema,
            ..FitConfig::default()
        }
    }
}

fn durations(config: &RunConfig) -> Vec<(String, Duration)> {
    let train = &config.train;
    vec![
        ("train.steps".to_owned(), train.steps),
        ("train.log_every".to_owned(), train.log_every),
        ("train.eval_every".to_owned(), train.eval_every),
        ("train.save_every".to_owned(), train.save_every),
    ]
}

fn idle(config: &RunConfig) -> Vec<Idle> {
    let mut found = Vec::<Idle>::new();
    if config.run.device == "cpu" {
        found.push(("train.allow_tf32".to_owned(), json!(false), "applies only to GPUs"));
    }
    if config.tasks.list.iter().all(|task| task.data.validation == 0.0) {
        let why = "data.validation = 0 leaves nothing to evaluate on";
        found.push(("train.eval_every".to_owned(), json!("0.1run"), why));
    }
    found
}
