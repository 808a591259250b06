//! A checkpoint is complete or does not exist, and damage to one is noticed.

#![allow(clippy::disallowed_methods)] // Tests damage files in place.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use proptest::prelude::*;
use sst_train::{Checkpoint, FitConfig, Outcome, Saver, TrainError};

use crate::toy::{Run, config, keep};

/// A run of four steps with checkpoints at 2 and 4.
fn two_checkpoints(folder: &Path) {
    let mut run = Run::new(folder);
    run.fit(FitConfig { save_every: Some(2), retention: keep(0), ..config(4) }).unwrap();
}

/// The paths of all files in `folder`, sorted, with `prefix` before them.
fn files(folder: &Path, prefix: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            paths.extend(files(&entry.path(), &format!("{name}/")));
        } else {
            paths.push(name);
        }
    }
    paths.sort();
    paths
}

#[test]
fn a_checkpoint_has_these_files() {
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

/// Damages the file `name` of the newest checkpoint. The error must name the file, and the checkpoint before it must be
/// used instead. `what` describes the damage.
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

/// Calls [`check_damage`] for each file of a checkpoint.
fn check_each_file(what: &str, damage: impl Fn(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    for name in files(&Saver::new(folder.path()).path(4), "") {
        check_damage(&name, what, &damage);
    }
}

#[test]
fn a_file_cut_off_is_noticed() {
    check_each_file("a cut", |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
}

#[test]
fn an_empty_file_is_noticed() {
    check_each_file("emptying", |path| fs::write(path, b"").unwrap());
}

#[test]
fn a_missing_file_is_noticed() {
    check_each_file("removal", |path| fs::remove_file(path).unwrap());
}

#[test]
fn a_flipped_bit_is_noticed() {
    check_each_file("a flipped bit", |path| {
        let mut bytes = fs::read(path).unwrap();
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        fs::write(path, &bytes).unwrap();
    });
}

#[test]
fn a_flipped_bit_anywhere_in_the_manifest_is_noticed() {
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_checkpoint_files_are_noticed(
        file in prop::sample::select(vec!["MANIFEST.json", "state/trainer.json", "model/config.json"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..6),
    ) {
        static MADE: OnceLock<tempfile::TempDir> = OnceLock::new();
        let folder = MADE.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            two_checkpoints(folder.path());
            folder
        });
        let saver = Saver::new(folder.path());
        let checkpoint = saver.checkpoint(4);
        let path = checkpoint.path().join(file);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        for (place, byte, inserts) in changes {
            let i = place.index(bytes.len().max(1)).min(bytes.len());
            match (inserts, byte) {
                (true, _) => bytes.insert(i, byte),
                (false, 0..32) => bytes.truncate(i),
                (false, _) if i < bytes.len() => bytes[i] = byte,
                _ => {}
            }
        }
        fs::write(&path, &bytes).unwrap();
        let (verified, state, listed) = (checkpoint.verify(), checkpoint.state(), saver.list());
        let newest = saver.latest_good().unwrap().unwrap().step();
        fs::write(&path, &whole).unwrap();
        drop((state, listed.unwrap()));
        // A manifest may change in white space, or in the order of its keys, and mean the same.
        prop_assert!(verified.is_err() || bytes == whole || file == "MANIFEST.json");
        prop_assert_eq!(newest, if verified.is_ok() { 4 } else { 2 });
    }
}

/// Turns the manifest into one of version 1, which has no seal. Removes the file `lost` and its entry.
fn remove_seal(checkpoint: &Checkpoint, lost: Option<&str>) {
    let path = checkpoint.path().join("MANIFEST.json");
    let mut manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["version"] = 1.into();
    manifest.as_object_mut().unwrap().remove("seal").unwrap();
    if let Some(lost) = lost {
        manifest["files"].as_object_mut().unwrap().remove(lost).unwrap();
        fs::remove_file(checkpoint.path().join(lost)).unwrap();
    }
    fs::write(&path, manifest.to_string()).unwrap();
}

#[test]
fn a_manifest_that_has_lost_an_entry_is_noticed() {
    for lost in [
        "model/model.safetensors",
        "model/config.json",
        "state/optimizer.safetensors",
        "state/objective.safetensors",
        "state/trainer.json",
    ] {
        let folder = tempfile::tempdir().unwrap();
        two_checkpoints(folder.path());
        let saver = Saver::new(folder.path());
        // First in a manifest of an older sst, which has no seal, and then in a manifest with the seal of all entries.
        remove_seal(&saver.checkpoint(4), Some(lost));
        let error = saver.checkpoint(4).verify().unwrap_err().to_string();
        assert!(error.contains(&format!("does not list {lost}")), "{lost}: {error}");
        assert_eq!(saver.latest_good().unwrap().unwrap().step(), 2, "{lost}");
        let path = saver.path(2).join("MANIFEST.json");
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        manifest["files"].as_object_mut().unwrap().remove(lost).unwrap();
        fs::write(&path, manifest.to_string()).unwrap();
        let error = saver.checkpoint(2).verify().unwrap_err().to_string();
        assert!(error.contains("changed since it was written"), "{lost}: {error}");
    }
}

#[test]
fn latest_may_be_a_folder_or_a_file() {
    let copy = |from: &Path, to: &Path| {
        let status = std::process::Command::new("cp").arg("-r").arg(from).arg(to).status().unwrap();
        assert!(status.success());
    };

    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    let saver = Saver::new(folder.path());
    let latest = saver.folder().join("latest");
    let unlink = || fs::remove_file(&latest).unwrap();
    saver.repair_latest().unwrap();
    assert!(latest.is_symlink());

    // A copy of the run that followed the link.
    unlink();
    copy(&saver.path(4), &latest);
    saver.repair_latest().unwrap();
    assert_eq!(names(&saver), ["step-00000002", "step-00000004"]);
    // A file with the target of the link, as some zip archives store it.
    fs::write(&latest, "step-00000004").unwrap();
    saver.rewind_to(4).unwrap();
    assert_eq!(fs::read_link(&latest).unwrap(), Path::new("step-00000004"));
    // The only copy of the checkpoint.
    unlink();
    fs::rename(saver.path(4), &latest).unwrap();
    saver.repair_latest().unwrap();
    assert_eq!(names(&saver), ["step-00000002", "step-00000004"]);
    assert_eq!(saver.latest_good().unwrap().unwrap().step(), 4);
    // The copy under the name of the checkpoint is damaged, so none of both is deleted.
    copy(&saver.path(4), &latest);
    fs::write(saver.path(4).join("model/config.json"), "{}").unwrap();
    saver.repair_latest().unwrap();
    assert_eq!(names(&saver), ["latest.aside", "step-00000002", "step-00000004"]);
    // A folder that is not a checkpoint.
    fs::create_dir(&latest).unwrap();
    saver.rewind_to(2).unwrap();
    assert!(latest.is_symlink() && saver.folder().join("latest.aside").is_dir());
}

#[test]
fn a_resumed_run_deletes_old_checkpoints_that_it_was_killed_before_deleting() {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    let mut run = Run::new(folder.path());
    run.resume(FitConfig { save_every: Some(2), retention: keep(1), ..config(4) }).unwrap();
    assert_eq!(run.saver().steps().unwrap(), [4]);
}

#[test]
fn if_all_checkpoints_are_broken_the_run_does_not_start_from_scratch() {
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
fn resuming_from_an_earlier_checkpoint_sets_the_later_ones_aside() {
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
fn an_incomplete_checkpoint_of_a_killed_run_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    two_checkpoints(folder.path());
    let saver = Saver::new(folder.path());
    let left = saver.folder().join("step-00000006.tmp/model");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("model.safetensors"), "half").unwrap();
    assert_eq!(saver.latest_good().unwrap().unwrap().step(), 4, "step 6 is incomplete");
    Run::new(folder.path()).resume(config(5)).unwrap();
    assert!(!left.exists());
    assert_eq!(saver.steps().unwrap(), [4, 5]);
}

/// The names in the folder of checkpoints, sorted.
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

/// The environment variable that is set in the process that `a_full_disk_leaves_nothing_half_written` starts.
const LITTLE_ROOM: &str = "SST_TEST_LITTLE_ROOM";

/// Does something only in that process, whose files may not grow beyond 64 KiB.
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
            for name in [
                "state/optimizer.safetensors",
                "state/objective.safetensors",
                "state/trainer.json",
                "model/config.json",
                "model/model.safetensors",
            ] {
                let path: PathBuf = step.join(name);
                let content = if name.ends_with("json") { b"{}".to_vec() } else { vec![1; size] };
                sst_data::atomic::write(&path, &content)
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
    // As the signal is ignored, a write beyond the limit fails, like a write to a full disk.
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
