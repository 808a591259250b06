//! Contrastive objectives: losses against sums in fp64, their gradients against differences of these, the memory of
//! MoCo against its formulas, and chunks against the whole.

use serde_json::{Value, json};
use sst_core::{Batch, Forward, Model, Objective, StepContext, ext};
use sst_data::{SeqRng, Units};
use sst_objectives::contrastive::info_nce::{Compared, info_nce, nt_xent, symmetric_info_nce};
use sst_objectives::{Context, build};
use tch::{Device, Kind, Tensor};

use crate::toy;

const CONTEXT: StepContext = StepContext { step: 0, micro: 0, forward: Forward::TRAIN };
const TEMPERATURE: f64 = 0.1;

type Matrix = Vec<Vec<f64>>;

fn vectors(index: u64, rows: usize, width: usize) -> Matrix {
    let mut rng = SeqRng::new(3, "test.contrastive", 0, index);
    (0..rows).map(|_| (0..width).map(|_| rng.normal()).collect()).collect()
}

fn tensor(x: &Matrix) -> Tensor {
    let flat: Vec<f32> = x.iter().flatten().map(|x| *x as f32).collect();
    let shape = [x.len() as i64, x[0].len() as i64];
    Tensor::from_slice(&flat).reshape(shape).set_requires_grad(true)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The mean cross-entropy of each query with its key, where `sees` says.
fn cross_entropy(
    queries: &[Vec<f64>],
    keys: &[Vec<f64>],
    label: impl Fn(usize) -> usize,
    sees: impl Fn(usize, usize) -> bool,
) -> f64 {
    let one = |i: usize| {
        let logit = |k: usize| cosine(&queries[i], &keys[k]) / TEMPERATURE;
        let sum: f64 = (0..keys.len()).filter(|k| sees(i, *k)).map(|k| logit(k).exp()).sum();
        sum.ln() - logit(label(i))
    };
    (0..queries.len()).map(one).sum::<f64>() / queries.len() as f64
}

/// Compares a loss and its gradients with those of `expected`, by central differences.
fn check(
    name: &str,
    inputs: [Matrix; 2],
    found: impl Fn(&Tensor, &Tensor) -> Compared,
    expected: impl Fn(&Matrix, &Matrix) -> f64,
) {
    let tensors = [tensor(&inputs[0]), tensor(&inputs[1])];
    // What is compared is what fp32 holds.
    let inputs = inputs.map(|x| -> Matrix {
        x.iter().map(|row| row.iter().map(|x| f64::from(*x as f32)).collect()).collect()
    });
    let loss = found(&tensors[0], &tensors[1]).loss;
    let want = expected(&inputs[0], &inputs[1]);
    assert!((loss.double_value(&[]) - want).abs() < 1e-6 * want.max(1.0), "{name}: {loss} {want}");
    loss.backward();
    const STEP: f64 = 1e-5;
    for side in 0..2 {
        let grad = Vec::<f32>::try_from(tensors[side].grad().flatten(0, -1)).unwrap();
        let width = inputs[side][0].len();
        for (at, grad) in grad.iter().enumerate() {
            let moved = |by: f64| {
                let mut inputs = inputs.clone();
                inputs[side][at / width][at % width] += by;
                expected(&inputs[0], &inputs[1])
            };
            let want = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
            assert!((f64::from(*grad) - want).abs() < 2e-6, "{name} {side} {at}: {grad} {want}");
        }
    }
}

#[test]
fn losses_and_gradients_are_those_of_the_formulas() {
    let (left, right) = (vectors(0, 5, 7), vectors(1, 5, 7));
    let more = vectors(2, 9, 7);
    let all = |_: usize, _: usize| true;
    check(
        "info_nce",
        [left.clone(), more],
        |q, k| info_nce(q, k, TEMPERATURE, None).unwrap(),
        |q, k| cross_entropy(q, k, |i| i, all),
    );
    check(
        "symmetric_info_nce",
        [left.clone(), right.clone()],
        |a, b| symmetric_info_nce(a, b, TEMPERATURE).unwrap(),
        |a, b| (cross_entropy(a, b, |i| i, all) + cross_entropy(b, a, |i| i, all)) / 2.0,
    );
    check(
        "nt_xent",
        [left, right],
        |a, b| nt_xent(a, b, TEMPERATURE).unwrap(),
        |a, b| {
            let both = [a.clone(), b.clone()].concat();
            cross_entropy(&both, &both, |i| (i + 5) % 10, |i, k| i != k)
        },
    );
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    let (three, two) = (tensor(&vectors(0, 3, 4)), tensor(&vectors(1, 2, 4)));
    for (error, expected) in [
        (info_nce(&three, &two, 0.1, None).err(), "3 queries cannot be compared with 2 keys"),
        (info_nce(&two, &three, 0.0, None).err(), "temperature of 0 is not above 0"),
        (symmetric_info_nce(&three, &two, 0.1).err(), "no pairs"),
        (nt_xent(&three, &two, 0.1).err(), "no pairs"),
    ] {
        let error = error.unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

fn objective(name: &str, config: &Value, padding_free: bool) -> Box<dyn Objective> {
    let tokenizer = toy::tokenizer();
    let context = Context { tokenizer: &tokenizer, padding_free };
    build(name, config, &context).unwrap()
}

fn batch(objective: &dyn Objective, first: u64, count: u64) -> Batch {
    let tokenizer = toy::tokenizer();
    let examples = toy::rows(&tokenizer, first + count).split_off(first as usize);
    let host = objective.collate().collate(&examples, 1).unwrap();
    assert_eq!(host.units, Units::WholeBatch);
    Batch::from_host(&host, Device::Cpu).unwrap()
}

/// The loss, and the gradients of all parameters that have one.
fn run(
    objective: &dyn Objective,
    model: &dyn Model,
    batch: &Batch,
) -> (f64, Vec<(String, Tensor)>) {
    // libtorch's generator is one for all threads.
    static GENERATOR: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _guard = GENERATOR.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ext::reset_gradients(model.params().iter().map(|(_, p)| p)).unwrap();
    tch::manual_seed(9);
    let loss = objective.loss(model, batch, &CONTEXT).unwrap().loss;
    // As a trainer may scale it.
    (&loss * 3.0).backward();
    let grads = model.params().iter().filter(|(_, param)| param.grad().defined());
    let grads = grads.map(|(name, param)| (name.to_owned(), param.grad().copy())).collect();
    (loss.double_value(&[]), grads)
}

#[test]
fn chunks_give_the_loss_and_the_gradients_of_the_whole() {
    let vocab = toy::tokenizer().vocab_size();
    for name in ["simcse", "nt_xent", "moco"] {
        for padding_free in [false, true] {
            for pooling in ["cls", "mean", "max"] {
                let model = toy::sentence_encoder(vocab, 0.0);
                let config = |chunk: u64| json!({"pooling": pooling, "chunk_rows": chunk, "temperature": 0.2});
                let whole = objective(name, &config(0), padding_free);
                let batch = batch(&*whole, 0, 24);
                let (want, want_grads) = run(&*whole, &*model, &batch);
                let chunked = objective(name, &config(7), padding_free);
                let (found, grads) = run(&*chunked, &*model, &batch);
                let case = format!("{name}, {pooling}, padding_free = {padding_free}");
                assert!((found - want).abs() < 1e-5 * want, "{case}: {found} {want}");
                assert!(!grads.is_empty());
                assert_eq!(grads.len(), want_grads.len(), "{case}");
                let size: f64 =
                    want_grads.iter().map(|(_, g)| g.norm().double_value(&[])).fold(0.0, f64::max);
                for ((name, found), (_, want)) in grads.iter().zip(&want_grads) {
                    let off = (found - want).norm().double_value(&[]);
                    assert!(off <= 1e-5 * size, "{case}: {name}: {off} of {size}");
                }
            }
        }
    }
}

/// The second pass must see the dropout of the first, or gradients would belong to another loss.
#[test]
fn chunks_see_the_same_dropout_twice() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.3);
    let simcse = objective("simcse", &json!({"chunk_rows": 8, "temperature": 0.5}), true);
    let batch = batch(&*simcse, 0, 16);
    let (_, grads) = run(&*simcse, &*model, &batch);
    // Against the difference of the loss along the gradient, whose dropout is seeded alike.
    let length: f64 =
        grads.iter().map(|(_, g)| g.square().sum(Kind::Double).double_value(&[])).sum();
    let at = |by: f64| {
        tch::no_grad(|| {
            for (name, grad) in &grads {
                let mut param = model.params().get(name).unwrap().shallow_clone();
                let _ = param.f_add_(&(grad * by)).unwrap();
            }
        });
        let (loss, _) = run(&*simcse, &*model, &batch);
        tch::no_grad(|| {
            for (name, grad) in &grads {
                let mut param = model.params().get(name).unwrap().shallow_clone();
                let _ = param.f_sub_(&(grad * by)).unwrap();
            }
        });
        loss
    };
    let step = 1e-3 / length.sqrt();
    let slope = (at(step) - at(-step)) / (2.0 * step);
    // The gradients are of three times the loss.
    assert!((3.0 * slope - length).abs() < 0.02 * length, "{slope} {length}");
}

#[test]
fn the_queue_holds_the_last_keys_also_after_a_resume() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    let config = json!({"queue_size": 10, "momentum": 0.9});
    let mut moco = objective("moco", &config, true);
    let mut keys: Vec<Vec<f32>> = Vec::new();
    for step in 0..5 {
        // The keys, from the momentum encoder as it is before the step.
        let momentum = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
        let mut params = momentum;
        for (name, tensor) in moco.state().unwrap() {
            if let Some(name) = name.strip_prefix("momentum.") {
                params.params_mut().assign(name, &tensor).unwrap();
            }
        }
        let batch = batch(&*moco, 4 * step, 4);
        let (_, grads) = run(&*moco, &*model, &batch);
        keys.extend(toy::unit_vectors(&*params, &batch, 4));
        tch::no_grad(|| {
            for (name, grad) in &grads {
                let mut param = model.params().get(name).unwrap().shallow_clone();
                let _ = param.f_sub_(&(grad * 0.1)).unwrap();
            }
            moco.after_update(&*model, step).unwrap();
        });
        let queue = &moco.state().unwrap()["queue"];
        let want = &keys[keys.len().saturating_sub(10)..];
        assert_eq!(queue.size(), [want.len() as i64, 32]);
        let found = Vec::<f32>::try_from(queue.flatten(0, -1)).unwrap();
        let off = found.iter().zip(want.iter().flatten()).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f32::max) < 1e-6, "step {step}");
        // As a resume would.
        let saved = moco.state().unwrap();
        let mut resumed = objective("moco", &config, true);
        resumed.load_state(saved).unwrap();
        moco = resumed;
    }
    let saved = moco.state().unwrap();
    let mut small = objective("moco", &json!({"queue_size": 9}), true);
    let error = small.load_state(saved).unwrap_err().to_string();
    assert!(error.contains("10 keys") && error.contains("queue_size is 9"), "{error}");
}

