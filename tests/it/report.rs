//! `sst report`.

use crate::sandbox::Sandbox;

#[test]
fn a_run_becomes_one_page() {
    let sandbox = Sandbox::trained();
    let ended = sandbox.good(&["report", "runs/r", "--json"]);
    assert_eq!(ended.json()["step"], 12);
    let loss = ended.json()["figures"]["eval/mask-accuracy/loss"].as_f64();
    let page = sandbox.read("runs/r/report.html");
    for part in ["<svg", "12 steps", "mask-accuracy/loss", "batch_size = 8", "libtorch"] {
        assert!(page.contains(part), "{part}");
    }
    assert!(loss.is_some_and(|loss| page.contains(&format!("{loss:.2}")[..3])), "{loss:?}");
    assert!(!page.contains("src=") && !page.contains("href="), "needs another file");
    sandbox.good(&["report", "runs/r", "--out", "elsewhere.html"]);
    assert_eq!(sandbox.read("elsewhere.html"), page);
}

#[test]
fn what_is_no_run_is_refused() {
    let sandbox = Sandbox::new();
    let ended = sandbox.sst(&["report", "nowhere"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("nowhere is not a run"), "{}", ended.stderr);
}
