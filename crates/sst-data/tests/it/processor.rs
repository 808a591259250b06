//! Folders with and without a tokenizer.

use sst_data::processor::Processor;
use sst_data::tokenize::{Tokenizer, TrainConfig, train};
use tempfile::TempDir;

#[test]
fn a_folder_may_have_no_tokenizer_but_no_broken_one() {
    let folder = TempDir::new().unwrap();
    let none = Processor::load(folder.path()).unwrap();
    let error = none.tokenizer().map(|_| ()).unwrap_err().to_string();
    let place = folder.path().display().to_string();
    assert!(error.starts_with(&place) && error.contains("no tokenizer.json, no"), "{error}");
    assert_eq!(error, Tokenizer::load(folder.path()).map(|_| ()).unwrap_err().to_string());

    let config = TrainConfig { vocab_size: 40, min_frequency: 1, ..TrainConfig::default() };
    let tokenizer = train(&config, ["let there be light".to_owned()].into_iter()).unwrap();
    tokenizer.save(folder.path(), 16).unwrap();
    let some = Processor::load(folder.path()).unwrap();
    let size = tokenizer.vocab_size();
    assert_eq!(some.tokenizer().unwrap().vocab_size(), size);
    let limited = some.map_tokenizer(|tokenizer| tokenizer.for_vocabulary(1));
    assert!(limited.tokenizer().unwrap().encode("light").is_err());

    std::fs::write(folder.path().join("tokenizer.json"), "{").unwrap();
    assert!(Processor::load(folder.path()).is_err());
}
