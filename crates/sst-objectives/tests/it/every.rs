//! Tests that every objective of the list must pass.

use serde_json::json;
use sst_core::{Batch, Forward, HeadKind, StepContext, Tokens};
use sst_data::{CollateError, Example, Field, Normalizer, RowSpec};
use sst_objectives::{ObjectiveError, build, list};
use tch::{Device, Kind, Tensor};

use crate::toy;

const CONTEXT: StepContext = StepContext { step: 0, micro: 0, forward: Forward::TRAIN };

#[test]
fn default_configs_round_trip_and_unknown_keys_are_refused() {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, false);
    for entry in list() {
        let config = (entry.default_config)();
        assert!(build(entry.name, &config, &context).is_ok(), "{}", entry.name);
        assert!(build(entry.name, &json!({}), &context).is_ok(), "{}", entry.name);
        let mut config = config;
        config["no_such_key"] = json!(1);
        match build(entry.name, &config, &context).map(|_| ()) {
            Err(ObjectiveError::Config { path, .. }) => assert_eq!(path, "no_such_key"),
            other => panic!("{}: {other:?}", entry.name),
        }
    }
    let error = build("mlmm", &json!({}), &context).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no objective `mlmm`") && error.contains("mlm"), "{error}");
}

#[test]
fn every_trainable_parameter_gets_a_gradient_and_the_loss_falls() {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, false);
    for entry in list() {
        let objective = build(entry.name, &json!({}), &context).unwrap();
        let model = toy::model_for(entry, tokenizer.vocab_size());
        let examples = toy::rows(&tokenizer, 32);
        let host = objective.collate().collate(&examples, 1).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu).unwrap();
        // A loss over the whole batch is a mean. It compares vectors, so the model's head gets no gradients.
        let is_whole_batch = host.normalizer == Normalizer::WholeBatch;
        let scale = match host.normalizer {
            Normalizer::WholeBatch => 1.0,
            Normalizer::Count(count) => count.min(100) as f64,
        };
        let mut losses = Vec::new();
        for step in 0..30 {
            sst_kernels::reset_gradients(model.params().iter().map(|(_, p)| p)).unwrap();
            let loss = objective.loss(&*model, &batch, &CONTEXT).unwrap().loss / scale;
            loss.f_backward().unwrap();
            losses.push(loss.double_value(&[]));
            for (name, param) in model.params().trainable() {
                let grad = param.grad();
                // A pooler is no part of the vectors that are compared, unless a model projects it.
                if is_whole_batch && (name.starts_with("cls.") || name.contains("pooler.")) {
                    continue;
                }
                assert!(grad.defined(), "{}: {name} has no gradient", entry.name);
                if step == 0 {
                    assert!(grad.isfinite().all().int64_value(&[]) == 1, "{}: {name}", entry.name);
                }
                let mut param = param.shallow_clone();
                tch::no_grad(|| {
                    let _ = param.f_sub_(&(grad * 0.05)).unwrap();
                });
            }
        }
        assert!(losses[29] < 0.9 * losses[0], "{}: {losses:?}", entry.name);
    }
}

#[test]
fn the_summed_loss_does_not_depend_on_micro_batches_or_padding() {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, false);
    for entry in list() {
        let objective = build(entry.name, &json!({}), &context).unwrap();
        let model = toy::model_for(entry, tokenizer.vocab_size());
        let examples = toy::rows(&tokenizer, 8);
        let sum = |groups: &[&[sst_data::Example]]| -> f64 {
            let part = |examples: &&[sst_data::Example]| {
                let host = objective.collate().collate(examples, 5).unwrap();
                let batch = Batch::from_host(&host, Device::Cpu).unwrap();
                objective.loss(&*model, &batch, &CONTEXT).unwrap().loss.double_value(&[])
            };
            groups.iter().map(part).sum()
        };
        if objective.collate().collate(&examples, 5).unwrap().normalizer == Normalizer::WholeBatch {
            // Such a loss compares each row with the rest of the batch, so it does depend on the batch.
            continue;
        }
        let whole = sum(&[&examples]);
        let singles: Vec<&[sst_data::Example]> = examples.chunks(1).collect();
        let parts = sum(&singles);
        assert!((whole - parts).abs() < 1e-5 * whole.abs(), "{}: {whole} {parts}", entry.name);
    }
}