#[test]
fn the_momentum_encoder_is_the_formula_to_the_last_bit() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    let name = "bert.encoder.layer.0.output.dense.weight";
    let mut moco = objective("moco", &json!({"momentum": 0.97}), true);
    let numbers = |x: &Tensor| Vec::<f32>::try_from(x.detach().flatten(0, -1)).unwrap();
    let mut want = numbers(model.params().get(name).unwrap());
    for step in 0..4 {
        let batch = batch(&*moco, 0, 4);
        let (_, grads) = run(&*moco, &*model, &batch);
        tch::no_grad(|| {
            for (name, grad) in &grads {
                let mut param = model.params().get(name).unwrap().shallow_clone();
                let _ = param.f_sub_(&(grad * 0.1)).unwrap();
            }
            moco.after_update(&*model, step).unwrap();
        });
        for (want, new) in want.iter_mut().zip(numbers(model.params().get(name).unwrap())) {
            *want = 0.97_f64 as f32 * *want + (1.0 - 0.97_f64) as f32 * new;
        }
        let found = numbers(&moco.state().unwrap()[&format!("momentum.{name}")]);
        assert!(found.iter().zip(&want).all(|(a, b)| a.to_bits() == b.to_bits()), "step {step}");
    }
}

#[test]
fn views_are_other_texts_but_keep_their_special_tokens() {
    let tokenizer = toy::tokenizer();
    let config = json!({"delete": 0.3, "mask": 0.2, "swap": 0.2, "crop": 0.8});
    let nt_xent = objective("nt_xent", &config, true);
    let examples = toy::rows(&tokenizer, 20);
    let collate = |seed: u64| nt_xent.collate().collate(&examples, seed).unwrap();
    let host = collate(1);
    assert_eq!(host, collate(1));
    assert_ne!(host, collate(2));
    let Some(sst_data::ArrayData::I64(ids)) = host.get("input_ids").map(|array| array.data())
    else {
        panic!("ids are int64");
    };
    let special = tokenizer.special();
    let (cls, sep) = (i64::from(special.cls.unwrap()), i64::from(special.sep.unwrap()));
    let mut start = 0;
    let mut shorter = 0;
    let lengths = host.row_lengths.clone().unwrap();
    assert_eq!(lengths.len(), 40);
    for (row, length) in lengths.iter().enumerate() {
        let view = &ids[start..start + length];
        let text = examples[row % 20].tokens("input_ids").unwrap();
        assert!(view[0] == cls && view[length - 1] == sep && *length >= 3);
        let mask = i64::from(special.mask.unwrap());
        assert!(view.iter().all(|id| *id == mask || text.contains(&(*id as u32))));
        shorter += usize::from(*length < text.len());
        start += length;
    }
    assert!(shorter > 35, "{shorter}");
}

