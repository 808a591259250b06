//! The recipe of an evaluation page: which models are measured, and with which evaluators.
//!
//! ```toml
//! [evaluate]
//! models = ["runs/demo"]
//!
//! [eval.parts]                 # a section for each measurement, with a name of your own
//! evaluator = "probe"
//! data = ["verses/train.jsonl"]
//! test = ["verses/test.jsonl"]
//! ```

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Result, RunError};
use crate::model::must_exist;
use crate::recipe::{Problem, Written, parse_section, take_keys, unknown_key};

/// The sections of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    evaluate: Map<String, Value>,
    eval: BTreeMap<String, Value>,
}

/// `[evaluate]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EvaluateFile {
    models: Option<Models>,
    out: Option<PathBuf>,
    twin: Option<bool>,
    corpus: Vec<String>,
    seed: Option<u64>,
}

/// The models, as a list of folders or as folders by name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Models {
    List(Vec<PathBuf>),
    Named(BTreeMap<String, PathBuf>),
}

/// The keys that every section `[eval.NAME]` may have besides those of its evaluator.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SectionFile {
    evaluator: Option<String>,
    train: Option<PathBuf>,
    set: Vec<String>,
}

/// What the keys begin with that the page sets in the recipe of a section with `train`.
const OWN_KEYS: [&str; 4] = ["model.path", "tokenizer.path", "run.name", "run.dir"];

/// `[evaluate]`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evaluate {
    /// The models by name, in the order in which they are shown.
    pub models: Vec<(String, PathBuf)>,
    /// The folder that the page is written to. Default: `evaluations/` and the file name of the recipe.
    pub out: PathBuf,
    /// Whether a model of the same shape that was never trained is measured beside each model. Default: true.
    pub twin: bool,
    /// The files that the models were pretrained on, for the leak ledger. Default: those of the run that a model belongs
    /// to.
    pub corpus: Vec<String>,
    /// The seed of the twin's initial weights and of the bootstrap. Default: 0.
    pub seed: u64,
}

/// `[eval.NAME]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measurement {
    /// The name of the section.
    pub name: String,
    /// The evaluator. Default: the name of the section.
    pub evaluator: String,
    /// The recipe of a run that starts from the model; its result is measured instead of the model.
    pub train: Option<PathBuf>,
    /// Overrides of that recipe.
    pub set: Vec<String>,
    /// The other keys: arguments of the evaluator.
    pub arguments: Map<String, Value>,
}

/// A recipe of an evaluation that has been read and checked.
#[derive(Debug)]
pub struct Evaluation {
    written: Written,
    /// `[evaluate]`
    pub evaluate: Evaluate,
    /// The sections `[eval.NAME]`, sorted by name.
    pub measurements: Vec<Measurement>,
}

impl Evaluation {
    /// Reads the TOML file at `path`, applies the overrides `sets`, and checks everything but the arguments of
    /// evaluators. `models` replace those of the recipe if there are any.
    ///
    /// # Errors
    /// If the file cannot be read, a key is unknown or has a wrong value, or there is no model or no section; the error
    /// names the line or the override.
    pub fn read(path: &Path, sets: &[String], models: &[PathBuf]) -> Result<Self> {
        must_exist(path)?;
        let mut written = Written::read(path)?;
        for set in sets {
            written.set(set)?;
        }
        let (evaluate, measurements) =
            fill(&written, models).map_err(|problem| written.locate(problem))?;
        Ok(Self { written, evaluate, measurements })
    }

    /// The error that `message` is about `key`, such as `eval.parts.data`. It names the file and line of the key.
    pub fn refuse(&self, key: &str, message: impl Into<String>) -> RunError {
        RunError::Recipe(self.written.locate(Problem::new(key, message)))
    }

    /// The error for the unknown key `key`, where `known` can be written. It suggests the most similar one.
    pub fn unknown_key(&self, key: &str, known: &[&str]) -> RunError {
        let message = unknown_key(key, known);
        RunError::Recipe(self.written.locate(Problem::sentence(key, message)))
    }
}

fn fill(written: &Written, models: &[PathBuf]) -> Result<(Evaluate, Vec<Measurement>), Problem> {
    let file: File = parse_section("", written.value())?;
    let EvaluateFile { models: listed, out, twin, corpus, seed } =
        parse_section("evaluate", &Value::Object(file.evaluate))?;
    let models = match (models, listed) {
        ([], Some(Models::List(paths))) => named(&paths),
        ([], Some(Models::Named(paths))) => paths.into_iter().collect(),
        ([], None) => Vec::new(),
        (given, _) => named(given),
    };
    if models.is_empty() {
        let message = "names no model: write models = [\"runs/NAME\"], or give --model";
        return Err(Problem::new("evaluate", message));
    }
    for (at, (name, _)) in models.iter().enumerate() {
        check_name("evaluate.models", name)?;
        if models[..at].iter().any(|(other, _)| other == name) {
            let message = format!("names the model {name} twice: remove one");
            return Err(Problem::new("evaluate.models", message));
        }
    }
    if file.eval.is_empty() {
        let message = "has no section [eval.NAME]: add one for each measurement";
        return Err(Problem::sentence("", format!("this recipe {message}")));
    }
    let stem = written.stem();
    let out = out.unwrap_or_else(|| Path::new("evaluations").join(stem));
    let (twin, seed) = (twin.unwrap_or(true), seed.unwrap_or(0));
    let measurements = file.eval.into_iter().map(measurement).collect::<Result<_, _>>()?;
    Ok((Evaluate { models, out, twin, corpus, seed }, measurements))
}