#[test]
fn sums_are_finite_scalars() {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, false);
    for entry in list() {
        let objective = build(entry.name, &json!({}), &context).unwrap();
        let model = toy::model_for(entry, tokenizer.vocab_size());
        let host = objective.collate().collate(&toy::rows(&tokenizer, 4), 1).unwrap();
        let parts = objective
            .loss(&*model, &Batch::from_host(&host, Device::Cpu).unwrap(), &CONTEXT)
            .unwrap();
        for (name, sum) in &parts.sums {
            assert_eq!((sum.dim(), sum.kind()), (0, Kind::Float), "{}: {name}", entry.name);
            assert!(sum.double_value(&[]).is_finite() && !sum.requires_grad(), "{name}");
        }
    }
}

#[test]
fn ragged_rows_give_the_loss_and_the_gradients_of_padded_rows() {
    let tokenizer = toy::tokenizer();
    for entry in list() {
        let examples: Vec<_> = toy::rows(&tokenizer, 8)
            .into_iter()
            .zip([12, 3, 7, 40, 40, 1, 25, 9])
            .map(|(mut example, length)| {
                if let Some(Field::Tokens(ids)) = example.fields.get_mut("input_ids") {
                    ids.truncate(length);
                }
                toy::add_window(&mut example);
                example
            })
            .collect();
        let run = |padding_free| {
            let context = toy::context(&tokenizer, padding_free);
            let objective = build(entry.name, &json!({}), &context).unwrap();
            let model = toy::model_for(entry, tokenizer.vocab_size());
            let host = objective.collate().collate(&examples, 5).unwrap();
            if !(entry.rows)(&(entry.default_config)()).have_pictures() {
                assert_eq!(
                    host.padded_tokens > host.useful_tokens,
                    !padding_free,
                    "{}",
                    entry.name
                );
            }
            let batch = Batch::from_host(&host, Device::Cpu).unwrap();
            let loss = objective.loss(&*model, &batch, &CONTEXT).unwrap().loss;
            loss.f_backward().unwrap();
            let params = model.params().iter().filter(|(_, param)| param.grad().defined());
            let grads = params.map(|(name, p)| (name.to_owned(), p.grad()));
            (loss.double_value(&[]), grads.collect::<Vec<_>>())
        };
        let ((padded, padded_grads), (ragged, ragged_grads)) = (run(false), run(true));
        assert!(
            (padded - ragged).abs() <= 1e-5 * padded.abs(),
            "{}: {padded} {ragged}",
            entry.name
        );
        let all =
            Tensor::cat(&padded_grads.iter().map(|(_, g)| g.flatten(0, -1)).collect::<Vec<_>>(), 0);
        let total_norm = all.norm().double_value(&[]);
        for ((name, padded), (_, ragged)) in padded_grads.iter().zip(&ragged_grads) {
            let difference = (padded - ragged).norm().double_value(&[]);
            // The exact gradient of the key projection's bias is 0, so its norm is only rounding error. So is that of the
            // last bias before a softmax over the tokens of a row, which `answer` has.
            let is_zero = name.ends_with("key.bias")
                || entry.head == Some(HeadKind::Span) && name.ends_with("output.LayerNorm.bias");
            let floor = if is_zero { 1e-2 } else { 1e-3 };
            let scale = padded.norm().double_value(&[]).max(floor * total_norm);
            let case = entry.name;
            assert!(difference <= 1e-5 * scale, "{case}: {name}: {difference} of {scale}");
        }
    }
}

