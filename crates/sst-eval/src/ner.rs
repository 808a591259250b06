//! How well a token-classification head finds the entities of texts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, HeadKind, Model, Objective, Report, Table, Terms};
use sst_data::RowSpec;
use sst_data::entities::{Entity, EntityLabels, read_strict};
use sst_data::records::{Column, ColumnKind, Stride, WindowSpec};

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, RecordRows};
use crate::intervals::Intervals;
use crate::metric::{ClassCounts, EntityCounts};
use crate::predict::{Decoding, EntityFinder, FoundEntity, TaggedText};
use crate::record_spec::RecordSpec;

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "ner",
    summary: "how well a token-classification head finds the entities of texts",
    details: "Reports precision, recall and f1 of whole entities: an entity counts if its type, its first and its last \
              character are right. Long texts are read in overlapping windows, so that every gold entity is found or \
              missed. The figures without a prefix read the predicted labels as seqeval does by default (any label but O \
              is part of an entity); those with strict_ only as the scheme says. overlap_recall and overlap_precision \
              count an entity that shares a character with one of its type. f1_low and f1_high are a 95 % interval by a \
              bootstrap over texts. unreachable_entities counts gold entities that begin or end within a word of the tokenizer, \
              which no labels can give. The table has the figures of each type.",
    input: InputKind::Records,
    records: Some(RecordSpec { head: HeadKind::TokenClassification, rows, labels }),
    needs_objective: false,
    figures: &[
        Figure::higher("f1"),
        Figure::higher("strict_f1"),
        Figure::higher("precision"),
        Figure::higher("recall"),
        Figure::higher("macro_f1"),
    ],
    default_config: || json!(NerConfig::default()),
    options: &[
        ("batch_size", "Windows in a forward pass. The figures do not depend on it."),
        (
            "stride",
            "Tokens that two windows of a long text share; auto for a quarter of the longest row.",
        ),
        (
            "decoding",
            "How labels are chosen: greedy, or viterbi for the best sequence that the scheme allows.",
        ),
        ("bootstrap_samples", "Samples of the bootstrap; 0 for no interval."),
    ],
    build,
};

/// The keys of `ner`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NerConfig {
    batch_size: usize,
    stride: Stride,
    decoding: Decoding,
    bootstrap_samples: usize,
}

impl Default for NerConfig {
    fn default() -> Self {
        Self {
            batch_size: 32,
            stride: Stride::Auto,
            decoding: Decoding::Greedy,
            bootstrap_samples: 1000,
        }
    }
}

fn rows(_model: &Value, config: &Value) -> RowSpec {
    let text = "text".to_owned();
    let stride = parse::<NerConfig>(ENTRY.name, config).map(|config| config.stride);
    let stride = stride.unwrap_or_default();
    RowSpec::Records {
        columns: vec![
            Column::new(&text, ColumnKind::Text),
            Column::new("entities", ColumnKind::Entities { text: text.clone() }),
        ],
        window: Some(WindowSpec { text, stride }),
    }
}

/// The types of the labels of the model. A head whose outputs are no labels is reported where it is used.
fn labels(_model: &Value, outputs: &[String]) -> Vec<String> {
    EntityLabels::of(outputs).map(|table| table.types().to_vec()).unwrap_or_default()
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(Ner { config, data: input.records(ENTRY.name)? }))
}

struct Ner {
    config: NerConfig,
    data: RecordRows,
}

/// The counts of one reading of the predicted labels.
#[derive(Default)]
struct Counts {
    all: EntityCounts,
    /// Of each text the entities that are right, those that were predicted, and the gold ones.
    texts: Vec<ClassCounts>,
}

impl Counts {
    fn add(&mut self, gold: &[Entity<'_>], predicted: &[Entity<'_>]) {
        self.all.add(gold, predicted);
        let mut text = EntityCounts::default();
        text.add(gold, predicted);
        self.texts.push(text.total());
    }
}

