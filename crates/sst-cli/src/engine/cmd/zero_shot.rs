//! `sst eval zero-shot`: pictures get the label whose prompt is most similar.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use sst_cli::args::ZeroShotArgs;
use sst_cli::exit::Usage;
use sst_core::Modality;
use sst_data::Ledger;
use sst_data::rows::Subset;
use sst_eval::{Entry, Input, NamedPictures};
use sst_models::LoadHead;

use super::measure::{Measured, Setting, evaluate};
use super::pictures::{PictureFiles, caption_tokens, images, must_project, must_read};
use crate::{model, settings};

/// Measures a model on labelled pictures.
///
/// # Errors
/// If an argument is wrong, model or data cannot be read, or there is nothing to measure.
pub(super) fn named_pictures(
    entry: &Entry,
    args: &ZeroShotArgs,
    given: Vec<Setting<'_>>,
) -> Result<Measured> {
    if let Some(template) = args.templates.iter().find(|template| !template.contains("{}")) {
        let message = format!(
            "--template is `{template}`: write {{}} where the label belongs, as in \"a picture of {{}}\""
        );
        return Err(Usage(message).into());
    }
    let found = model::find(&args.model)?;
    must_read(&found, Modality::Image)?;
    must_read(&found, Modality::Text)?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) = found.load(device, LoadHead::AsFound, &ledger)?;
    must_project(&found, &*model)?;
    let tokens = caption_tokens(&*model, &processor, args.max_length, &ledger)?;
    let images = images(&processor, &found.folder)?;
    let files = PictureFiles::new(&args.data, &args.pictures, args.skip_errors);
    let files = files.with_labels(&args.label_field);
    let rows = files.rows(Subset::All, images, None, &ledger)?;
    let labels = rows.store().labels().map(|table| table.names.clone()).unwrap_or_default();
    if labels.len() < 2 {
        let message = format!(
            "all pictures have the label `{}`: give pictures of two labels at least, or another --label-field",
            labels.join("")
        );
        return Err(Usage(message).into());
    }
    let names = names(&labels, &args.label_names)?;
    let input = Input::NamedPictures(NamedPictures {
        rows: Arc::new(rows),
        labels,
        names,
        tokens,
        ledger: ledger.clone(),
    });
    let report = evaluate(entry, given, input, &*model, None, &found.folder)?;
    Ok(Measured::new(report, ledger, args.json))
}

/// The text that stands for each label.
fn names(labels: &[String], given: &[String]) -> Result<Vec<String>> {
    let mut of_labels = HashMap::new();
    for given in given {
        let Some((label, name)) = given.split_once('=').filter(|(_, name)| !name.trim().is_empty())
        else {
            let message = format!("--label-name is `{given}`: write LABEL=TEXT, such as 0=zero");
            return Err(Usage(message).into());
        };
        if !labels.iter().any(|known| known == label) {
            let message = format!(
                "--label-name names `{label}`, which no picture has: the labels are {}",
                labels.join(", ")
            );
            return Err(Usage(message).into());
        }
        if of_labels.insert(label, name).is_some() {
            let message = format!("--label-name names `{label}` twice: remove one");
            return Err(Usage(message).into());
        }
    }
    let name = |label: &String| of_labels.get(label.as_str()).copied().unwrap_or(label).to_owned();
    let names: Vec<String> = labels.iter().map(name).collect();
    for (at, name) in names.iter().enumerate() {
        if let Some(other) = names[..at].iter().position(|other| other == name) {
            let message = format!(
                "the labels `{}` and `{}` are both called `{name}` in prompts, so that nothing tells them apart: change \
                 --label-name",
                labels[other], labels[at]
            );
            return Err(Usage(message).into());
        }
    }
    Ok(names)
}
