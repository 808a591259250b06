//! Reads only the texts of a source.

use super::{ReadError, Source};
use crate::ledger::Ledger;

impl Source {
    /// The texts of the documents. The texts of a pair follow each other. The first document that cannot be read ends
    /// the iteration, and its error is stored in `failed`.
    ///
    /// # Errors
    /// If no file is found.
    pub fn texts<'a>(
        &self,
        ledger: &Ledger,
        failed: &'a mut Option<ReadError>,
    ) -> Result<impl Iterator<Item = String> + Send + use<'a>, ReadError> {
        let documents = self.read(ledger)?;
        let fields: Vec<String> =
            std::iter::once("text".to_owned()).chain(self.pair_fields.clone()).collect();
        let texts = documents.map_while(move |example| match example {
            Ok(example) => {
                let text = |field: &String| example.text(field).unwrap_or_default().to_owned();
                Some(fields.iter().map(text).collect::<Vec<_>>())
            }
            Err(error) => {
                *failed = Some(error);
                None
            }
        });
        Ok(texts.flatten())
    }
}