fn measurement((name, section): (String, Value)) -> Result<Measurement, Problem> {
    let key = format!("eval.{name}");
    check_name(&key, &name)?;
    let Value::Object(mut arguments) = section else {
        return Err(Problem::new(&key, "is not a section: write [eval.NAME] and its keys below"));
    };
    // The keys of the evaluator are not known here.
    let names: Vec<String> = arguments.keys().cloned().collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let SectionFile { evaluator, train, set } = take_keys(&key, &mut arguments, &names)?;
    if train.is_none() && !set.is_empty() {
        let message = "overrides keys of the recipe `train`, which is not given: remove it";
        return Err(Problem::new(&format!("{key}.set"), message));
    }
    let is_own = |set: &&String| OWN_KEYS.iter().any(|own| set.trim_start().starts_with(own));
    if let Some(set) = set.iter().find(is_own) {
        let message = format!("has {set}, which the page sets itself for each model: remove it");
        return Err(Problem::new(&format!("{key}.set"), message));
    }
    let evaluator = evaluator.unwrap_or_else(|| name.clone());
    Ok(Measurement { name, evaluator, train, set, arguments })
}

/// Names become parts of file names.
fn check_name(key: &str, name: &str) -> Result<(), Problem> {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | ' ');
    if !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain) {
        return Ok(());
    }
    let message = format!(
        "\"{name}\" is no name: use letters, digits, -, _ and dots, and name a model by models = {{ NAME = FOLDER }}"
    );
    Err(Problem::new(key, message))
}

/// Models without names are called after their folders. Where two would have the same name, the path is the name.
fn named(paths: &[PathBuf]) -> Vec<(String, PathBuf)> {
    let short = |path: &Path| {
        // The folder of a model in a checkpoint of a run is called after the run.
        let names: Vec<_> = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let of_run = names.iter().position(|name| name == "checkpoints").filter(|at| *at > 0);
        let name = of_run.map_or(names.last(), |at| names.get(at - 1));
        name.cloned().unwrap_or_default()
    };
    let shorts: Vec<String> = paths.iter().map(|path| short(path)).collect();
    let name = |(short, path): (&String, &PathBuf)| {
        let is_unique = shorts.iter().filter(|other| *other == short).count() == 1;
        let parts = path.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_string_lossy()),
            _ => None,
        });
        let long = parts.collect::<Vec<_>>().join("-");
        let name = if is_unique { short.clone() } else { long };
        (name, path.clone())
    };
    shorts.iter().zip(paths).map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Evaluation> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page.toml");
        sst_data::atomic::write(&path, text.as_bytes()).unwrap();
        Evaluation::read(&path, &[], &[])
    }

    fn refused(text: &str) -> String {
        let message = read(text).unwrap_err().to_string();
        message.rsplit_once("page.toml").unwrap().1.to_owned()
    }

    #[test]
    fn defaults_are_filled_in() {
        let page = read("[evaluate]\nmodels = ['runs/a', 'runs/b/checkpoints/latest/model']\n[eval.probe]\nk = 3\n").unwrap();
        let names: Vec<&str> = page.evaluate.models.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(page.evaluate.twin);
        assert_eq!(page.evaluate.out, Path::new("evaluations/page"));
        let [probe] = &page.measurements[..] else { panic!("one section") };
        assert_eq!((&*probe.name, &*probe.evaluator), ("probe", "probe"));
        assert_eq!(probe.arguments["k"], 3);
    }

    #[test]
    fn models_with_one_name_are_called_after_their_paths() {
        let page = read("[evaluate]\nmodels = ['x/a', 'y/a']\n[eval.knn]\n").unwrap();
        let names: Vec<&str> = page.evaluate.models.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["x-a", "y-a"]);
    }

    #[test]
    fn wrong_keys_are_refused_with_their_line() {
        let check = |text: &str, expected: &str| {
            let message = refused(text);
            assert!(message.contains(expected), "{message}");
        };
        check(
            "[evaluate]\nmodel = ['a']\n",
            ":2: unknown key evaluate.model; did you mean models?",
        );
        check("[eval.knn]\n", ": evaluate: names no model");
        check("[evaluate]\nmodels = ['a']\n", ": this recipe has no section [eval.NAME]");
        check(
            "[evaluate]\nmodels = ['a']\n[eval.knn]\nset = ['a=1']\n",
            ":4: eval.knn.set: overrides",
        );
        check(
            "[evaluate]\nmodels = ['a']\n[eval.knn]\ntrain = 'x.toml'\nset = ['model.path=b']\n",
            ":5: eval.knn.set: has model.path=b",
        );
        check("[evaluate]\nmodels = ['a']\n[eval]\nknn = 3\n", ":4: eval.knn: is not a section");
        check(
            "[evaluate]\nmodels = ['a', 'a']\n[eval.knn]\n",
            ":2: evaluate.models: names the model a twice",
        );
    }
}