#[test]
fn packed_rows_do_not_attend_to_each_other() {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, true);
    for entry in list() {
        let model = toy::model_for(entry, tokenizer.vocab_size());
        let objective = build(entry.name, &json!({}), &context).unwrap();
        let examples = toy::rows(&tokenizer, 4);
        let is_whole =
            objective.collate().collate(&examples, 5).unwrap().normalizer == Normalizer::WholeBatch;
        if is_whole || (entry.rows)(&(entry.default_config)()).have_pictures() {
            let refused = objective.collate().collate_packs(&examples, &[4], 5);
            assert!(matches!(refused, Err(CollateError::Packs)), "{}", entry.name);
            continue;
        }
        let hidden = |examples: &[Example]| {
            let host = objective.collate().collate_packs(examples, &[examples.len()], 5).unwrap();
            let batch = Batch::from_host(&host, Device::Cpu).unwrap();
            let input = Tokens::from_batch(&batch).unwrap();
            model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld
        };
        let mut examples = toy::rows(&tokenizer, 4);
        let before = hidden(&examples);
        let lengths: Vec<i64> =
            examples.iter().map(|e| e.tokens("input_ids").unwrap().len() as i64).collect();
        // Changes the second row without changing its length.
        let Some(Field::Tokens(ids)) = examples[1].fields.get_mut("input_ids") else { panic!() };
        ids[1..].reverse();
        let after = hidden(&examples);
        let end = lengths[0] + lengths[1];
        assert!(before.narrow(0, 0, lengths[0]).equal(&after.narrow(0, 0, lengths[0])));
        let rest = lengths[2] + lengths[3];
        assert!(before.narrow(0, end, rest).equal(&after.narrow(0, end, rest)), "{}", entry.name);
        let second = before.narrow(0, lengths[0], lengths[1]);
        assert!(!second.equal(&after.narrow(0, lengths[0], lengths[1])), "{}", entry.name);
    }
}

#[test]
fn entries_agree_with_the_batches_and_configurations_of_their_objectives() {
    let tokenizer = toy::tokenizer();
    let context = toy::context(&tokenizer, false);
    for entry in list() {
        assert_eq!(sst_objectives::entry(entry.name).unwrap().name, entry.name);
        let objective = build(entry.name, &json!({}), &context).unwrap();
        let host = objective.collate().collate(&toy::rows(&tokenizer, 4), 1).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu).unwrap();
        let masks_tokens =
            batch.find("masked_positions").is_some() && batch.find("masked_labels").is_some();
        assert_eq!(entry.held_out == ["mask-accuracy"], masks_tokens, "{}", entry.name);
        // A loss over the whole batch compares vectors, which needs no head. Pictures are reconstructed by a decoder.
        let have_pictures = (entry.rows)(&(entry.default_config)()).have_pictures();
        let needs_head = host.normalizer != Normalizer::WholeBatch && !have_pictures;
        assert_eq!(entry.head.is_some(), needs_head, "{}", entry.name);
        assert_eq!(!(entry.picture_transforms)().is_empty(), have_pictures, "{}", entry.name);
        for (key, value) in (entry.model_keys)(&(entry.default_config)()) {
            assert_eq!((entry.default_config)()[&key], value, "{}", entry.name);
        }
        let mut single_texts = toy::rows(&tokenizer, 4);
        single_texts.iter_mut().for_each(|row| drop(row.fields.remove("input_ids.1")));
        let takes_single_texts = objective.collate().collate(&single_texts, 1).is_ok();
        let config = (entry.default_config)();
        let wants_groups = matches!((entry.rows)(&config), RowSpec::Groups { .. });
        assert_eq!(!wants_groups, takes_single_texts, "{}", entry.name);
        for (key, value) in config.as_object().unwrap() {
            let limit = (entry.limits)().into_iter().find(|(name, ..)| name == key);
            let fits = value.as_f64().is_none_or(|value| {
                limit.is_some_and(|(_, least, most)| (least..=most).contains(&value))
            });
            assert!(fits, "{}: {key} is {value} and has the limits {limit:?}", entry.name);
        }
        for (key, _) in (entry.idle_keys)(&config) {
            assert!(config.get(key).is_some(), "{}: {key}", entry.name);
        }
    }
}

#[test]
fn span_keys_are_idle_unless_spans_are_masked() {
    let entry = sst_objectives::entry("mlm").unwrap();
    let idle = |unit: &str| -> Vec<&str> {
        let mut config = (entry.default_config)();
        config["unit"] = json!(unit);
        (entry.idle_keys)(&config).into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(idle("token"), ["span_p", "max_span"]);
    assert_eq!(idle("word"), ["span_p", "max_span"]);
    assert_eq!(idle("span"), [""; 0]);
}