#[test]
fn an_empty_row_names_its_document() {
    let tokenizer = toy::tokenizer();
    let mut examples = toy::rows(&tokenizer, 2);
    examples[1].fields.insert("input_ids".into(), sst_data::Field::Tokens(vec![]));
    for name in ["simcse", "nt_xent", "moco"] {
        let error = objective(name, &json!({}), true).collate().collate(&examples, 1).unwrap_err();
        assert!(error.to_string().starts_with("toy.txt:2: the row has no token"), "{error}");
    }
}

/// Triplets of different texts, but that the last two have the same partner.
fn triplets() -> Vec<sst_data::Example> {
    let tokenizer = toy::tokenizer();
    let ids = |i: u64, change: &dyn Fn(&mut Vec<u32>)| {
        let mut ids = tokenizer.encode_with_special(&toy::sentence(i)).unwrap();
        change(&mut ids);
        sst_data::Field::Tokens(ids)
    };
    let mut examples = toy::rows(&tokenizer, 5);
    for (i, example) in (0..).zip(&mut examples) {
        let partner = ids(i.min(3), &|ids| ids[1..].reverse());
        let negative = ids(i, &|ids| drop(ids.drain(1..6)));
        example.fields.insert("input_ids.1".into(), partner);
        example.fields.insert("input_ids.2".into(), negative);
    }
    examples
}