impl Ner {
    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let NerConfig { batch_size, decoding, bootstrap_samples, .. } = self.config;
        let finder = EntityFinder::new(model, decoding, batch_size)?;
        let (mut lenient, mut strict) = (Counts::default(), Counts::default());
        let (mut windows, mut words, mut illegal, mut unreachable) = (0, 0, 0, 0);
        finder.for_each(model, &*self.data.rows, &mut |text| {
            let gold = self.gold(&text)?;
            let found = text.entities()?;
            let read = read_strict(&text.labels, finder.table().scheme())?;
            illegal += u64::from(read.len() != found.len());
            let by_scheme = text.in_characters(&read);
            lenient.add(&gold, &as_entities(&found));
            strict.add(&gold, &as_entities(&by_scheme));
            unreachable += gold.iter().filter(|entity| !is_reachable(entity, &text)).count() as u64;
            windows += text.windows as u64;
            words += text.words.len() as u64;
            Ok(())
        })?;
        if lenient.texts.is_empty() {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        }
        let mut metrics: Vec<(String, f64)> = Vec::new();
        for (prefix, counts) in [("", &lenient), ("strict_", &strict)] {
            let scores = counts.all.total().scores();
            metrics.push((format!("{prefix}precision"), scores.precision));
            metrics.push((format!("{prefix}recall"), scores.recall));
            let averages = counts.all.averages();
            metrics.push((format!("{prefix}macro_f1"), averages.macro_average.f1));
            let name = format!("{prefix}f1");
            Intervals::of(bootstrap_samples).add(
                &mut metrics,
                &name,
                counts.texts.len(),
                |sample| Some(sum(sample.iter().map(|at| &counts.texts[*at])).scores().f1),
            )?;
        }
        let overlaps = lenient.all.overlaps.values();
        let [gold, gold_found, predicted, right] =
            overlaps.fold([0; 4], |[gold, found, predicted, right], counts| {
                [
                    gold + counts.gold,
                    found + counts.gold_found,
                    predicted + counts.predicted,
                    right + counts.predicted_right,
                ]
            });
        let share = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        metrics.push(("overlap_recall".to_owned(), share(gold_found, gold)));
        metrics.push(("overlap_precision".to_owned(), share(right, predicted)));
        let total = lenient.all.total();
        let counts = [
            ("texts", lenient.texts.len() as u64),
            ("windows", windows),
            ("words", words),
            ("gold_entities", total.gold),
            ("predicted_entities", total.predicted),
            ("correct_entities", total.true_positives),
            ("texts_with_illegal_labels", illegal),
            ("unreachable_entities", unreachable),
        ];
        let metrics = metrics.iter().map(|(name, value)| (&**name, *value));
        let decoding = match decoding {
            Decoding::Greedy => "greedy",
            Decoding::Viterbi => "viterbi",
        };
        let report = Report::new(ENTRY.name, metrics, counts)
            .with_setting("scheme", finder.table().scheme().name())
            .with_setting("decoding", decoding)
            .with_table("types", types(&lenient.all, &strict.all))
            .with_examples("f1", f1_terms(&lenient.texts))
            .with_examples("strict_f1", f1_terms(&strict.texts));
        Ok(report)
    }

    /// The gold entities of a text, in characters.
    fn gold(&self, text: &TaggedText) -> Result<Vec<Entity<'_>>, EvalError> {
        let missing = || EvalError::MissingField {
            key: text.key.clone(),
            field: "entities.characters".to_owned(),
        };
        let spans = text.example.spans("entities.characters").ok_or_else(missing)?;
        let entity = |span: &sst_data::Span| {
            let label = span.label.and_then(|label| self.data.labels.get(label as usize));
            let label = label.ok_or_else(missing)?;
            Ok(Entity { start: span.start, end: span.end, label })
        };
        spans.iter().map(entity).collect()
    }
}

/// Whether some words of the text begin and end where the entity does.
fn is_reachable(entity: &Entity<'_>, text: &TaggedText) -> bool {
    let begins = text.words.binary_search_by_key(&entity.start, |word| word.0).is_ok();
    begins && text.words.binary_search_by_key(&entity.end, |word| word.1).is_ok()
}

fn as_entities(found: &[FoundEntity]) -> Vec<Entity<'_>> {
    let entity = |found| {
        let FoundEntity { label, characters: (start, end), .. }: &FoundEntity = found;
        Entity { start: *start, end: *end, label }
    };
    found.iter().map(entity).collect()
}

fn sum<'c>(counts: impl Iterator<Item = &'c ClassCounts>) -> ClassCounts {
    counts.fold(ClassCounts::default(), |sum, one| ClassCounts {
        true_positives: sum.true_positives + one.true_positives,
        predicted: sum.predicted + one.predicted,
        gold: sum.gold + one.gold,
    })
}

/// The terms of an F1 over texts: twice what is right, and what is predicted together with what is gold.
fn f1_terms(texts: &[ClassCounts]) -> impl Iterator<Item = Terms> {
    texts
        .iter()
        .map(|text| (2.0 * text.true_positives as f64, text.predicted as f64 + text.gold as f64))
}

/// The figures of each type.
fn types(lenient: &EntityCounts, strict: &EntityCounts) -> Table {
    let columns = ["precision", "recall", "f1", "gold", "predicted", "correct", "strict_f1"];
    let mut table = Table::new(&columns);
    let names: BTreeSet<&String> = lenient.types.keys().chain(strict.types.keys()).collect();
    for name in names {
        let counts = lenient.types.get(name).copied().unwrap_or_default();
        let by_scheme = strict.types.get(name).copied().unwrap_or_default();
        let scores = counts.scores();
        table.push(
            name,
            vec![
                scores.precision,
                scores.recall,
                scores.f1,
                counts.gold as f64,
                counts.predicted as f64,
                counts.true_positives as f64,
                by_scheme.scores().f1,
            ],
        );
    }
    table
}

impl Evaluator for Ner {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn evaluate(
        &mut self,
        model: &dyn Model,
        _objective: Option<&dyn Objective>,
    ) -> sst_core::Result<Report> {
        Ok(self.measure(model)?)
    }
}
