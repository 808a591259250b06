//! Compares the losses of `classify`, `tag` and `answer` with those of transformers' task heads.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sst_core::checkpoint::Weights;
use sst_core::{Batch, Forward, Model, StepContext};
use sst_data::{ArrayData, Example, Field, HostBatch, Key, Normalizer};
use sst_models::{LoadOptions, open};
use sst_objectives::{Context, build};
use tch::{Device, Kind, Tensor};

use crate::toy;

const CONTEXT: StepContext = StepContext { step: 0, micro: 0, forward: Forward::TRAIN };

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/heads").join(name)
}

/// A golden case of a head and its model.
struct Case {
    name: &'static str,
    case: Weights,
    model: Box<dyn Model>,
}

impl Case {
    fn open(name: &'static str) -> Self {
        let case = Weights::open(&folder(name).join("case.safetensors")).unwrap();
        let model = open(&folder(name), &LoadOptions::new(Device::Cpu)).unwrap().model;
        Self { name, case, model }
    }

    fn get(&self, name: &str) -> Tensor {
        self.case.tensor(name).unwrap()
    }

    /// The ids of each row without padding.
    fn rows(&self) -> Vec<Vec<u32>> {
        let (ids, mask) = (self.get("input_ids"), self.get("attention_mask"));
        let row = |row: i64| {
            let length = mask.get(row).sum(Kind::Int64).int64_value(&[]);
            let ids = Vec::<i64>::try_from(ids.get(row).narrow(0, 0, length)).unwrap();
            ids.into_iter().map(|id| id as u32).collect()
        };
        (0..ids.size()[0]).map(row).collect()
    }

    /// Checks the mean loss and every gradient against those of transformers.
    fn check(&self, mean: &Tensor) {
        let (got, want) = (mean.double_value(&[]), self.get("loss").double_value(&[]));
        assert!((got - want).abs() < 1e-5 * want, "{}: {got} {want}", self.name);
        mean.f_backward().unwrap();
        let mut compared = 0;
        for (parameter, tensor) in self.model.params().trainable() {
            let Ok(want) = self.case.tensor(&format!("grad.{parameter}")) else { continue };
            let size = want.norm().double_value(&[]);
            let difference = (tensor.grad() - &want).norm().double_value(&[]);
            // Where the exact gradient is 0, only rounding errors are left of it.
            let tolerance = 1e-5 * size.max(1e-2);
            let name = self.name;
            assert!(difference <= tolerance, "{name}: {parameter}: {difference} of {size}");
            compared += 1;
        }
        assert!(compared > 10, "{}: {compared}", self.name);
    }
}

fn example(row: usize, ids: Vec<u32>) -> Example {
    Example::new(Key::new("golden", row as u64 + 1), row as u64, "input_ids", Field::Tokens(ids))
}

fn i64s(tensor: &Tensor) -> Vec<i64> {
    Vec::<i64>::try_from(tensor.flatten(0, -1)).unwrap()
}

/// The mean loss of an objective on examples.
fn mean_loss(
    objective: (&str, Value),
    case: &Case,
    examples: &[Example],
    outputs: &[String],
    padding_free: bool,
) -> Tensor {
    let tokenizer = toy::tokenizer();
    let context = Context { outputs, labels: outputs, ..toy::context(&tokenizer, padding_free) };
    let built = build(objective.0, &objective.1, &context).unwrap();
    let host = built.collate().collate(examples, 1).unwrap();
    let Normalizer::Count(count) = host.normalizer else { panic!() };
    let batch = Batch::from_host(&host, Device::Cpu).unwrap();
    built.loss(&*case.model, &batch, &CONTEXT).unwrap().loss / count as f64
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|id| format!("c{id}")).collect()
}

