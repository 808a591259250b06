//! `[[data.transform]]`: what is done to a record or a picture each time that it is read.

use serde_json::{Map, Value, json};
use sst_data::RowSpec;
use sst_data::{pictures, transform};
use sst_objectives::Entry;

use super::error::{Problem, require};
use super::nearest::{name, unknown_name};
use super::of_model::OfModel;
use super::section::{self, without};

/// A transform that may be named.
struct Known {
    name: &'static str,
    default_config: fn() -> Value,
    takes_other_keys: bool,
}

/// The transforms with all of their keys; `None` for rows that have none. `section` is the key of the list.
pub(super) fn fill(
    section: &str,
    given: Option<Vec<Map<String, Value>>>,
    of_model: &OfModel,
    rows: &RowSpec,
    objective: Option<&Entry>,
) -> Result<Option<Vec<Map<String, Value>>>, Problem> {
    let are_pictures = rows.have_pictures();
    let list = match (given, objective) {
        (Some(list), _) => list,
        (None, Some(objective)) if are_pictures => {
            let list = (objective.picture_transforms)().into_iter();
            list.filter_map(|transform| transform.as_object().cloned()).collect()
        }
        (None, _) => return Ok(None),
    };
    let known: Vec<Known> = match are_pictures {
        true => pictures::transform::list().iter().map(of_pictures).collect(),
        false => transform::list().iter().map(of_records).collect(),
    };
    let filled = list.iter().enumerate().map(|(i, given)| {
        let section = format!("{section}[{i}]");
        let filled = fill_one(&section, given, &known)?;
        Ok(match are_pictures {
            true => with_size(filled, given, of_model),
            false => filled,
        })
    });
    filled.collect::<Result<Vec<_>, _>>().map(Some)
}

/// The transforms of texts with all of their keys. `section` is the key of the list.
pub(super) fn fill_for_texts(
    section: &str,
    given: Option<Vec<Map<String, Value>>>,
) -> Result<Vec<Map<String, Value>>, Problem> {
    let known: Vec<Known> = transform::list().iter().map(of_records).collect();
    let given = given.unwrap_or_default();
    let filled = given.iter().enumerate().map(|(i, given)| {
        let section = format!("{section}[{i}]");
        let message = "applies only to records: a caption has no columns. Remove it";
        require(!given.contains_key("columns"), &format!("{section}.columns"), message)?;
        let mut filled = fill_one(&section, given, &known)?;
        filled.shift_remove("columns");
        Ok(filled)
    });
    filled.collect()
}

fn of_pictures(entry: &pictures::transform::PictureEntry) -> Known {
    Known { name: entry.name, default_config: entry.default_config, takes_other_keys: false }
}

fn of_records(entry: &transform::Entry) -> Known {
    let takes_other_keys = entry.takes_other_keys;
    Known { name: entry.name, default_config: entry.default_config, takes_other_keys }
}

/// The keys of the transform that `given` names, all of them, `name` first.
fn fill_one(
    section: &str,
    given: &Map<String, Value>,
    known: &[Known],
) -> Result<Map<String, Value>, Problem> {
    let key = format!("{section}.name");
    let names = || known.iter().map(|entry| entry.name);
    let Some(name_given) = given.get("name") else {
        let all: Vec<&str> = names().collect();
        return Err(Problem::new(&key, format!("is missing: there are {}", all.join(", "))));
    };
    let name = name(&key, name_given, names())?;
    let Some(entry) = known.iter().find(|entry| entry.name == name) else {
        return Err(unknown_name(&key, &name, names()));
    };
    let (keys, defaults) = (without(given, &["name"]), (entry.default_config)());
    if !entry.takes_other_keys {
        // A size is a number or has two numbers.
        section::check_against(section, &without(&keys, &["size"]), &defaults)?;
        if keys.contains_key("size") && defaults.get("size").is_none() {
            section::check_against(section, &keys, &defaults)?;
        }
    }
    let mut config = Map::from_iter([("name".to_owned(), json!(name))]);
    if let Value::Object(defaults) = defaults {
        config.extend(defaults);
    }
    config.extend(keys);
    Ok(config)
}

/// The size of a transform that has one is that of the model, unless it is given.
fn with_size(
    mut filled: Map<String, Value>,
    given: &Map<String, Value>,
    of_model: &OfModel,
) -> Map<String, Value> {
    if let (true, false, Some([height, width])) =
        (filled.contains_key("size"), given.contains_key("size"), of_model.image_size)
    {
        let size =
            if height == width { json!(height) } else { json!({"height": height, "width": width}) };
        filled.insert("size".to_owned(), size);
    }
    filled
}
