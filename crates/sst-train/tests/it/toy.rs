//! A toy model with dropout, a toy objective with a parameter and a state of its own, toy data, and a run
//! over them in a temporary folder.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sst_core::checkpoint::write_tensors;
use sst_core::nn::{Embedding, Linear, dropout};
use sst_core::objective::StateDict;
use sst_core::{
    Batch, Encoder, EncoderInput, EncoderOutput, Error, Evaluator, Event, Forward, Init, LossParts,
    Metrics, Model, Objective, ParamStore, Result, Scope, StepContext, Tracker,
};
use sst_data::batching::{FixedBatches, Position};
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::rows::{Dataset, DatasetError};
use sst_data::{
    ArrayData, Collate, CollateError, Example, Field, HostBatch, Key, Ledger, SeqRng, Units,
};
use sst_train::track::Jsonl;
use sst_train::{
    Fault, Fit, FitConfig, OptimizerConfig, Outcome, Precision, Restored, Saver, ScheduleConfig,
    ScheduleName, TrainError, fit,
};
use tch::{Device, Kind, Tensor};

pub const VOCAB: i64 = 16;
pub const ROWS: u64 = 50;
const WIDTH: i64 = 8;

/// Embedding, dropout, linear.
pub struct Toy {
    params: ParamStore,
    table: Embedding,
    output: Linear,
    dropout: f64,
}

impl Toy {
    pub fn new(dropout: f64) -> Self {
        let store = std::cell::RefCell::new(ParamStore::new(Device::Cpu, Some(5)));
        let scope = Scope::root(&store);
        let normal = Init::Normal(0.5);
        let table = Embedding::new(&scope.sub("table"), VOCAB, WIDTH, None, normal).unwrap();
        let output = Linear::new(&scope.sub("output"), WIDTH, VOCAB, 0.5).unwrap();
        Self { params: store.into_inner(), table, output, dropout }
    }

    pub fn values(&self) -> Vec<(String, Vec<f32>)> {
        self.params.to_cpu().unwrap().into_iter().map(|(name, t)| (name, values(&t))).collect()
    }
}

impl Encoder for Toy {
    fn encode(&self, input: EncoderInput<'_>, forward: Forward) -> Result<EncoderOutput> {
        let hidden = dropout(self.table.forward(input.input_ids)?, self.dropout, forward.train)?;
        let hidden_bld = self.output.forward(&hidden)?;
        Ok(EncoderOutput { hidden_bld, attentions: None, hidden_states: None })
    }

    fn hidden_size(&self) -> i64 {
        VOCAB
    }

    fn max_length(&self) -> usize {
        64
    }

    fn vocab_size(&self) -> usize {
        VOCAB as usize
    }
}

impl Model for Toy {
    fn model_type(&self) -> &'static str {
        "toy"
    }

    fn config(&self) -> serde_json::Value {
        serde_json::json!({ "model_type": "toy" })
    }

    fn params(&self) -> &ParamStore {
        &self.params
    }

    fn params_mut(&mut self) -> &mut ParamStore {
        &mut self.params
    }

    fn encoder(&self) -> &dyn Encoder {
        self
    }
}

/// What a batch of [`NextToken`] says of its units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Count {
    Tokens,
    Whole,
    Nothing,
}

/// Predicts the next token, with a temperature that trains and a running mean of the table as its state.
pub struct NextToken {
    params: ParamStore,
    mean: Tensor,
    pub count: Count,
}

impl NextToken {
    pub fn new() -> Self {
        let mut params = ParamStore::new(Device::Cpu, Some(6));
        params.add("temperature", &[1], Init::Ones).unwrap();
        let mean = Tensor::zeros([WIDTH], (Kind::Float, Device::Cpu));
        Self { params, mean, count: Count::Tokens }
    }

    pub fn values(&self) -> Vec<f32> {
        [values(self.params.get("temperature").unwrap()), values(&self.mean)].concat()
    }
}

struct Shift(Count);

impl Collate for Shift {
    fn collate(
        &self,
        examples: &[Example],
        _seed: u64,
    ) -> std::result::Result<HostBatch, CollateError> {
        let rows: Vec<&[u32]> = examples.iter().map(|e| e.tokens("input_ids").unwrap()).collect();
        let shape = [rows.len(), rows[0].len() - 1];
        let ids = rows.iter().flat_map(|row| row[..shape[1]].iter().map(|id| i64::from(*id)));
        let labels = rows.iter().flat_map(|row| row[1..].iter().map(|id| i64::from(*id)));
        let tokens = (shape[0] * shape[1]) as u64;
        let units = match self.0 {
            Count::Tokens => Units::Count(tokens),
            Count::Whole => Units::WholeBatch,
            Count::Nothing => Units::Count(0),
        };
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        Ok(HostBatch::new(units, keys)
            .with("input_ids", &shape, ArrayData::I64(ids.collect()))?
            .with("labels", &[shape[0] * shape[1]], ArrayData::I64(labels.collect()))?
            .with_tokens(tokens, tokens))
    }
}

