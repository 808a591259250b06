//! Recipes as a library user writes them.

use sst_run::{Recipe, RunError};

use crate::resume::RECIPE;

fn error(sets: &[&str]) -> RunError {
    let mut recipe = Recipe::parse(RECIPE).unwrap();
    for set in sets {
        recipe = recipe.set(set).unwrap();
    }
    recipe.check().map(|_| ()).unwrap_err()
}

#[test]
fn an_error_names_the_place_of_the_key() {
    let check = |sets: &[&str], expected: &str| assert_eq!(error(sets).to_string(), expected);
    let missing = "recipe:8: data.paths: is empty: name a file, a folder or a glob";
    check(&[], missing);
    let unknown = "--set train.bath_size=3: unknown key train.bath_size; did you mean batch_size?";
    check(&["train.bath_size=3"], unknown);
    let other = "--set train.window=3: train.window: applies only to train.batching = \"tokens\" or \"packs\": remove \
                 this key, or change that one";
    check(&["train.window=3"], other);
    let no_section = "--set train=3: train: is 3; expected a section";
    check(&["train=3"], no_section);
    assert!(matches!(Recipe::read("nowhere.toml"), Err(RunError::Missing(_))));
    assert!(Recipe::parse("[run\n").is_err());
}

#[test]
fn the_column_of_tags_may_be_a_number_or_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.conll");
    sst_data::atomic::write(&file, b"word O\n").unwrap();
    let paths = format!("data.paths=['{}']", file.display());
    let field = |set: &str| {
        let config = Recipe::parse(RECIPE).unwrap().set(&paths).unwrap();
        config.set(set).unwrap().check().unwrap().config.tasks.list[0].data.tag_field.clone()
    };
    assert_eq!(field("data.tag_field=3").as_deref(), Some("3"));
    assert_eq!(field("data.tag_field=\"3\"").as_deref(), Some("3"));
    assert_eq!(field("data.tag_field=\"XPOS\"").as_deref(), Some("XPOS"));
    let refused = error(&[&paths, "data.tag_field=3.5"]).to_string();
    assert!(refused.contains("expected the number of a column, or a name in quotes"), "{refused}");
}

#[test]
fn the_configuration_of_a_run_resolves_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = crate::resume::recipe(folder.path());
    let config = recipe.check().unwrap().config;
    let text = config.to_toml().unwrap();
    let again = Recipe::parse(&text).unwrap().check().unwrap().config;
    assert_eq!(config, again);
    assert_eq!(text, again.to_toml().unwrap());
    assert_eq!((config.run.seed, config.train.optimizer.name), (0, Default::default()));
}

#[test]
fn a_model_that_an_objective_cannot_train_is_refused_at_its_type() {
    let layers = "hidden_size = 16\nnum_hidden_layers = 1\nnum_attention_heads = 2\nintermediate_size = 32\n";
    let towers = format!("[model.vision_config]\n{layers}[model.text_config]\n{layers}");
    let check = |model_type: &str, objective: &str, expected: Option<&str>| {
        let own = match model_type {
            "clip" | "siglip" | "vision-text-dual-encoder" => towers.as_str(),
            _ => layers,
        };
        let text =
            format!("[model]\ntype = \"{model_type}\"\n{own}[objective]\nname = \"{objective}\"\n");
        let error = Recipe::parse(&text).unwrap().check().map(|_| ()).unwrap_err().to_string();
        match expected {
            Some(expected) => assert_eq!(error, format!("recipe:2: model.type: {expected}")),
            None => assert!(!error.contains("model.type"), "{model_type} {objective}: {error}"),
        }
    };
    let wanted = |found: &str, name: &str, types: &str| {
        format!("is a `{found}` model, and `{name}` trains models of the type {types}")
    };
    let dual = "vision-text-dual-encoder";
    for found in ["vit", "vit_mae", "bert", "siglip"] {
        check(found, "clip", Some(&wanted(found, "clip", &format!("clip or {dual}"))));
    }
    for found in ["clip", dual, "bert"] {
        check(found, "siglip", Some(&wanted(found, "siglip", "siglip")));
        check(found, "mae", Some(&wanted(found, "mae", "vit_mae")));
    }
    let no_text = "is a `vit` model, which reads no text, and `mlm` learns from text";
    check("vit", "mlm", Some(no_text));
    let no_pictures =
        "is a `bert` model, which reads no pictures, and `simclr` learns from pictures";
    check("bert", "simclr", Some(no_pictures));
    for (found, objective) in
        [("clip", "clip"), (dual, "clip"), ("siglip", "siglip"), ("vit_mae", "mae")]
    {
        check(found, objective, None);
    }
    check("vit", "simclr", None);
    check("bert", "mlm", None);
}

#[test]
fn transforms_of_captions_have_no_columns() {
    let head = "[model]\ntype = \"clip\"\n[objective]\nname = \"clip\"\n[train]\nsteps = \"1step\"\n\
                [tokenizer.train]\nvocab_size = 100\n";
    let text = &format!("{head}[[data.caption_transform]]\nname = \"drop_phrases\"\n");
    let refused =
        |text: &str| Recipe::parse(text).unwrap().check().map(|_| ()).unwrap_err().to_string();
    let columns = refused(&format!("{text}columns = [\"en\"]\n"));
    assert!(columns.starts_with("recipe:11: data.caption_transform[0].columns: "), "{columns}");
    let misspelt = refused(&text.replace("drop_phrases", "drop_phrase"));
    assert!(
        misspelt.contains("data.caption_transform[0].name") && misspelt.contains("drop_phrases"),
        "{misspelt}"
    );
    let other = refused(&text.replace("clip", "bert").replace("name = \"bert\"", "name = \"mlm\""));
    assert!(other.contains("data.caption_transform: applies only to"), "{other}");
}
