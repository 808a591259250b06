//! The texts or questions of `sst predict`: those of the arguments, or of files.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sst_cli::args::PredictArgs;
use sst_cli::exit::Usage;
use sst_data::read::DocumentsWithFields;
use sst_data::records::Records;
use sst_data::tokenize::Tokenizer;
use sst_data::{Ledger, RowSpec};

use super::line::TEXTS;
use crate::cmd::records::RecordFiles;

/// Where the records come from, and a folder for what is prepared of them.
pub(super) struct Inputs {
    files: RecordFiles,
    are_given: bool,
    folder: Folder,
}

/// A folder that is removed with everything in it.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Inputs {
    /// The inputs that the arguments name.
    ///
    /// # Errors
    /// If an argument is wrong, or the temporary folder cannot be written to.
    pub(super) fn open(args: &PredictArgs) -> Result<Self> {
        let place = std::env::temp_dir().join(format!("sst-predict-{}", std::process::id()));
        std::fs::create_dir_all(&place).with_context(|| cannot_write(&place))?;
        let folder = Folder(place);
        if !args.data.is_empty() {
            let files = RecordFiles::new(&args.data, &args.records)?;
            return Ok(Self { files, are_given: true, folder });
        }
        let empty = args.text.iter().chain(&args.question).chain(&args.context);
        if empty.chain(&args.text_pair).any(|text| text.trim().is_empty()) {
            return Err(Usage("the text is empty: give one with words".to_owned()).into());
        }
        let question = args.question.iter().zip(&args.context);
        let question =
            question.map(|(question, context)| json!({"question": question, "context": context}));
        let texts = args.text.iter().map(|text| match &args.text_pair {
            Some(second) => json!({"text": text, "text_pair": second}),
            None => json!({"text": text}),
        });
        let lines: Vec<Value> = question.chain(texts).collect();
        let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let file = folder.0.join("arguments.jsonl");
        sst_data::atomic::write(&file, lines.as_bytes()).with_context(|| cannot_write(&file))?;
        let files = RecordFiles::own(vec![file.display().to_string()]);
        Ok(Self { files, are_given: false, folder })
    }

    /// The rows of the records.
    ///
    /// # Errors
    /// If a record is not valid, or a row has no room.
    pub(super) fn rows(
        &self,
        spec: &RowSpec,
        tokenizer: &Tokenizer,
        max_length: usize,
        ledger: &Ledger,
    ) -> Result<Records> {
        let cache = self.folder.0.join("records");
        self.files.rows(spec, &[], tokenizer, max_length, &cache, ledger)
    }

    /// The fields that hold the texts of records.
    pub(super) fn text_fields(&self) -> Vec<String> {
        TEXTS.map(|text| self.files.field(text)).to_vec()
    }

    /// The records with all their fields, if they come from files.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub(super) fn records(&self, text: &str) -> Result<Option<DocumentsWithFields>> {
        // What reading counts was counted with the rows.
        let read = || self.files.source(text).read_all_fields(&Ledger::new());
        Ok(self.are_given.then(read).transpose()?)
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}
