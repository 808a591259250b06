//! Decides which architecture of BERT a file of weights is loaded as.

use std::collections::BTreeMap;

use sst_core::HeadKind;
use sst_core::checkpoint::Renamed;

use super::names::{canonical, is_base, is_buffer};
use crate::error::ModelError;
use crate::heads::HeadConfig;
use crate::plan::{LoadHead, Plan, Request, TaskHead};

/// The encoder with the masked-language-model head.
pub(super) const MASKED: &str = "BertForMaskedLM";
/// The encoder with the masked-language-model head, the pooler and the sentence-pair head.
pub(super) const PRETRAINING: &str = "BertForPreTraining";
/// The encoder with a head that classifies rows, on the pooler.
pub(super) const SEQUENCE: &str = "BertForSequenceClassification";
/// The encoder with a head that classifies tokens.
pub(super) const TOKEN: &str = "BertForTokenClassification";
/// The encoder with a head that scores the start and the end of an answer.
pub(super) const SPAN: &str = "BertForQuestionAnswering";
/// The encoder with its pooler.
pub(super) const BASE: &str = "BertModel";

const WORDS: &str = "embeddings.word_embeddings.weight";
const PROJECTION: &str = "cls.predictions.decoder.weight";
/// The two names of the head's bias. transformers has added the second one.
const BIASES: [&str; 2] = ["cls.predictions.bias", "cls.predictions.decoder.bias"];
const HEAD: &str = "cls.predictions.";
/// The modules of task heads.
const CLASSIFIER: &str = "classifier";
const OUTPUTS: &str = "qa_outputs";
const MASKED_PARAMETERS: [&str; 5] = [
    "cls.predictions.bias",
    "cls.predictions.transform.dense.weight",
    "cls.predictions.transform.dense.bias",
    "cls.predictions.transform.LayerNorm.weight",
    "cls.predictions.transform.LayerNorm.bias",
];
const PRETRAINING_PARAMETERS: [&str; 9] = [
    MASKED_PARAMETERS[0],
    MASKED_PARAMETERS[1],
    MASKED_PARAMETERS[2],
    MASKED_PARAMETERS[3],
    MASKED_PARAMETERS[4],
    PAIR[0],
    PAIR[1],
    POOLER[0],
    POOLER[1],
];
const POOLER: [&str; 2] = ["pooler.dense.weight", "pooler.dense.bias"];
const PAIR: [&str; 2] = ["cls.seq_relationship.weight", "cls.seq_relationship.bias"];

/// The tensors of an architecture besides those of the encoder, without the prefix `bert.`. Those of a task head come
/// first.
fn tensors(architecture: &str, layers: HeadConfig) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    match architecture {
        MASKED => owned(&MASKED_PARAMETERS),
        PRETRAINING => owned(&PRETRAINING_PARAMETERS),
        SEQUENCE => [layers.parameters(CLASSIFIER, true), owned(&POOLER)].concat(),
        TOKEN => layers.parameters(CLASSIFIER, true),
        SPAN => HeadConfig::Linear.parameters(OUTPUTS, true),
        _ => Vec::new(),
    }
}

/// Whether the tensor is of a task head.
fn is_task_head(name: &str) -> bool {
    let module = name.split('.').next();
    [CLASSIFIER, OUTPUTS].map(Some).contains(&module)
}