#[test]
fn several_classes_and_numbers_have_the_loss_of_transformers() {
    for (name, padding_free) in
        [("several", false), ("several", true), ("gpt2-several", true), ("llama-several", true)]
    {
        let case = Case::open(name);
        let labels = case.get("labels");
        let examples = case.rows().into_iter().enumerate().map(|(row, ids)| {
            let mut example = example(row, ids);
            let has = (0..3).filter(|class| labels.double_value(&[row as i64, *class]) > 0.5);
            example.fields.insert("labels".into(), Field::Ints(has.collect()));
            example
        });
        let (examples, outputs) = (examples.collect::<Vec<_>>(), names(3));
        let objective = ("classify", json!({"problem": "multi_label"}));
        case.check(&mean_loss(objective, &case, &examples, &outputs, padding_free));
    }
    for (name, padding_free) in
        [("regression", false), ("gpt2-regression", true), ("llama-regression", true)]
    {
        let case = Case::open(name);
        let labels = case.get("labels");
        let examples = case.rows().into_iter().enumerate().map(|(row, ids)| {
            let mut example = example(row, ids);
            let number = labels.double_value(&[row as i64]);
            example.fields.insert("label".into(), Field::Float(number));
            example
        });
        let examples: Vec<_> = examples.collect();
        let objective = ("classify", json!({"problem": "regression"}));
        case.check(&mean_loss(objective, &case, &examples, &names(1), padding_free));
    }
}

#[test]
fn class_weights_are_those_of_pytorch() {
    let weights = [2.0, 0.5, 1.0];
    let case = Case::open("sequence");
    let labels = i64s(&case.get("labels"));
    let examples = case.rows().into_iter().zip(&labels).enumerate().map(|(row, (ids, label))| {
        let mut example = example(row, ids);
        example.fields.insert("label".into(), Field::Int(*label));
        example
    });
    let (examples, outputs) = (examples.collect::<Vec<_>>(), names(3));
    let config = json!({"class_weights": {"c0": 2.0, "c1": 0.5}});
    let got = mean_loss(("classify", config), &case, &examples, &outputs, false);
    let log_p = case.get("logits").log_softmax(-1, Kind::Double);
    let of_row =
        |(row, label): (i64, &i64)| -weights[*label as usize] * log_p.double_value(&[row, *label]);
    let want = (0..).zip(&labels).map(of_row).sum::<f64>() / labels.len() as f64;
    assert!((got.double_value(&[]) - want).abs() < 1e-5 * want, "{got:?} {want}");

    let case = Case::open("several");
    let labels = case.get("labels");
    let examples = case.rows().into_iter().enumerate().map(|(row, ids)| {
        let mut example = example(row, ids);
        let has = (0..3).filter(|class| labels.double_value(&[row as i64, *class]) > 0.5);
        example.fields.insert("labels".into(), Field::Ints(has.collect()));
        example
    });
    let examples: Vec<_> = examples.collect();
    let config = json!({"problem": "multi_label", "class_weights": {"c0": 2.0, "c1": 0.5}});
    let got = mean_loss(("classify", config), &case, &examples, &outputs, false);
    let want = case.get("logits").to_kind(Kind::Double).binary_cross_entropy_with_logits(
        &labels.to_kind(Kind::Double),
        None::<Tensor>,
        Some(Tensor::from_slice(&weights)),
        tch::Reduction::Mean,
    );
    let (got, want) = (got.double_value(&[]), want.double_value(&[]));
    assert!((got - want).abs() < 1e-5 * want, "{got} {want}");
    let unknown = json!({"class_weights": {"c7": 2.0}});
    let tokenizer = toy::tokenizer();
    let context = Context { outputs: &outputs, ..toy::context(&tokenizer, true) };
    let error = build("classify", &unknown, &context).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("class_weights.c7") && error.contains("c0, c1, c2"), "{error}");
}

/// The batch that `tag` would make of a golden case, whose labels stand at any token.
fn tag_batch(case: &Case) -> HostBatch {
    let (mut ids, mut lengths, mut positions, mut labels) = (vec![], vec![], vec![], vec![]);
    let golden = case.get("labels");
    for (row, tokens) in case.rows().into_iter().enumerate() {
        for at in 0..tokens.len() {
            let label = golden.int64_value(&[row as i64, at as i64]);
            if label >= 0 {
                positions.push((ids.len() + at) as i64);
                labels.push(label);
            }
        }
        lengths.push(tokens.len());
        ids.extend(tokens.into_iter().map(i64::from));
    }
    let count = labels.len();
    let keys = lengths.iter().map(|_| Key::new("golden", 1)).collect();
    HostBatch::new(Normalizer::Count(count as u64), keys)
        .with("input_ids", &[ids.len()], ArrayData::I64(ids))
        .unwrap()
        .with_row_lengths(lengths)
        .with("label_positions", &[count], ArrayData::I64(positions))
        .unwrap()
        .with("labels", &[count], ArrayData::I64(labels))
        .unwrap()
}

