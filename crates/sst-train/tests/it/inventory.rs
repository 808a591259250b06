//! Listing, verifying and pruning checkpoints.

#![allow(clippy::disallowed_methods)] // Tests damage files in place.

use std::fs;
use std::path::Path;

use sst_train::{BestBy, Direction, FitConfig, Retention, Saver};

use crate::toy::{Run, config, keep};

/// Checkpoints at 2, 4, 6, 8 and 10, evaluated at 4, 8 and 10.
fn five(folder: &Path) -> Saver {
    let mut run = Run::new(folder);
    let config = FitConfig { save_every: Some(2), eval_every: Some(4), ..config(10) };
    run.fit(FitConfig { retention: keep(0), ..config }).unwrap();
    run.saver()
}

#[test]
fn a_list_has_sizes_metrics_and_what_is_broken() {
    let folder = tempfile::tempdir().unwrap();
    let saver = five(folder.path());
    assert!(Saver::new(&folder.path().join("other")).list().unwrap().is_empty());
    let list = saver.list().unwrap();
    assert_eq!(list.iter().map(|c| c.step).collect::<Vec<_>>(), [2, 4, 6, 8, 10]);
    assert!(list.iter().all(|c| c.broken.is_none() && c.bytes > 1000), "{list:?}");
    assert_eq!(
        list.iter().map(|c| c.latest).collect::<Vec<_>>(),
        [false, false, false, false, true]
    );
    let best: Vec<u64> = list.iter().filter(|c| c.best == Some(1)).map(|c| c.step).collect();
    assert_eq!(best, [saver.checkpoint(10).state().unwrap().best[0].step]);
    assert!(!list[0].metrics.contains_key("eval/held/loss"));
    assert!(list[1].metrics["eval/held/loss"] > 0.0);

    fs::write(saver.path(4).join("model/model.safetensors"), "cut").unwrap();
    fs::remove_file(saver.path(6).join("MANIFEST.json")).unwrap();
    let list = saver.list().unwrap();
    let broken: Vec<u64> = list.iter().filter(|c| c.broken.is_some()).map(|c| c.step).collect();
    assert_eq!(broken, [4, 6]);
    let why = list[1].broken.as_ref().unwrap();
    assert!(why.contains("model.safetensors") && why.contains("3 bytes"), "{why}");
}

#[test]
fn verifying_reads_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let saver = five(folder.path());
    let good = saver.verify(None).unwrap();
    assert_eq!(good, [2, 4, 6, 8, 10].map(|step| (step, None)));
    let path = saver.path(8).join("state/optimizer.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert!(saver.list().unwrap()[3].broken.is_none(), "a list compares lengths only");
    let [(8, Some(why))] = &saver.verify(Some(8)).unwrap()[..] else { panic!() };
    assert!(why.contains("optimizer.safetensors") && why.contains("changed"), "{why}");
    assert_eq!(saver.verify(Some(6)).unwrap(), [(6, None)]);
    let error = saver.verify(Some(7)).unwrap_err();
    assert!(error.to_string().contains("step-00000007"), "{error}");
}

#[track_caller]
fn check_prune(retention: &Retention, expected: &[u64]) {
    let folder = tempfile::tempdir().unwrap();
    let saver = five(folder.path());
    let before: u64 = saver.list().unwrap().iter().map(|c| c.bytes).sum();
    let dry = saver.prune(retention, true).unwrap();
    assert_eq!(saver.steps().unwrap(), [2, 4, 6, 8, 10], "a dry run deletes nothing");
    let pruned = saver.prune(retention, false).unwrap();
    assert_eq!(dry, pruned);
    assert_eq!(pruned.kept, expected, "{retention:?}");
    assert_eq!(saver.steps().unwrap(), expected, "{retention:?}");
    let after: u64 = saver.list().unwrap().iter().map(|c| c.bytes).sum();
    assert_eq!(before - after, pruned.bytes);
    assert_eq!(saver.latest_good().unwrap().unwrap().step(), 10);
}

#[test]
fn pruning_follows_the_policy() {
    let none = Retention { last: 1, best: 0, by: None, every: None, restore_best: false };
    check_prune(&Retention { last: 0, ..none.clone() }, &[2, 4, 6, 8, 10]);
    check_prune(&none, &[10]);
    check_prune(&Retention { last: 3, ..none.clone() }, &[6, 8, 10]);
    check_prune(&Retention { every: Some(4), ..none.clone() }, &[4, 8, 10]);
    // The toy learns, so the first evaluation is the worst. The metric of step 6 was measured at step 4 and is not
    // ranked.
    let by = |direction| Some(BestBy { metric: "eval/held/loss".into(), direction });
    check_prune(&Retention { best: 1, by: by(Direction::Higher), ..none.clone() }, &[4, 10]);
    check_prune(&Retention { best: 2, by: by(Direction::Lower), ..none }, &[8, 10]);
}

#[test]
fn pruning_keeps_the_newest_checkpoint_that_is_not_broken() {
    let folder = tempfile::tempdir().unwrap();
    let saver = five(folder.path());
    for step in [10, 4] {
        fs::write(saver.path(step).join("state/optimizer.safetensors"), "cut").unwrap();
    }
    let retention = Retention { last: 1, best: 0, by: None, every: None, restore_best: false };
    let pruned = saver.prune(&retention, false).unwrap();
    assert_eq!((pruned.kept, pruned.deleted), (vec![8], vec![2, 6]));
    assert_eq!(pruned.broken.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [4, 10]);
    assert_eq!(saver.steps().unwrap(), [4, 8, 10]);
    fs::write(saver.path(8).join("state/optimizer.safetensors"), "cut").unwrap();
    let error = saver.prune(&retention, false).unwrap_err();
    assert!(error.to_string().contains("none of its checkpoints is whole"), "{error}");
    assert_eq!(saver.steps().unwrap(), [4, 8, 10]);
}
