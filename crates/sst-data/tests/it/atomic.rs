//! Files appear whole or not at all.

use std::io::{self, Write};

use sst_data::atomic;

#[test]
fn a_file_is_replaced_and_nothing_is_left_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    atomic::write(&path, b"one").unwrap();
    atomic::write(&path, b"two").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"two");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    atomic::write(&path, b"old").unwrap();
    let error = atomic::write_with(&path, |file| {
        file.write_all(b"half of the new")?;
        Err(io::Error::new(io::ErrorKind::StorageFull, "full"))
    });
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    assert!(atomic::write(&folder.path().join("no/such/folder"), b"x").is_err());
}

#[test]
fn a_folder_appears_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("above/model/");
    let fill = |into: &std::path::Path| {
        std::fs::create_dir(into.join("sub"))?;
        atomic::write(&into.join("sub/a"), b"a")?;
        assert!(!path.exists());
        Ok::<_, io::Error>(7)
    };
    let failed = atomic::folder(&path, |into| {
        fill(into)?;
        Err::<(), _>(io::Error::new(io::ErrorKind::StorageFull, "full"))
    });
    assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(folder.path().join("above").read_dir().unwrap().count(), 0);
    assert_eq!(atomic::folder(&path, fill).unwrap(), 7);
    assert_eq!(std::fs::read(path.join("sub/a")).unwrap(), b"a");
    assert_eq!(folder.path().join("above").read_dir().unwrap().count(), 1);
    // An existing folder is never changed, also if it is empty or appears while the new one is written.
    let error = atomic::folder(&path, |_| Ok::<_, io::Error>(())).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    let raced = folder.path().join("raced");
    let error = atomic::folder(&raced, |_| std::fs::create_dir(&raced)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(folder.path().read_dir().unwrap().count(), 2);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    atomic::write(&file, b"x").unwrap();
    for path in [file.join("model"), file.join("above/model"), "/proc/none".into()] {
        let error = atomic::folder(&path, |_| Ok::<_, io::Error>(())).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot make {}: ", path.display())), "{error}");
    }
}
