//! Several ranks, run as threads, train like one process, and do the same whatever happens on one of them.

use std::path::Path;

use sst_core::{Event, Ranks};
use sst_train::{
    EmaConfig, Fault, FitConfig, OptimizerConfig, OptimizerName, Outcome, Precision, StopReason,
    TrainError,
};

use crate::toy::{Count, Run, Threads, Toy, config, turn};

/// A rank after its run.
struct Ended {
    result: Result<Outcome, TrainError>,
    weights: Vec<(String, Vec<f32>)>,
    /// The parameters and the state of the objective.
    objective: Vec<f32>,
    /// The entries of the ledger with their counts.
    ledger: Vec<(String, u64)>,
    events: Vec<Event>,
    /// The number of collective operations.
    operations: u64,
}

/// Trains with `world` ranks. `vary` is called with the number of each rank and changes its run. A rank that waits
/// longer than the limit of [`Threads`] gets an error.
fn train(
    world: usize,
    folder: &Path,
    settings: &FitConfig,
    vary: impl Fn(usize, &mut Run<'_>) + Sync,
) -> Vec<Ended> {
    let _turn = turn();
    let vary = &vary;
    std::thread::scope(|scope| {
        let threads: Vec<_> = Threads::new(world)
            .into_iter()
            .map(|ranks| {
                scope.spawn(move || {
                    let mut run = Run::new(folder);
                    run.model = Toy::new(0.0);
                    vary(ranks.rank(), &mut run);
                    let result = run.fit_ranks(settings.clone(), None, &ranks);
                    let ledger = run.ledger.entries().into_iter();
                    Ended {
                        result,
                        weights: run.model.values(),
                        objective: run.objective.values(),
                        ledger: ledger.map(|(name, entry)| (name, entry.count)).collect(),
                        events: run.record.0.lock().unwrap().clone(),
                        operations: ranks.operations(),
                    }
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Checks that two ranks end with the same weights as one. A step has micro-batches of `micro` rows. `fault` is
/// injected on rank 1.
#[track_caller]
fn check(settings: &FitConfig, micro: usize, fault: Option<Fault>) -> Vec<Ended> {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let alone = train(1, one.path(), settings, |_, run| run.micro_batch_size = micro);
    let both = train(2, two.path(), settings, |rank, run| {
        run.micro_batch_size = micro;
        run.fault = fault.filter(|_| rank == 1);
    });
    alone[0].result.as_ref().unwrap();
    for rank in &both {
        rank.result.as_ref().unwrap();
        assert_eq!(rank.weights, both[0].weights, "the ranks differ");
        assert_eq!(rank.objective, both[0].objective, "the ranks differ");
        for ((name, a), (_, b)) in rank.weights.iter().zip(&alone[0].weights) {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 1e-6, "{name}: {a} and {b}");
            }
        }
    }
    both
}

/// Settings with a large eps, so that AdamW does not magnify the rounding errors of gradients near zero.
fn smooth(total_steps: u64) -> FitConfig {
    let optimizer = OptimizerConfig { eps: 1e-3, lr: 0.01, ..OptimizerConfig::default() };
    FitConfig { optimizer, ..config(total_steps) }
}

#[test]
fn two_ranks_with_half_a_batch_each_train_as_one_with_the_whole() {
    check(&smooth(8), 8, None);
    check(&smooth(8), 3, None);
    // If micro-batches have one row, the second rank has all rows and the first one has none.
    check(&smooth(4), 1, None);
    check(&FitConfig { ema: Some(EmaConfig::default()), ..smooth(4) }, 8, None);
    let muon = OptimizerConfig { name: OptimizerName::Muon, ..smooth(1).optimizer };
    check(&FitConfig { optimizer: muon, ..smooth(4) }, 8, None);
}

#[test]
fn bf16_weights_are_the_same_on_all_ranks() {
    let settings =
        FitConfig { precision: Precision::Bf16, bf16_weights: true, log_every: 1, ..smooth(4) };
    let folder = tempfile::tempdir().unwrap();
    let ranks = train(2, folder.path(), &settings, |_, run| run.micro_batch_size = 3);
    assert!(ranks.iter().all(|rank| rank.result.is_ok()));
    assert_eq!(ranks[0].weights, ranks[1].weights);
    assert_ne!(ranks[0].weights, Toy::new(0.0).values());
}

#[test]
fn only_the_first_rank_writes_and_reports() {
    let settings = FitConfig { save_every: Some(2), eval_every: Some(2), ..smooth(4) };
    let both = check(&settings, 8, None);
    assert!(both[1].events.is_empty());
    let folder = tempfile::tempdir().unwrap();
    let alone = train(1, folder.path(), &settings, |_, _| ());
    let kind = |event: &Event| match event {
        Event::Step { step, metrics, .. } => (*step, metrics.keys().cloned().collect()),
        Event::Saved { step, .. } => (*step, vec!["saved".to_owned()]),
        Event::Evaluation { step, .. } => (*step, vec!["evaluation".to_owned()]),
        Event::Start { step, .. } | Event::End { step } => (*step, Vec::new()),
    };
    let sorted = |events: &[Event]| {
        let mut kinds: Vec<_> = events.iter().map(kind).collect();
        kinds.sort();
        kinds
    };
    assert_eq!(sorted(&both[0].events), sorted(&alone[0].events));
    for (two, one) in both[0].events.iter().zip(&alone[0].events) {
        if let (Event::Step { metrics: two, .. }, Event::Step { metrics: one, .. }) = (two, one) {
            for (name, value) in one {
                assert!((two[name] - value).abs() < 1e-5, "{name}: {} and {value}", two[name]);
            }
        }
    }
}

#[test]
fn a_step_that_overflows_on_one_rank_is_skipped_on_all() {
    let settings = FitConfig { precision: Precision::Fp16, ..config(3) };
    for fault in [Fault::Overflow { step: 2 }, Fault::NanLoss { step: 2 }] {
        let folder = tempfile::tempdir().unwrap();
        let both = train(2, folder.path(), &settings, |rank, run| {
            run.fault = Some(fault).filter(|_| rank == 1);
        });
        for rank in &both {
            assert!(matches!(rank.result, Ok(Outcome::Finished { step: 3, .. })));
            assert_eq!(rank.ledger, [("train.skipped_overflow".to_owned(), 1)]);
            assert_eq!(rank.weights, both[0].weights);
        }
        let run = Run::new(folder.path());
        assert_eq!(run.saver().checkpoint(3).state().unwrap().scaler.unwrap().scale, 32_768.0);
    }
}

#[test]
fn a_nan_loss_on_one_rank_changes_the_weights_of_no_rank() {
    let (good, bad) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let before = train(2, good.path(), &smooth(1), |_, _| ());
    let both = train(2, bad.path(), &smooth(4), |rank, run| {
        run.fault = (rank == 1).then_some(Fault::NanLoss { step: 2 });
    });
    for rank in &both {
        let error = rank.result.as_ref().unwrap_err();
        assert!(matches!(error, TrainError::NonFinite { step: 2, .. }), "{error}");
        assert_eq!(rank.weights, before[0].weights, "as after step 1");
    }
}

#[test]
fn if_one_rank_runs_out_of_memory_all_halve_their_micro_batches() {
    let both = check(&smooth(5), 8, Some(Fault::OutOfMemory { step: 2, rows: 2 }));
    for rank in &both {
        assert_eq!(rank.ledger, [("train.out_of_memory".to_owned(), 1)], "from 4 to 2 rows");
    }
}

#[test]
fn if_memory_does_not_suffice_for_one_row_on_one_rank_all_end() {
    let folder = tempfile::tempdir().unwrap();
    let both = train(2, folder.path(), &smooth(3), |rank, run| {
        run.fault = (rank == 1).then_some(Fault::OutOfMemory { step: 2, rows: 0 });
    });
    let error = both[1].result.as_ref().unwrap_err();
    assert!(matches!(error, TrainError::OutOfMemory { step: 2, .. }), "{error}");
    check_other(&both[0], 1, "one row at a time");
}

#[test]
fn a_stop_on_one_rank_stops_all_at_the_same_step() {
    let folder = tempfile::tempdir().unwrap();
    let both = train(2, folder.path(), &smooth(9), |rank, run| {
        // The flag is set when rank 1 has drawn 2 * 8 - 3 = 13 rows. A rank draws 4 rows in a step.
        run.stop_after = (rank == 1).then_some(2);
    });
    let steps: Vec<_> = both
        .iter()
        .map(|rank| match rank.result.as_ref().unwrap() {
            Outcome::Stopped { reason: StopReason::Asked, step, checkpoint } => {
                assert!(checkpoint.join("MANIFEST.json").is_file());
                *step
            }
            outcome => panic!("{outcome:?}"),
        })
        .collect();
    assert_eq!(steps, [4, 4]);
    assert_eq!(both[0].weights, both[1].weights);
}

#[test]
fn tokens_of_all_ranks_count_for_the_budget() {
    let folder = tempfile::tempdir().unwrap();
    let settings = FitConfig { max_tokens: Some(128), ..smooth(9) };
    for rank in train(2, folder.path(), &settings, |_, _| ()) {
        let outcome = rank.result.unwrap();
        let stopped =
            matches!(outcome, Outcome::Stopped { reason: StopReason::MaxTokens, step: 2, .. });
        assert!(stopped, "{outcome:?}");
    }
}

/// Checks that `rank` ended because rank number `failed` failed with `message`.
#[track_caller]
fn check_other(rank: &Ended, failed: usize, message: &str) {
    match rank.result.as_ref().unwrap_err() {
        TrainError::OtherRank { rank, message: text } => {
            assert_eq!(*rank, failed);
            assert!(text.contains(message), "{text}");
        }
        error => panic!("{error}"),
    }
}

#[test]
fn an_error_of_one_rank_ends_all_with_its_message() {
    // The export runs on rank 0 alone.
    let folder = tempfile::tempdir().unwrap();
    let settings = FitConfig { save_every: Some(2), ..smooth(4) };
    let both = train(2, folder.path(), &settings, |_, run| run.broken_export = Some(2));
    assert!(matches!(both[0].result.as_ref().unwrap_err(), TrainError::Save { .. }));
    check_other(&both[1], 0, "the export is broken");

    // Before the first step, rank 0 finds the checkpoints of another run in the folder.
    train(2, folder.path(), &smooth(1), |_, _| ());
    let both = train(2, folder.path(), &smooth(1), |_, _| ());
    assert!(matches!(both[0].result.as_ref().unwrap_err(), TrainError::RunExists { .. }));
    check_other(&both[1], 0, "already holds checkpoints");
}

#[test]
fn ranks_with_other_settings_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _turn = turn();
    std::thread::scope(|scope| {
        for ranks in Threads::new(2) {
            let folder = folder.path();
            scope.spawn(move || {
                let settings = FitConfig { seed: ranks.rank() as u64, ..smooth(2) };
                let error = Run::new(folder).fit_ranks(settings, None, &ranks).unwrap_err();
                assert!(matches!(error, TrainError::RanksDiffer { rank: 1 }), "{error}");
            });
        }
    });
}

#[test]
fn a_loss_over_the_whole_batch_needs_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let both = train(2, folder.path(), &smooth(2), |_, run| run.objective.count = Count::Whole);
    for rank in &both {
        let error = rank.result.as_ref().unwrap_err();
        assert!(matches!(error, TrainError::WholeBatchRanks { world: 2, .. }), "{error}");
    }
}

#[test]
fn steps_without_units_are_skipped_on_all_ranks() {
    let folder = tempfile::tempdir().unwrap();
    let both = train(2, folder.path(), &smooth(2), |_, run| run.objective.count = Count::Nothing);
    for rank in &both {
        assert!(rank.result.is_ok());
        assert_eq!(rank.ledger, [("train.steps_without_units".to_owned(), 2)]);
        assert_eq!(rank.weights, Toy::new(0.0).values());
    }
    assert_eq!(both[0].operations, both[1].operations);
}
