//! Retrieval: how well the vectors of queries find their relevant texts among all texts of a corpus, or pictures and
//! captions find each other.

mod pictures;
mod texts;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, Model, Objective, Report};

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{CaptionedPictures, Input, InputKind, Pairs};

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "retrieval",
    summary: "how often the nearest vectors of a query are those of its relevant texts, or of its picture",
    details: "Of texts, reports recall@1, recall@5, recall@10, mrr@10 and ndcg@10, and the alignment and uniformity of the vectors \
              (Wang and Isola 2020; lower is better). chance_recall@k is what a random order of the corpus reaches. \
              Of pictures and captions, image_to_text_recall@k is the share of pictures with a caption of their own among the k \
              captions that are most similar to them (the share of hits, as in CLIP), text_to_image_recall@k that of captions \
              with a picture of their own, and mrr the mean reciprocal rank over all of them. Captions that are equal count once, \
              and belong to all of their pictures. Where scores are equal, wrong ones are ranked first. The names with chance_ \
              are what a random order reaches.",
    input: InputKind::Pairs,
    records: None,
    needs_objective: false,
    figures: &[
        Figure::higher("ndcg@10"),
        Figure::higher("recall@1").with_baseline("chance_recall@1"),
        Figure::higher("recall@5").with_baseline("chance_recall@5"),
        Figure::higher("recall@10").with_baseline("chance_recall@10"),
        Figure::higher("mrr@10"),
        Figure::lower("alignment"),
        Figure::lower("uniformity"),
        Figure::higher("image_to_text_recall@10").with_baseline("chance_image_to_text_recall@10"),
        Figure::higher("text_to_image_recall@10").with_baseline("chance_text_to_image_recall@10"),
        Figure::higher("image_to_text_recall@5").with_baseline("chance_image_to_text_recall@5"),
        Figure::higher("text_to_image_recall@5").with_baseline("chance_text_to_image_recall@5"),
        Figure::higher("image_to_text_recall@1").with_baseline("chance_image_to_text_recall@1"),
        Figure::higher("text_to_image_recall@1").with_baseline("chance_text_to_image_recall@1"),
        Figure::higher("image_to_text_mrr").with_baseline("chance_image_to_text_mrr"),
        Figure::higher("text_to_image_mrr").with_baseline("chance_text_to_image_mrr"),
    ],
    default_config: || json!(RetrievalConfig::default()),
    options: &[
        ("batch_size", "Pictures or captions in a forward pass. The figures do not depend on it."),
        (
            "bootstrap_samples",
            "For pictures: samples of the bootstrap over pictures, or captions, that gives intervals; 0 for no interval.",
        ),
    ],
    build,
};

/// The keys of `retrieval`, which are those of pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RetrievalConfig {
    batch_size: usize,
    bootstrap_samples: usize,
}

impl Default for RetrievalConfig {
    fn default() -> Self {
        Self { batch_size: 64, bootstrap_samples: 1000 }
    }
}

enum Retrieval<'a> {
    Texts(Pairs<'a>),
    Pictures(RetrievalConfig, CaptionedPictures<'a>),
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(match input {
        Input::CaptionedPictures(data) => Retrieval::Pictures(config, data),
        other => Retrieval::Texts(other.pairs(ENTRY.name)?),
    }))
}

impl Evaluator for Retrieval<'_> {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn evaluate(
        &mut self,
        model: &dyn Model,
        _objective: Option<&dyn Objective>,
    ) -> sst_core::Result<Report> {
        Ok(match self {
            Self::Texts(data) => texts::measure(data, model)?,
            Self::Pictures(config, data) => {
                pictures::measure(data, model, config.batch_size, config.bootstrap_samples)?
            }
        })
    }
}