/// The architecture with the head that the caller asks for.
fn architecture_with(request: &Request<'_>, kind: HeadKind) -> Result<&'static str, ModelError> {
    match kind {
        HeadKind::LanguageModel => Ok(MASKED),
        HeadKind::SentencePair => Ok(PRETRAINING),
        other => request.task_with(other).ok_or_else(|| request.no_such_head(other)),
    }
}

/// Chooses the architecture and the use of each tensor. If the caller asks for no head, it is the head of the task
/// that the config names, if the file holds all of it. Otherwise it is the masked-language-model head, if the file
/// holds it; with pooler and sentence-pair head, if the file holds these as well and the config does not name
/// `BertForMaskedLM`.
pub(super) fn plan(request: &Request<'_>) -> Result<Plan, ModelError> {
    // Maps the names of parameters to their names in the file.
    let mut held = BTreeMap::new();
    for name in request.weights.names() {
        held.insert(canonical(name), name);
    }
    let has_head = held.keys().any(|name| name.starts_with(HEAD));
    let [has_pooler, has_pair] = [POOLER[0], PAIR[0]].map(|name| held.contains_key(name));
    let named = request.named();
    let (layers, is_fresh) = (HeadConfig::of(request.config)?, request.starts_head_anew());
    // Two tasks have a head of this name. The file holds that of the task which the config names.
    let is_of_other_task = |name: &str, architecture: &str| {
        let is_task = |architecture: &str| [SEQUENCE, TOKEN].contains(&architecture);
        name.split('.').next() == Some(CLASSIFIER)
            && is_task(architecture)
            && named.is_some_and(|named| is_task(named) && named != architecture)
    };
    let lacks = |architecture: &str| -> Vec<String> {
        let is_held = |name: &str| {
            held.contains_key(name)
                && !(is_fresh && is_task_head(name))
                && !is_of_other_task(name, architecture)
                || name == BIASES[0] && held.contains_key(BIASES[1])
        };
        let mut names = tensors(architecture, layers);
        names.retain(|name| !is_held(name));
        names
    };
    let task = request.named_task().map(|(name, _)| name).filter(|name| lacks(name).is_empty());
    let masked = match has_head && has_pooler && has_pair && named != Some(MASKED) {
        true => PRETRAINING,
        false => MASKED,
    };
    let architecture = match (request.architecture, request.head) {
        (Some(asked), _) => asked,
        (None, LoadHead::AsFound) => match (task, has_head) {
            (Some(task), _) => task,
            (None, true) => masked,
            (None, false) => BASE,
        },
        // A file without embeddings belongs to another model; the error then lists everything that it lacks.
        (None, LoadHead::Needed(HeadKind::LanguageModel))
            if !has_head && held.contains_key(WORDS) =>
        {
            return Err(request.no_head("head for masked tokens", "cls.predictions.*"));
        }
        (
            None,
            LoadHead::Needed(HeadKind::LanguageModel) | LoadHead::New(HeadKind::LanguageModel),
        ) => masked,
        (None, LoadHead::Needed(kind)) => {
            let architecture = architecture_with(request, kind)?;
            if !lacks(architecture).is_empty() && held.contains_key(WORDS) {
                let (head, tensors) = described(architecture);
                return Err(request.no_head(head, tensors));
            }
            architecture
        }
        (None, LoadHead::New(kind)) => architecture_with(request, kind)?,
    };
    let absent = absent(named, architecture, &lacks);
    let builds_masked = [MASKED, PRETRAINING].contains(&architecture);
    let new = match request.head {
        LoadHead::New(HeadKind::LanguageModel) if !has_head && builds_masked => {
            vec![HEAD.to_owned()]
        }
        LoadHead::New(kind) if kind != HeadKind::LanguageModel => {
            lacks(architecture).iter().map(|name| prefixed(name, architecture)).collect()
        }
        _ => Vec::new(),
    };

    let tied = request.tied();
    let words = held.get(WORDS).copied();
    let projection = held.get(PROJECTION).copied();
    let untied = match (words, projection) {
        (Some(words), Some(projection)) if tied && builds_masked => {
            !request.weights.same(words, projection)?
        }
        _ => false,
    };
    let second_bias = held.get(BIASES[1]).copied();
    let mut renames = BTreeMap::new();
    for name in request.weights.names() {
        let target = canonical(name);
        let renamed = if is_buffer(name) {
            Renamed::Ignore
        } else if !builds_masked && target.starts_with("cls.")
            || is_fresh && is_task_head(&target)
            || is_of_other_task(&target, architecture)
        {
            Renamed::Unused
        } else if target == PROJECTION && tied && !untied {
            // The projection is tied: it is a copy of the embeddings, or the only tensor that holds them.
            match words {
                Some(_) => Renamed::Ignore,
                None => Renamed::To(prefixed(WORDS, architecture)),
            }
        } else if target == BIASES[1] {
            Renamed::To(BIASES[0].to_owned())
        } else if let (true, Some(second)) = (target == BIASES[0], second_bias) {
            // transformers does not read the first bias of an untied head, and writes its initial zeros.
            let as_made = !tied && is_zero(request, name)?;
            match as_made || request.weights.same(name, second)? {
                true => Renamed::Ignore,
                false => Renamed::Unused,
            }
        } else {
            Renamed::To(prefixed(&target, architecture))
        };
        renames.insert(name.to_owned(), renamed);
    }
    let task = request.tasks.iter().find(|(name, _)| *name == architecture);
    let task = task.map(|(_, kind)| TaskHead {
        kind: *kind,
        module: if *kind == HeadKind::Span { OUTPUTS } else { CLASSIFIER },
        outputs: tensors(architecture, layers).swap_remove(0),
    });
    Ok(Plan { architecture, pooler: has_pooler, untied, new, absent, task, renames })
}

/// The parameter that a tensor of any spelling stands for, in this architecture.
pub(super) fn parameter(name: &str, architecture: &str) -> Renamed {
    Renamed::To(prefixed(&canonical(name), architecture))
}

/// Whether all values of a tensor of the file are zero.
fn is_zero(request: &Request<'_>, name: &str) -> Result<bool, ModelError> {
    let any = request.weights.tensor(name)?.f_any().map_err(sst_core::Error::from)?;
    Ok(any.f_int64_value(&[]).map_err(sst_core::Error::from)? == 0)
}

/// The name of a parameter in the model. Beside a head, the encoder's parameters have the prefix `bert.`.
fn prefixed(name: &str, architecture: &str) -> String {
    match is_base(name) && architecture != BASE {
        true => format!("bert.{name}"),
        false => name.to_owned(),
    }
}

/// The head of an architecture and its tensors, for error messages.
fn described(architecture: &str) -> (&'static str, &'static str) {
    match architecture {
        PRETRAINING => ("sentence-pair head", "cls.seq_relationship.*, pooler.*"),
        SEQUENCE => ("sequence-classification head", "classifier.*, pooler.*"),
        TOKEN => ("token-classification head", "classifier.*"),
        _ => ("span head", "qa_outputs.*"),
    }
}

/// The parameters of the architecture that the config names which the file lacks, if the model is built without them.
fn absent(named: Option<&str>, built: &str, lacks: &dyn Fn(&str) -> Vec<String>) -> Vec<String> {
    let mut absent = match named {
        Some(MASKED | PRETRAINING) if built == BASE => lacks(MASKED),
        Some(task @ (SEQUENCE | TOKEN | SPAN)) if built == BASE => lacks(task),
        _ => Vec::new(),
    };
    if named == Some(PRETRAINING) && built != PRETRAINING {
        absent.extend(lacks(PRETRAINING).into_iter().filter(|name| PAIR.contains(&&**name)));
    }
    if [BASE, PRETRAINING].map(Some).contains(&named) && ![PRETRAINING, SEQUENCE].contains(&built) {
        absent.extend(lacks(PRETRAINING).into_iter().filter(|name| POOLER.contains(&&**name)));
    }
    absent
}