#[test]
fn the_labels_of_tokens_have_the_loss_of_transformers() {
    for name in ["token", "gpt2-token", "llama-token"] {
        let case = Case::open(name);
        let tokenizer = toy::tokenizer();
        let objective = build("tag", &json!({}), &toy::context(&tokenizer, true)).unwrap();
        let host = tag_batch(&case);
        let Normalizer::Count(count) = host.normalizer else { panic!() };
        let batch = Batch::from_host(&host, Device::Cpu).unwrap();
        let loss = objective.loss(&*case.model, &batch, &CONTEXT).unwrap().loss;
        case.check(&(loss / count as f64));
    }
}

/// The golden loss counts the scores of padding, so only cases without padding have the same loss.
#[test]
fn answers_have_the_loss_of_transformers() {
    for (name, padding_free) in [("gpt2-span", true), ("gpt2-span", false), ("llama-span", true)] {
        let case = Case::open(name);
        let (starts, ends) = (case.get("start_positions"), case.get("end_positions"));
        let examples = case.rows().into_iter().enumerate().map(|(row, ids)| {
            let mut example = example(row, ids);
            let at = |positions: &Tensor| positions.int64_value(&[row as i64]) as usize;
            let (start, end) = (at(&starts), at(&ends) + 1);
            let answers = Field::Spans(vec![sst_data::Span { start, end, label: None }]);
            example.fields.insert("answers".into(), answers);
            example.fields.insert("answers.index".into(), Field::Ints(vec![0]));
            example
        });
        let examples: Vec<_> = examples.collect();
        case.check(&mean_loss(("answer", json!({})), &case, &examples, &[], padding_free));
    }
    // A row alone has no padding, so the padded golden case has these losses too.
    let case = Case::open("span");
    let (logits, mask) = (case.get("logits"), case.get("attention_mask"));
    let rows = case.rows();
    let examples = rows.iter().enumerate().map(|(row, ids)| {
        let mut example = example(row, ids.clone());
        let start = case.get("start_positions").int64_value(&[row as i64]) as usize;
        let end = case.get("end_positions").int64_value(&[row as i64]) as usize + 1;
        let answers = Field::Spans(vec![sst_data::Span { start, end, label: None }]);
        example.fields.insert("answers".into(), answers);
        example.fields.insert("answers.index".into(), Field::Ints(vec![0]));
        example
    });
    let examples: Vec<_> = examples.collect();
    for padding_free in [false, true] {
        let got = mean_loss(("answer", json!({})), &case, &examples, &[], padding_free);
        let mut want = 0.0;
        for (row, ids) in (0..).zip(&rows) {
            assert_eq!(mask.get(row).sum(Kind::Int64).int64_value(&[]), ids.len() as i64);
            let scores = logits.get(row).narrow(0, 0, ids.len() as i64);
            for (which, name) in [(0, "start_positions"), (1, "end_positions")] {
                let log_p = scores.select(1, which).log_softmax(-1, Kind::Double);
                let at = case.get(name).int64_value(&[row]);
                want -= log_p.double_value(&[at]) / 2.0;
            }
        }
        let (got, want) = (got.double_value(&[]), want / rows.len() as f64);
        assert!((got - want).abs() < 1e-5 * want, "{got} {want}");
    }
}

/// A window whose tokens are `words`: the number of tokens of each word.
fn window(words: &[usize], entities: &[(usize, usize, u32, i64)], scored: (i64, i64)) -> Example {
    let tokens: usize = words.iter().sum();
    let mut row = example(0, (0..tokens as u32 + 2).collect());
    let starts =
        words.iter().flat_map(|count| std::iter::once(1).chain(std::iter::repeat_n(0, count - 1)));
    let offsets = (0..tokens).map(|at| sst_data::Span { start: at, end: at + 1, label: None });
    let spans = entities.iter().map(|(start, end, label, _)| sst_data::Span {
        start: *start,
        end: *end,
        label: Some(*label),
    });
    let cuts = entities.iter().map(|(.., cut)| *cut);
    for (name, field) in [
        ("record", Field::Int(0)),
        ("window", Field::Ints(vec![0, 2, 0])),
        ("window_positions", Field::Ints(vec![1, scored.0, scored.1])),
        ("word_starts", Field::Ints(starts.collect())),
        ("token_offsets", Field::Spans(offsets.collect())),
        ("entities", Field::Spans(spans.collect())),
        ("entities.cut_words", Field::Ints(cuts.collect())),
    ] {
        row.fields.insert(name.into(), field);
    }
    row
}

