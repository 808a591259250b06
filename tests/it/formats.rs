//! Files that are skipped, or read differently than their content suggests, give one warning.

use crate::sandbox::Sandbox;

/// Trains the tokenizer and prepares the data of the folder `own`, so that the folder is listed several times.
fn prepare(sandbox: &Sandbox, sets: &[&str]) -> String {
    let sets = ["data.paths=[\"own\"]"].iter().chain(sets).flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["data", "prepare", "recipe.toml"].into_iter().chain(sets).collect();
    sandbox.good(&args).stderr
}

#[test]
fn files_that_a_format_leaves_out_are_named() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("own")).unwrap();
    let records: String = sandbox
        .read("corpus.txt")
        .lines()
        .map(|line| format!("{{\"text\":\"{line}\"}}\n"))
        .collect();
    sandbox.write("own/a.jsonl", &records);
    sandbox.write("own/README.md", "about the data\n");
    assert!(!prepare(&sandbox, &[]).contains("are left out"));
    for name in ["b.txt", "c.csv", "d.txt"] {
        sandbox.write(&format!("own/{name}"), "text\nthe sea\n");
    }
    let told = prepare(&sandbox, &["data.format=jsonl"]);
    let expected = "files are left out beside those that are read (.csv: 1, .txt: 2; the first is own/b.txt): the \
                    format is set to jsonl, which takes none of them";
    assert_eq!(told.matches(expected).count(), 1, "{told}");
    assert!(told.contains("read.other_files"), "{told}");
    for name in ["b.txt", "c.csv", "d.txt"] {
        std::fs::remove_file(sandbox.path(&format!("own/{name}"))).unwrap();
    }
    sandbox.write("own/e.json", "[]");
    let told = prepare(&sandbox, &[]);
    assert_eq!(told.matches("(.json: 1; the first is own/e.json)").count(), 1, "{told}");
}

#[test]
fn splits_that_are_kept_apart_are_told_once() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("own")).unwrap();
    for name in ["train.txt", "test.txt"] {
        sandbox.write(&format!("own/{name}"), sandbox.read("corpus.txt"));
    }
    let told = prepare(&sandbox, &[]);
    assert_eq!(told.matches("are kept apart and not read").count(), 1, "{told}");
}

#[test]
fn records_in_a_text_file_are_told_with_the_format_to_set() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("own")).unwrap();
    for (text, format) in [
        ("{\"text\": \"the sea\"}\n{\"text\": \"the old man\"}\n", "jsonl"),
        ("id,text\n1,the sea\n2,the old man\n", "csv"),
        ("text\tid\nthe sea\t1\nthe old man\t2\n", "tsv"),
    ] {
        sandbox.write("own/a.txt", text);
        let told = prepare(&sandbox, &[]);
        let expected = format!(
            "set `format` to {format} to read their fields, or to text if plain text is meant"
        );
        let key = " (`data.format` in the recipe)\n";
        assert_eq!(told.matches(&(expected.clone() + key)).count(), 1, "{told}");
        let ended = sandbox.sst(&["data", "inspect", "own/a.txt"]);
        assert_eq!(
            ended.stderr.matches(&(expected + " (`--format`)\n")).count(),
            1,
            "{}",
            ended.stderr
        );
        assert!(told.contains("read.records_as_text"), "{told}");
        assert!(!prepare(&sandbox, &["data.format=text"]).contains("look like"));
    }
    sandbox.write("own/a.txt", sandbox.read("corpus.txt"));
    assert!(!prepare(&sandbox, &[]).contains("look like"));
}
