//! `sst eval zero-shot`, against predictions that are recomputed from the vectors of `sst embed`, and pictures on the page of
//! `sst evaluate`.

use serde_json::Value;

use super::{CLIP, COLOURS, close, dot, embed, picture, refused, trained, vectors};

#[test]
fn labels_are_prompts() {
    let sandbox = trained(CLIP);
    embed(&sandbox, "p.jsonl", &[]);
    let templates = ["a {} square", "something {}"];
    let names = ["azure", "green", "red"];
    let prompts: String = names
        .iter()
        .flat_map(|name| templates.map(|text| text.replace("{}", name) + "\n"))
        .collect();
    sandbox.write("prompts.txt", prompts);
    sandbox.good(&[
        "embed",
        "--model",
        "runs/r",
        "--texts",
        "--data",
        "prompts.txt",
        "--out",
        "t.jsonl",
        "--precision",
        "fp32",
    ]);
    let prompts = vectors(&sandbox, "t.jsonl");
    let labels: Vec<Vec<f64>> = prompts
        .chunks(2)
        .map(|pair| {
            let sum: Vec<f64> = pair[0].1.iter().zip(&pair[1].1).map(|(x, y)| x + y).collect();
            let length = dot(&sum, &sum).sqrt();
            sum.iter().map(|x| x / length).collect()
        })
        .collect();
    let pictures = vectors(&sandbox, "p.jsonl");
    let predicted: Vec<usize> = pictures
        .iter()
        .map(|(_, vector)| {
            (0..3)
                .max_by(|a, b| dot(vector, &labels[*a]).total_cmp(&dot(vector, &labels[*b])))
                .unwrap()
        })
        .collect();
    // The labels are sorted: blue, green, red.
    let gold = |at: usize| 2 - at % 3;
    let right = (0..18).filter(|at| predicted[*at] == gold(*at)).count();
    let args = [
        "eval",
        "zero-shot",
        "--model",
        "runs/r",
        "--data",
        "pictures.jsonl",
        "--template",
        templates[0],
        "--template",
        templates[1],
        "--label-name",
        "blue=azure",
        "--json",
    ];
    let report = sandbox.good(&args).json();
    let metrics = &report["metrics"];
    close("top1", &metrics["top1"], right as f64 / 18.0);
    close("top5", &metrics["top5"], 1.0);
    close("chance", &metrics["chance_top1"], 1.0 / 3.0);
    close("majority", &metrics["majority_accuracy"], 1.0 / 3.0);
    assert_eq!(
        (&report["counts"]["pictures"], &report["counts"]["templates"]),
        (&18.into(), &2.into())
    );
    let confusion = report["tables"]["confusion"]["rows"].as_array().unwrap();
    for (label, row) in confusion.iter().enumerate() {
        for (found, count) in row[1].as_array().unwrap().iter().enumerate() {
            let expected =
                (0..18).filter(|at| gold(*at) == label && predicted[*at] == found).count();
            close("confusion", count, expected as f64);
        }
    }
    // Folders are labels, and a prompt that is too long is counted.
    for at in 0..6 {
        let (name, colour) = COLOURS[at as usize % 3];
        std::fs::create_dir_all(sandbox.path(&format!("folders/{name}"))).unwrap();
        sandbox.write(&format!("folders/{name}/{at}.png"), picture(colour, at).to_png().unwrap());
    }
    let long =
        "a picture of something that is called {} and has a very long and winding description";
    let folders = ["eval", "zero-shot", "--model", "runs/r", "--data", "folders", "--json"];
    let report = sandbox.good(&[&folders[..], &["--template", long]].concat()).json();
    assert_eq!(
        (&report["counts"]["pictures"], &report["ledger"]["captions.truncated"]["count"]),
        (&6.into(), &3.into())
    );
    for (more, text) in [
        (["--template", "no place"], "--template is `no place`"),
        (["--label-name", "pink=rose"], "`pink`, which no picture has"),
        (["--label-name", "red=green"], "both called `green`"),
        (["--label-name", "red"], "write LABEL=TEXT"),
    ] {
        refused(&sandbox, &[&folders[..], &more].concat(), &[text]);
    }
    // The page of several evaluators measures pictures, too.
    let page = "[evaluate]\nmodels = [\"runs/r\"]\nout = \"page\"\n[eval.names]\nevaluator = \"zero-shot\"\ndata = [\"folders\"]\n\
                template = [\"{}\", \"a {}\"]\n[eval.retrieval]\ndata = [\"pictures.jsonl\"]\nfields = [\"image\", \"captions\"]\n";
    sandbox.write("page.toml", page);
    let page = sandbox.good(&["evaluate", "page.toml", "--json"]).json();
    let sections = page["sections"].as_array().unwrap();
    let figures: Vec<&Value> =
        sections.iter().map(|section| &section["figures"][0]["figure"]).collect();
    assert_eq!(figures, ["top1", "image_to_text_recall@10"]);
    let leaks = &sections[0]["leaks"][0]["not_compared"];
    assert!(leaks.as_str().unwrap().contains("pictures"), "{leaks}");
    assert!(sections[1]["figures"][0]["models"]["r"]["twin"]["value"].is_number());
}
