//! Checkpoints are whole or not there.

#![allow(clippy::disallowed_methods)] // Tests damage files in place.

use std::fs;
use std::path::{Path, PathBuf};

use sst_train::{FitConfig, Outcome, Saver, TrainError};

use crate::toy::{Run, config, keep};

/// A run of four steps with checkpoints at 2 and 4.
fn two_checkpoints(folder: &Path) {
    let mut run = Run::new(folder);
    run.fit(FitConfig { save_every: Some(2), retention: keep(0), ..config(4) }).unwrap();
}

/// Every file of a checkpoint, by path inside it.
fn files(folder: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&entry.path(), &format!("{name}/")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn a_checkpoint_holds_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    let expected = [
        "MANIFEST.json",
        "model/config.json",
        "model/model.safetensors",
        "state/objective.safetensors",
        "state/optimizer.safetensors",
        "state/trainer.json",
    ];
    assert_eq!(files(&folder.path().join("checkpoints/latest"), ""), expected);
}

/// Damages one file of the newest checkpoint; the one before it must be taken, and the error name it.
#[track_caller]
fn check_damage(name: &str, what: &str, damage: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    let saver = Saver::new(folder.path());
    let newest = saver.latest_good().unwrap().unwrap();
    assert_eq!(newest.step(), 4);
    damage(&newest.path().join(name));
    let error = newest.verify().expect_err(&format!("{what} of {name} was not noticed"));
    let file = Path::new(name).file_name().unwrap().to_string_lossy();
    assert!(error.to_string().contains(&*file), "{what} of {name}: {error}");
    assert_eq!(saver.latest_good().unwrap().unwrap().step(), 2, "{what} of {name}");
}

fn each_file(what: &str, damage: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    for name in files(&Saver::new(folder.path()).path(4), "") {
        check_damage(&name, what, &damage);
    }
}

#[test]
fn a_file_cut_off_is_noticed() {
    each_file("a cut", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
}

#[test]
fn an_empty_file_is_noticed() {
    each_file("emptying", |path| fs::write(path, b"").unwrap());
}

#[test]
fn a_missing_file_is_noticed() {
    each_file("removal", |path| fs::remove_file(path).unwrap());
}

#[test]
fn a_flipped_bit_is_noticed() {
    each_file("a flipped bit", |path| {
        let mut bytes = fs::read(path).unwrap();
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        fs::write(path, &bytes).unwrap();
    });
}

#[test]
fn every_bit_of_the_manifest_counts() {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    let checkpoint = Saver::new(folder.path()).latest_good().unwrap().unwrap();
    let path = checkpoint.path().join("MANIFEST.json");
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        assert!(checkpoint.verify().is_err(), "bit {} of byte {at}", at % 8);
    }
    fs::write(&path, &whole).unwrap();
    checkpoint.verify().unwrap();
}

#[test]
fn with_no_whole_checkpoint_the_run_does_not_start_from_scratch() {
    let folder = tempfile::tempdir().unwrap();
    let saver = Saver::new(folder.path());
    assert_eq!(saver.latest_good().unwrap(), None);
    two_checkpoints(folder.path());
    for step in [2, 4] {
        fs::write(saver.path(step).join("state/trainer.json"), "{}").unwrap();
    }
    let error = saver.latest_good().unwrap_err();
    assert!(error.to_string().contains("none of its checkpoints is whole"), "{error}");
}

#[test]
fn going_back_sets_the_later_ones_aside() {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    let saver = Saver::new(folder.path());
    fs::write(saver.path(4).join("model/config.json"), "{}").unwrap();
    let mut run = Run::new(folder.path());
    let outcome = run.resume(FitConfig { save_every: Some(3), ..config(5) }).unwrap();
    assert!(matches!(outcome, Outcome::Finished { step: 5, .. }));
    assert_eq!(saver.steps().unwrap(), [3, 5]);
    assert!(saver.folder().join("step-00000004.aside").is_dir());
}

#[test]
fn what_a_killed_run_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    let saver = Saver::new(folder.path());
    let left = saver.folder().join("step-00000006.tmp/model");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("model.safetensors"), "half").unwrap();
    assert_eq!(saver.latest_good().unwrap().unwrap().step(), 4, "half a checkpoint is none");
    Run::new(folder.path()).resume(config(5)).unwrap();
    assert!(!left.exists());
    assert_eq!(saver.steps().unwrap(), [4, 5]);
}

/// What stands in the checkpoints folder.
fn names(saver: &Saver) -> Vec<String> {
    let entries = fs::read_dir(saver.folder()).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_save_that_fails_leaves_nothing_and_stops_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.broken_export = Some(4);
    let error = run.fit(FitConfig { save_every: Some(2), ..config(6) }).unwrap_err();
    assert!(matches!(error, TrainError::Save { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("step-00000004") && text.contains("the export is broken"), "{text}");
    assert_eq!(names(&run.saver()), ["latest", "step-00000002"]);
    assert_eq!(run.saver().latest_good().unwrap().unwrap().step(), 2);
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    // A file where the folder of checkpoints should be.
    fs::write(folder.path().join("checkpoints"), "").unwrap();
    let saver = Saver::new(folder.path());
    let error = saver.save(1, |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("checkpoints/step-00000001"), "{error}");
}

/// Set in the process that `a_full_disk_leaves_nothing_half_written` starts.
const LITTLE_ROOM: &str = "SST_TEST_LITTLE_ROOM";

/// Does its work in a process of its own, whose files may not grow past 64 KiB.
#[test]
#[allow(clippy::disallowed_methods)]
fn child_with_little_room() {
    if std::env::var_os(LITTLE_ROOM).is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let saver = Saver::new(folder.path());
    let fill = |size: usize| {
        move |step: &Path| {
            for name in ["optimizer.safetensors", "objective.safetensors", "trainer.json"] {
                let path: PathBuf = step.join("state").join(name);
                sst_data::atomic::write(&path, &vec![1; size])
                    .map_err(|source| TrainError::Io { path, source })?;
            }
            Ok(())
        }
    };
    saver.save(1, fill(100)).unwrap();
    let error = saver.save(2, fill(1 << 20)).unwrap_err().to_string();
    assert!(error.contains("step-00000002") && error.contains("optimizer.safetensors"), "{error}");
    assert!(error.contains("File too large"), "{error}");
    assert_eq!(names(&saver), ["latest", "step-00000001"]);
    assert_eq!(saver.latest_good().unwrap().unwrap().step(), 1);
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    // With the signal ignored, a write past the limit fails as one to a full disk does.
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact checkpoint::child_with_little_room \
                  --test-threads 1";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env(LITTLE_ROOM, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
