//! Runs the example of the crate.

use sst_core::HeadKind;
use sst_core::checkpoint::Allow;
use sst_data::Ledger;
use sst_data::read::Source;
use sst_train::Outcome;
use sst_train::track::jsonl;
use tch::Device;

#[allow(dead_code, reason = "its `main` is for the command line")]
#[path = "../../examples/own_objective.rs"]
mod own_objective;

#[test]
fn the_example_learns_which_tokens_were_replaced() {
    let _turn = crate::toy::turn();
    let folder = tempfile::tempdir().unwrap();
    let book = concat!(env!("CARGO_MANIFEST_DIR"), "/../../corpora/kjv.txt.gz");
    let verses = Source::new([book]).read(&Ledger::new()).unwrap().take(500);
    let verses: Vec<String> =
        verses.map(|verse| verse.unwrap().text("text").unwrap().to_owned()).collect();
    let corpus = folder.path().join("corpus.txt");
    sst_data::atomic::write(&corpus, verses.join("\n").as_bytes()).unwrap();
    let outcome = own_objective::run(corpus.to_str().unwrap(), folder.path()).unwrap();
    let Outcome::Finished { step: 100, metrics, checkpoint, .. } = outcome else {
        panic!("{outcome:?}")
    };

    // The loss of a model that knows the share of replaced tokens, and nothing of the tokens.
    let replaced = 0.15_f64;
    let constant = -(replaced * replaced.ln() + (1.0 - replaced) * (1.0 - replaced).ln());
    let rows = jsonl::read(&folder.path().join("metrics.jsonl")).unwrap();
    let losses: Vec<f64> = rows.iter().filter_map(|row| row.get("train/loss")?.as_f64()).collect();
    assert_eq!((losses.len(), losses.last()), (10, metrics.get("train/loss")));
    assert!(losses[0] > constant && losses[9] < 0.8 * constant, "{constant}: {losses:?}");
    let folder = checkpoint.join("model");
    let (model, _) = sst_models::load(&folder, None, Device::Cpu, &Allow::default()).unwrap();
    assert_eq!(model.head(HeadKind::TokenClassification).unwrap().num_outputs(), 2);
}
