//! Compares the loss of masked language modelling with its closed form.

use serde_json::json;
use sst_core::{Batch, Forward, StepContext, Tokens};
use sst_objectives::build;
use tch::{Device, Kind};

use crate::toy;

/// The closed form is `-sum log softmax` at the masked positions, from the logits of all positions.
#[test]
fn the_loss_is_the_summed_negative_log_probability() {
    let tokenizer = toy::tokenizer();
    let objective = build("mlm", &json!({}), &toy::context(&tokenizer, false)).unwrap();
    let model = toy::model(tokenizer.vocab_size());
    let host = objective.collate().collate(&toy::rows(&tokenizer, 6), 9).unwrap();
    let batch = Batch::from_host(&host, Device::Cpu).unwrap();
    let context = StepContext { step: 0, micro: 0, forward: Forward::EVAL };
    let parts = objective.loss(&*model, &batch, &context).unwrap();

    let hidden = model
        .text_encoder()
        .unwrap()
        .encode(Tokens::from_batch(&batch).unwrap().into(), Forward::EVAL)
        .unwrap()
        .hidden_bld;
    let logits = model.lm_head().unwrap().logits(&hidden.flatten(0, 1), Forward::EVAL).unwrap();
    let log_p = logits.to_kind(Kind::Double).log_softmax(-1, Kind::Double);
    let positions = Vec::<i64>::try_from(batch.get("masked_positions").unwrap()).unwrap();
    let labels = Vec::<i64>::try_from(batch.get("masked_labels").unwrap()).unwrap();
    let (mut want, mut correct) = (0.0, 0.0);
    for (position, label) in positions.iter().zip(&labels) {
        want -= log_p.double_value(&[*position, *label]);
        if log_p.get(*position).argmax(-1, false).int64_value(&[]) == *label {
            correct += 1.0;
        }
    }
    let got = parts.loss.double_value(&[]);
    assert!((got - want).abs() < 1e-5 * want, "{got} {want}");
    assert_eq!(parts.sums[0].1.double_value(&[]), correct);
}