impl Objective for NextToken {
    fn name(&self) -> &'static str {
        "next_token"
    }

    fn collate(&self) -> Arc<dyn Collate> {
        Arc::new(Shift(self.count))
    }

    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let input = EncoderInput::from_batch(batch)?;
        let logits = model.encoder().encode(input, context.forward)?.hidden_bld.f_flatten(0, 1)?;
        let temperature = self.params.get("temperature").unwrap();
        let labels = batch.get("labels")?;
        let loss = logits.f_mul(temperature)?.f_to_kind(Kind::Float)?.f_cross_entropy_loss(
            labels,
            None::<Tensor>,
            tch::Reduction::Sum,
            -100,
            0.0,
        )?;
        let correct = logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Float)?;
        Ok(LossParts { loss, sums: vec![("correct", correct)] })
    }

    fn params(&self) -> Option<&ParamStore> {
        Some(&self.params)
    }

    fn after_update(&mut self, model: &dyn Model, _step: u64) -> Result<()> {
        let table = model.params().get("table.weight").unwrap();
        let now = table.f_mean_dim([0_i64].as_slice(), false, Kind::Float)?;
        self.mean = self.mean.f_mul_scalar(0.9)?.f_add(&now.f_mul_scalar(0.1)?)?;
        Ok(())
    }

    fn state(&self) -> Result<StateDict> {
        Ok(StateDict::from([("mean".to_owned(), self.mean.shallow_clone())]))
    }

    fn load_state(&mut self, mut state: StateDict) -> Result<()> {
        let mean = state.remove("mean");
        self.mean = mean.ok_or_else(|| Error::Contract("the state lacks `mean`".into()))?;
        Ok(())
    }
}

/// Rows that count upwards from a random token, with now and then another.
#[derive(Default)]
struct Rows {
    drawn: AtomicU64,
    /// Set this flag when so many samples have been drawn: the signal arrives in the middle of a step.
    stop: Option<(u64, Arc<AtomicBool>)>,
}

impl Dataset for Rows {
    fn len(&self) -> u64 {
        ROWS
    }

    fn row_length(&self, _index: u64) -> usize {
        9
    }

    fn get(&self, index: u64, epoch: u64) -> std::result::Result<Example, DatasetError> {
        let drawn = self.drawn.fetch_add(1, Ordering::SeqCst) + 1;
        if let Some((_, flag)) = self.stop.as_ref().filter(|(limit, _)| drawn == *limit) {
            flag.store(true, Ordering::SeqCst);
        }
        let mut rng = SeqRng::new(1, "rows", 0, index);
        let start = rng.below(VOCAB as u64);
        let tokens = (0..9).map(|i| {
            let other = if rng.chance(0.1) { rng.below(VOCAB as u64) } else { 0 };
            ((start + i + other) % VOCAB as u64) as u32
        });
        let tokens = Field::Tokens(tokens.collect());
        Ok(Example { epoch, ..Example::new(self.key(index), index, "input_ids", tokens) })
    }

    fn key(&self, index: u64) -> Key {
        Key::new("rows.txt", index + 1)
    }
}

/// The mean loss on the first rows, without dropout.
pub struct HeldOut;

impl Evaluator for HeldOut {
    fn name(&self) -> &str {
        "held"
    }

    fn evaluate(&mut self, model: &dyn Model) -> Result<Metrics> {
        let examples: Vec<_> = (0..8).map(|i| Rows::default().get(i, 0).unwrap()).collect();
        let host = Shift(Count::Tokens).collate(&examples, 0).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu)?;
        let context = StepContext { step: 0, micro: 0, forward: Forward::EVAL };
        let loss = tch::no_grad(|| NextToken::new().loss(model, &batch, &context))?.loss;
        Ok(Metrics::from([("loss".into(), loss.double_value(&[]) / 64.0)]))
    }
}

/// Keeps all events.
#[derive(Clone, Default)]
pub struct Record(pub Arc<std::sync::Mutex<Vec<Event>>>);