#[test]
fn pairs_weigh_their_own_negatives_and_leave_out_false_ones() {
    const WEIGHT: f64 = 2.5;
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    for symmetric in [false, true] {
        let config = json!({
            "temperature": TEMPERATURE, "negative_weight": WEIGHT, "symmetric": symmetric,
        });
        let pairs = objective("pairs", &config, true);
        let host = pairs.collate().collate(&triplets(), 1).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu).unwrap();
        let rows = batch.rows.as_ref().unwrap();
        let input = sst_core::EncoderInput::from_batch(&batch).unwrap();
        let states = tch::no_grad(|| model.encoder().encode(input, Forward::EVAL).unwrap());
        let means = sst_core::nn::Pooling::Mean.apply(&states.hidden_bld, rows).unwrap();
        let all: Matrix = Vec::<Vec<f32>>::try_from(means)
            .unwrap()
            .into_iter()
            .map(|row| row.into_iter().map(f64::from).collect())
            .collect();
        let (texts, keys) = (&all[..5], &all[5..]);
        let there = |i: usize| {
            let term = |k: usize| {
                // Texts 3 and 4 have the same partner, which is no negative of either.
                let is_false = i >= 3 && (3..5).contains(&k) && k != i;
                let weight = if k == 5 + i { WEIGHT } else { 1.0 };
                if is_false {
                    0.0
                } else {
                    weight * (cosine(&texts[i], &keys[k]) / TEMPERATURE).exp()
                }
            };
            (0..10).map(term).sum::<f64>().ln() - cosine(&texts[i], &keys[i]) / TEMPERATURE
        };
        // The other way round the partner is asked for its text, among the texts alone.
        let back = |i: usize| {
            let is_false = |k: usize| i >= 3 && k >= 3 && k != i;
            let term = |k: usize| (cosine(&keys[i], &texts[k]) / TEMPERATURE).exp();
            (0..5).filter(|k| !is_false(*k)).map(term).sum::<f64>().ln()
                - cosine(&keys[i], &texts[i]) / TEMPERATURE
        };
        let mean = |f: &dyn Fn(usize) -> f64| (0..5).map(f).sum::<f64>() / 5.0;
        let want = if symmetric { (mean(&there) + mean(&back)) / 2.0 } else { mean(&there) };
        let (found, _) = run(&*pairs, &*model, &batch);
        assert!((found - want).abs() < 1e-5 * want, "symmetric = {symmetric}: {found} {want}");
    }
}
