//! The collection of a model's heads, and the heads that several models share, one file each.

pub(crate) mod classifier;
pub(crate) mod labels;
mod pooler;
mod sequence_classification;
mod span;
mod token_classification;
mod vocabulary;

use sst_core::{Head, HeadKind};

pub(crate) use classifier::{Classifier, HeadConfig, Sizes};
pub(crate) use pooler::Pooler;
pub(crate) use sequence_classification::SequenceClassification;
pub(crate) use span::Span;
pub(crate) use token_classification::TokenClassification;
pub(crate) use vocabulary::VocabularyProjection;

/// The heads of a model, at most one of each kind.
#[derive(Default)]
pub(crate) struct Heads(Vec<(HeadKind, Box<dyn Head + Send>)>);

impl Heads {
    /// Adds a head.
    pub(crate) fn add(&mut self, kind: HeadKind, head: impl Head + Send + 'static) {
        self.0.push((kind, Box::new(head)));
    }

    /// The head of this kind, if the model has it.
    pub(crate) fn get(&self, kind: HeadKind) -> Option<&dyn Head> {
        let found = self.0.iter().find(|(held, _)| *held == kind);
        found.map(|(_, head)| &**head as &dyn Head)
    }
}