impl Tracker for Record {
    fn on_event(&mut self, event: &Event) -> Result<()> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}

pub fn config(total_steps: u64) -> FitConfig {
    FitConfig {
        total_steps,
        max_grad_norm: Some(0.5),
        log_every: 3,
        eval_every: None,
        save_every: None,
        keep: 2,
        precision: Precision::Fp32,
        seed: 7,
        device: Device::Cpu,
        optimizer: OptimizerConfig { lr: 0.05, ..OptimizerConfig::default() },
        // Constant, so that a run of ten steps is the beginning of one of twenty.
        schedule: ScheduleConfig { name: ScheduleName::Constant, ..ScheduleConfig::default() },
    }
}

/// A run: what it works on, and how it is varied.
pub struct Run<'a> {
    pub folder: &'a Path,
    pub model: Toy,
    pub objective: NextToken,
    pub micro_batch_size: usize,
    pub fault: Option<Fault>,
    pub ledger: Ledger,
    pub record: Record,
    pub stop: Arc<AtomicBool>,
    /// Ask it to stop during this step, counted from where it starts.
    pub stop_after: Option<u64>,
    /// Fail the export at this step.
    pub broken_export: Option<u64>,
}

impl<'a> Run<'a> {
    pub fn new(folder: &'a Path) -> Self {
        Self {
            folder,
            model: Toy::new(0.2),
            objective: NextToken::new(),
            micro_batch_size: 8,
            fault: None,
            ledger: Ledger::new(),
            record: Record::default(),
            stop: Arc::new(AtomicBool::new(false)),
            stop_after: None,
            broken_export: None,
        }
    }

    pub fn saver(&self) -> Saver {
        Saver::new(self.folder)
    }

    /// Runs anew.
    pub fn fit(&mut self, config: FitConfig) -> std::result::Result<Outcome, TrainError> {
        self.go(config, None)
    }

    /// Goes on from the latest good checkpoint.
    pub fn resume(&mut self, config: FitConfig) -> std::result::Result<Outcome, TrainError> {
        let checkpoint = self.saver().latest_good()?.expect("a checkpoint");
        let restored = checkpoint.restore(&mut self.model, &mut self.objective)?;
        self.go(config, Some(restored))
    }

    fn go(
        &mut self,
        config: FitConfig,
        resume: Option<Restored>,
    ) -> std::result::Result<Outcome, TrainError> {
        let saver = self.saver();
        let step = resume.as_ref().map_or(0, |restored| restored.state.step);
        let jsonl = Jsonl::open(&self.folder.join("metrics.jsonl"), step)?;
        let (collate, micro, seed) = (self.objective.collate(), self.micro_batch_size, config.seed);
        let stop = self.stop_after.map(|step| (step * 8 - 3, Arc::clone(&self.stop)));
        let open_loader = move |from: Position| {
            let steps = FixedBatches::new(seed, ROWS, 8, micro).unwrap();
            let settings = LoaderConfig { seed, workers: 0, ..LoaderConfig::default() };
            let rows = Rows { stop: stop.clone(), ..Rows::default() };
            Ok(Loader::new(Arc::new(rows), collate.clone(), Arc::new(steps), settings, from)?)
        };
        let broken = self.broken_export;
        let export = |model: &dyn Model, folder: &Path, metrics: &Metrics| {
            if broken.is_some_and(|step| folder.to_string_lossy().contains(&format!("{step:08}"))) {
                return Err(TrainError::Other("the export is broken".into()));
            }
            assert!(!metrics.is_empty(), "a card needs figures");
            let tensors = model.params().to_cpu()?;
            write_tensors(&folder.join("model.safetensors"), &tensors, &[])?;
            let config = model.config().to_string();
            sst_data::atomic::write(&folder.join("config.json"), config.as_bytes()).unwrap();
            Ok(())
        };
        let mut trackers: Vec<Box<dyn Tracker>> =
            vec![Box::new(jsonl), Box::new(self.record.clone())];
        let mut evaluators: Vec<Box<dyn Evaluator>> = vec![Box::new(HeldOut)];
        fit(Fit {
            config,
            model: &mut self.model,
            objective: &mut self.objective,
            open_loader: &open_loader,
            evaluators: &mut evaluators,
            trackers: &mut trackers,
            saver: &saver,
            export: &export,
            ledger: &self.ledger,
            stop: &self.stop,
            resume,
            fault: self.fault,
        })
    }
}

pub fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::<f32>::try_from(tensor.detach().flatten(0, -1)).unwrap()
}
