//! The names of modules in which causal models differ.

use sst_core::HeadKind;
use sst_core::checkpoint::Renamed;

use crate::heads::HeadConfig;

/// The names of modules of a causal model.
#[derive(Debug)]
pub(crate) struct CausalNames {
    /// The word embeddings in the decoder, without a prefix.
    pub(crate) words: &'static str,
    /// The prefix of the names of the layers' parameters, after that of the decoder.
    pub(crate) layers: &'static str,
    /// The architecture without a head.
    pub(crate) base: &'static str,
    /// The module of the decoder in an architecture with a head.
    pub(crate) decoder: &'static str,
    /// The architecture with a span head, and the module of the decoder in it.
    pub(crate) span: (&'static str, &'static str),
    /// The module of the head that classifies tokens.
    pub(crate) token_head: &'static str,
    /// Maps the name of a tensor, except for the head's projection, to a parameter of the decoder with this prefix, or
    /// of a head.
    pub(crate) rename: fn(&str, &str) -> Renamed,
}

/// The module of the head that classifies rows.
const SCORE: &str = "score";
/// The module of the head that scores the start and the end of an answer.
const OUTPUTS: &str = "qa_outputs";

/// The projection of the language-model head, if it is not tied to the word embeddings.
pub(super) const PROJECTION: &str = "lm_head.weight";

impl CausalNames {
    /// The module of the decoder in this architecture; `None` if its parameters have no prefix.
    pub(super) fn decoder(&self, architecture: &str) -> Option<&'static str> {
        let (span, decoder_of_span) = self.span;
        match architecture {
            name if name == self.base => None,
            name if name == span => Some(decoder_of_span),
            _ => Some(self.decoder),
        }
    }

    /// The prefix of the decoder's parameters in this architecture.
    pub(super) fn prefix(&self, architecture: &str) -> String {
        self.decoder(architecture).map_or_else(String::new, |module| format!("{module}."))
    }

    /// The parameter that a tensor of any spelling stands for, in this architecture.
    pub(crate) fn parameter(&self, name: &str, architecture: &str) -> Renamed {
        (self.rename)(name, &self.prefix(architecture))
    }

    /// The module of a task head.
    pub(super) fn module(&self, task: HeadKind) -> &'static str {
        match task {
            HeadKind::TokenClassification => self.token_head,
            HeadKind::Span => OUTPUTS,
            _ => SCORE,
        }
    }

    /// The parameters of a task head whose classifier has these layers. Transformers' decoders classify rows without a
    /// bias.
    pub(super) fn head(&self, task: HeadKind, layers: HeadConfig) -> Vec<String> {
        let layers = if task == HeadKind::Span { HeadConfig::Linear } else { layers };
        layers.parameters(self.module(task), task != HeadKind::SequenceClassification)
    }

    /// Whether the tensor is of a task head.
    pub(super) fn is_task_head(&self, name: &str) -> bool {
        let module = name.split('.').next();
        [SCORE, self.token_head, OUTPUTS].map(Some).contains(&module)
    }
}
