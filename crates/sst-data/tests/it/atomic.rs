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
