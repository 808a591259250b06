//! One process holds a lock, and the next gets it however the first ended.

use std::time::Duration;

use sst_data::lock::{FileLock, LockError};

#[test]
fn a_lock_is_held_by_one_and_gone_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lock");
    let lock = FileLock::take(&path, Duration::ZERO).unwrap();
    let held = FileLock::take(&path, Duration::from_millis(80)).unwrap_err();
    assert!(
        matches!(held, LockError::Held { pid: Some(pid), .. } if pid == std::process::id()),
        "{held}"
    );
    assert!(held.to_string().contains(&format!("locked by process {}", std::process::id())));
    drop(lock);
    assert!(!path.exists());
    FileLock::take(&path, Duration::ZERO).unwrap();
}

#[test]
fn a_file_that_a_killed_process_left_locks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.lock");
    sst_data::atomic::write(&path, b"123456789").unwrap();
    let lock = FileLock::take(&path, Duration::ZERO).unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), std::process::id().to_string());
    drop(lock);
}

#[test]
fn of_many_threads_one_at_a_time_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.lock");
    let inside = std::sync::atomic::AtomicU32::new(0);
    let order = std::sync::atomic::Ordering::SeqCst;
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let _lock = FileLock::wait(&path, |_| ()).unwrap();
                    assert_eq!(inside.fetch_add(1, order), 0);
                    std::thread::yield_now();
                    inside.fetch_sub(1, order);
                }
            });
        }
    });
    assert!(!path.exists());
}
