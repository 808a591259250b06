//! The recipes of the repository.

use std::process::Command;

use serde_json::Value;

use crate::sandbox::{Sandbox, repository};

/// What `--dry-run` prints for a recipe, with the repository as the current folder.
fn resolved(recipe: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sst"));
    command.args(["pretrain", "--dry-run", recipe]).current_dir(repository());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{recipe}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn recipes() -> Vec<String> {
    let names = repository().join("recipes").read_dir().unwrap();
    names.map(|entry| format!("recipes/{}", entry.unwrap().file_name().to_str().unwrap())).collect()
}

#[test]
fn every_recipe_resolves_and_its_resolved_form_resolves_to_itself() {
    let sandbox = Sandbox::new();
    assert!(recipes().len() >= 3);
    for recipe in recipes() {
        let config = resolved(&recipe);
        sandbox.write("config.toml", &config);
        let again = resolved(sandbox.path("config.toml").to_str().unwrap());
        assert_eq!(config, again, "{recipe}");
    }
}

#[test]
fn every_key_of_every_recipe_has_a_comment() {
    for recipe in recipes() {
        let text = std::fs::read_to_string(repository().join(&recipe)).unwrap();
        assert!(text.starts_with("# "), "{recipe} does not say what it is");
        assert!(text.contains("#   sst pretrain recipes/"), "{recipe} does not say how to run it");
    }
}

#[test]
fn the_demo_shows_every_key_there_is() {
    let text = std::fs::read_to_string(repository().join("recipes/demo.toml")).unwrap();
    let config: Value = toml::from_str(&resolved("recipes/demo.toml")).unwrap();
    for section in ["run", "data", "objective", "train"] {
        for (key, value) in config[section].as_object().unwrap() {
            if value.is_object() {
                assert!(text.contains(&format!("[{section}.{key}]")), "[{section}.{key}]");
                let keys = value.as_object().unwrap().keys();
                keys.for_each(|key| assert!(text.contains(&format!("\n{key} = ")), "{key}"));
            } else {
                assert!(text.contains(&format!("\n{key} = ")), "{section}.{key}");
            }
        }
    }
}
