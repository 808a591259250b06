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
fn a_folder_that_is_no_run_is_refused() {
    let sandbox = Sandbox::new();
    let ended = sandbox.sst(&["report", "."]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains(". is not a run"), "{}", ended.stderr);
}

#[test]
fn a_run_that_is_writing_its_last_row_has_a_page_and_nothing_in_it_is_markup() {
    let sandbox = Sandbox::trained();
    let evil = "<img src=x onerror=alert(1)>";
    let metrics = sandbox.read("runs/r/metrics.jsonl");
    let rows = metrics.lines().count();
    let row = format!("{{\"_step\":12,\"train/{evil}/loss\":5e-324,\"eval/{evil}/mlm/loss\":0}}\n");
    sandbox.write("runs/r/metrics.jsonl", metrics + &row + "{\"_step\":12,\"train/lo");
    sandbox.write(
        "runs/r/ledger.json",
        format!("{{\"{evil}\": {{\"count\": \"{evil}\", \"first\": \"{evil}\"}}}}"),
    );
    let ended = sandbox.good(&["report", "runs/r"]);
    let told = format!("metrics.jsonl:{}, the last line, is incomplete", rows + 2);
    assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    let page = sandbox.read("runs/r/report.html");
    assert!(!page.contains("<img") && page.contains("&lt;img src=x"), "markup of the run's");
}
