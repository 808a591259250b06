//! The learned temperature.

use serde_json::json;
use tch::Tensor;

use super::{CONTEXT, add_gradients, batch, objective, param, run};
use crate::toy;

#[test]
fn a_learned_temperature_starts_at_its_configured_value_and_is_logged() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    for name in ["simcse", "nt_xent", "moco", "pairs"] {
        let config = |learn: bool| json!({"temperature": 0.07, "learn_temperature": learn});
        let fixed = objective(name, &config(false), true);
        let learned = objective(name, &config(true), true);
        assert_eq!(fixed.params().unwrap().num_trainable(), 0);
        assert_eq!(learned.params().unwrap().num_trainable(), 1);
        // Weight decay does not apply to scalars.
        assert_eq!(param(&*learned, "log_scale").dim(), 0);
        let batch = batch(&*fixed, 0, 6);
        let (want, _) = run(&*fixed, &*model, &batch);
        let (got, grads) = run(&*learned, &*model, &batch);
        assert!((got - want).abs() < 1e-6 * want, "{name}: {got} {want}");
        assert!(grads.iter().any(|(name, _)| name == "objective.log_scale"));
        let logged_temperature = |objective: &dyn sst_core::Objective| {
            let sums = objective.loss(&*model, &batch, &CONTEXT).unwrap().sums;
            sums.into_iter().find(|(name, _)| *name == "temperature").map(|(_, sum)| sum)
        };
        assert!(logged_temperature(&*fixed).is_none());
        let logged = logged_temperature(&*learned).unwrap().double_value(&[]);
        assert!((logged - 0.07).abs() < 1e-7);
    }
}

#[test]
fn a_learned_temperature_follows_its_gradient_down_to_one_hundredth() {
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    let config = json!({"temperature": 0.5, "learn_temperature": true});
    let mut simcse = objective("simcse", &config, true);
    let batch = batch(&*simcse, 0, 8);
    let before = param(&*simcse, "log_scale").double_value(&[]);
    let (_, grads) = run(&*simcse, &*model, &batch);
    let own_grads: Vec<_> =
        grads.into_iter().filter(|(name, _)| name.starts_with("objective.")).collect();
    add_gradients(&*simcse, &*model, &own_grads, -0.1);
    simcse.after_update(&*model, 0).unwrap();
    let after = param(&*simcse, "log_scale").double_value(&[]);
    // Without dropout the two views of a text have the same vector, so a lower temperature lowers the loss.
    assert!(after > before + 1e-3, "{before} {after}");
    for (set, want) in [(10.0, 100_f64.ln()), (4.7, 100_f64.ln()), (4.5, 4.5), (-3.0, -3.0)] {
        tch::no_grad(|| param(&*simcse, "log_scale").f_copy_(&Tensor::from(set as f32)).unwrap());
        simcse.after_update(&*model, 1).unwrap();
        assert_eq!(param(&*simcse, "log_scale").double_value(&[]), f64::from(want as f32), "{set}");
    }
}