/// The positions that `tag` labels in a window, with the names of the labels.
fn labelled(scheme: &str, row: &Example) -> Vec<(i64, String)> {
    let types = ["PER".to_owned(), "LOC".to_owned()];
    let entry = sst_objectives::entry("tag").unwrap();
    let config = json!({"scheme": scheme});
    let outputs = (entry.classes.unwrap().outputs)(&config, &types).unwrap();
    let tokenizer = toy::tokenizer();
    let context = Context { labels: &types, outputs: &outputs, ..toy::context(&tokenizer, true) };
    let objective = build("tag", &config, &context).unwrap();
    let host = objective.collate().collate(std::slice::from_ref(row), 1).unwrap();
    let ints = |name: &str| match host.get(name).unwrap().data() {
        ArrayData::I64(values) => values.clone(),
        _ => panic!("{name} holds no integers"),
    };
    let names = ints("labels").into_iter().map(|output| outputs[output as usize].clone());
    ints("label_positions").into_iter().zip(names).collect()
}

#[test]
fn the_first_token_of_each_word_is_labelled_in_every_scheme() {
    // Words of 1, 3, 1, 2 and 1 tokens, after one special token: they begin at 1, 2, 5, 6 and 8.
    let words = [1, 3, 1, 2, 1];
    let check = |scheme: &str, row: &Example, expected: &[(i64, &str)]| {
        let got = labelled(scheme, row);
        let got: Vec<(i64, &str)> = got.iter().map(|(at, name)| (*at, name.as_str())).collect();
        assert_eq!(got, expected, "{scheme}");
    };
    let row = window(&words, &[(2, 6, 0, 0), (6, 8, 0, 0)], (1, 9));
    check("IOB2", &row, &[(1, "O"), (2, "B-PER"), (5, "I-PER"), (6, "B-PER"), (8, "O")]);
    check("IO", &row, &[(1, "O"), (2, "I-PER"), (5, "I-PER"), (6, "I-PER"), (8, "O")]);
    check("BIOES", &row, &[(1, "O"), (2, "B-PER"), (5, "E-PER"), (6, "S-PER"), (8, "O")]);
    // Only what the window scores is labelled.
    let row = window(&words, &[(2, 6, 1, 0)], (5, 7));
    check("auto", &row, &[(5, "I-LOC"), (6, "O")]);
    // An entity of which the window has a part goes on beyond it.
    let row = window(&words, &[(1, 5, 0, 1), (6, 9, 1, 2)], (1, 9));
    check("BIOES", &row, &[(1, "I-PER"), (2, "E-PER"), (5, "O"), (6, "B-LOC"), (8, "I-LOC")]);
    // An entity within a word has the whole word, and a word that two entities share belongs to the first one.
    let row = window(&words, &[(3, 4, 0, 0), (4, 6, 1, 0)], (1, 9));
    check("IOB2", &row, &[(1, "O"), (2, "B-PER"), (5, "B-LOC"), (6, "O"), (8, "O")]);
}

#[test]
fn a_head_with_other_labels_is_refused_or_kept_in_its_own_order() {
    let tokenizer = toy::tokenizer();
    let types = ["PER".to_owned()];
    let error = |config: Value, outputs: &[&str]| {
        let outputs: Vec<String> = outputs.iter().map(|name| (*name).to_owned()).collect();
        let context = toy::context(&tokenizer, true);
        let context = Context { labels: &types, outputs: &outputs, ..context };
        build("tag", &config, &context).map(|_| ()).err().map(|error| error.to_string())
    };
    assert_eq!(error(json!({}), &["I-PER", "B-PER", "O"]), None);
    let found = error(json!({}), &["LABEL_0", "LABEL_1"]).unwrap();
    assert!(found.contains("LABEL_0") && found.contains("start the head anew"), "{found}");
    let found = error(json!({}), &["O", "B-PER"]).unwrap();
    assert!(found.contains("no output for `I-PER`"), "{found}");
    let found = error(json!({"scheme": "BIOES"}), &["O", "B-PER", "I-PER"]).unwrap();
    assert!(found.contains("scheme") && found.contains("IOB2"), "{found}");
    let found = error(json!({"scheme": "IOB1"}), &[]).unwrap();
    assert!(found.contains("write IOB2"), "{found}");
    let found = error(json!({"scheme": "BOI"}), &[]).unwrap();
    assert!(found.contains("BOI") && found.contains("IOB2") && found.contains("auto"), "{found}");
}
