//! The ledger counts by name, remembers the first place and is shared by its clones.

use sst_data::{Key, Ledger};

#[test]
fn counts_add_up_and_the_first_place_stays() {
    let ledger = Ledger::new();
    ledger.add("b", 0, Some(&Key::new("never.txt", 1)));
    ledger.add("b", 2, Some(&Key::new("a.txt", 7)));
    ledger.add("b", 3, Some(&Key::new("a.txt", 9)));
    ledger.add("a", 1, None);
    assert_eq!((ledger.count("a"), ledger.count("b"), ledger.count("c")), (1, 5, 0));
    let json = serde_json::to_string(&ledger.entries()).unwrap();
    assert_eq!(json, r#"{"a":{"count":1},"b":{"count":5,"first":"a.txt:7"}}"#);
    let restored = Ledger::new();
    restored.add("gone", 1, None);
    restored.restore(serde_json::from_str(&json).unwrap());
    assert_eq!(restored.entries(), ledger.entries());
}

#[test]
fn threads_share_one_ledger() {
    let ledger = Ledger::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let ledger = ledger.clone();
            scope.spawn(move || (0..1000).for_each(|_| ledger.add("x", 1, None)));
        }
    });
    assert_eq!(ledger.count("x"), 4000);
}
