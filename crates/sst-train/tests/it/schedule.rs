//! The learning rate schedules against `get_scheduler` of transformers.

use std::path::Path;

use serde_json::Value;
use sst_train::{Decay, ScheduleConfig, ScheduleName};

#[test]
fn schedules_equal_those_of_transformers() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/optim/schedules.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let (warmup, steps) = (golden["warmup"].as_u64().unwrap(), golden["steps"].as_u64().unwrap());
    let base = |name| ScheduleConfig { name, warmup_steps: warmup, ..ScheduleConfig::default() };
    let wsd = |decay| ScheduleConfig { decay_steps: 15, decay, ..base(ScheduleName::Wsd) };
    let cases = [
        ("constant", base(ScheduleName::Constant)),
        ("linear", base(ScheduleName::Linear)),
        ("cosine", base(ScheduleName::Cosine)),
        ("cosine_with_min_lr", ScheduleConfig { min_lr_factor: 0.1, ..base(ScheduleName::Cosine) }),
        ("inverse_sqrt", base(ScheduleName::InverseSqrt)),
        ("wsd_linear", wsd(Decay::Linear)),
        ("wsd_cosine", wsd(Decay::Cosine)),
        ("wsd_1-sqrt", wsd(Decay::OneMinusSqrt)),
    ];
    let listed = golden["schedules"].as_object().unwrap();
    assert_eq!(listed.len(), cases.len(), "a schedule of the golden file is not tested");
    for (key, schedule) in cases {
        let rates = listed[key]["lr"].as_array().unwrap();
        assert_eq!(rates.len() as u64, steps);
        for (step, want) in (0..).zip(rates) {
            let (got, want) = (schedule.lr_factor(step, steps), want.as_f64().unwrap());
            assert!((got - want).abs() < 1e-12, "{key} at step {step}: {got}, not {want}");
        }
    }
}

/// Compares the factor of a schedule, written as in a recipe, in step `step` of `total`.
#[track_caller]
fn check(recipe: &str, step: u64, total: u64, expected: f64) {
    let schedule: ScheduleConfig = serde_json::from_str(recipe).unwrap();
    let got = schedule.lr_factor(step, total);
    assert!((got - expected).abs() < 1e-12, "{recipe} at {step} of {total}: {got}");
}

#[test]
fn the_first_and_the_last_steps_have_these_factors() {
    check("{}", 0, 10, 1.0);
    check("{}", 10, 10, 0.0);
    check("{}", 11, 10, 0.0);
    check(r#"{"warmup_steps": 10}"#, 5, 10, 0.5);
    check(r#"{"warmup_steps": 10}"#, 10, 10, 1.0);
    check(r#"{"warmup_steps": 20}"#, 5, 10, 0.25);
    check(r#"{"name": "linear", "min_lr_factor": 0.2}"#, 9, 9, 0.2);
    check(r#"{"name": "inverse_sqrt"}"#, 30_000, 99_999, 0.5);
    check(r#"{"name": "wsd", "decay_steps": 99}"#, 0, 10, 1.0);
    check(r#"{"name": "wsd"}"#, 9, 10, 1.0);
    check(r#"{"name": "wsd", "decay_steps": 4, "decay": "1-sqrt"}"#, 10, 10, 0.0);
}
