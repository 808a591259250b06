//! `sst eval retrieval` with pictures, against ranks that are recomputed from the vectors of `sst embed`.

use serde_json::Value;
use sst_data::pictures::{PictureLimits, decode};

use super::{CLIP, close, dot, embed, refused, trained, vectors};

/// The ranks of the best relevant candidates, recomputed from the vectors that `sst embed` writes.
fn ranks(
    queries: &[Vec<f64>],
    candidates: &[Vec<f64>],
    is_relevant: &dyn Fn(usize, usize) -> bool,
) -> Vec<f64> {
    let rank = |query: usize| {
        let scores: Vec<f64> =
            candidates.iter().map(|candidate| dot(&queries[query], candidate)).collect();
        let best = (0..scores.len())
            .filter(|at| is_relevant(query, *at))
            .map(|at| scores[at])
            .fold(f64::MIN, f64::max);
        1.0 + (0..scores.len()).filter(|at| !is_relevant(query, *at) && scores[*at] >= best).count()
            as f64
    };
    (0..queries.len()).map(rank).collect()
}

fn check_direction(metrics: &Value, name: &str, ranks: &[f64]) {
    let mean = |value: &dyn Fn(f64) -> f64| {
        ranks.iter().map(|rank| value(*rank)).sum::<f64>() / ranks.len() as f64
    };
    for k in [1, 5, 10] {
        let recall = format!("{name}_recall@{k}");
        let share = mean(&|rank| f64::from(u8::from(rank <= f64::from(k))));
        close(&recall, &metrics[&recall], share);
        let [low, high] =
            ["low", "high"].map(|end| metrics[format!("{recall}_{end}")].as_f64().unwrap());
        assert!(low <= share && share <= high, "{recall}: {low} {share} {high}");
    }
    close(name, &metrics[format!("{name}_mrr")], mean(&|rank| 1.0 / rank));
}

#[test]
fn pictures_and_captions_find_each_other() {
    let sandbox = trained(CLIP);
    embed(&sandbox, "p.jsonl", &[]);
    embed(&sandbox, "c.jsonl", &["--fields", "captions"]);
    let pictures: Vec<Vec<f64>> =
        vectors(&sandbox, "p.jsonl").into_iter().map(|(_, vector)| vector).collect();
    let all = vectors(&sandbox, "c.jsonl");
    let text = |at: usize| all[at].0["text"].as_str().unwrap().to_owned();
    // Equal captions count once.
    let distinct: Vec<usize> =
        (0..18).filter(|at| (0..*at).all(|before| text(before) != text(*at))).collect();
    assert_eq!(distinct.len(), 15);
    let captions: Vec<Vec<f64>> = distinct.iter().map(|at| all[*at].1.clone()).collect();
    let belongs = |picture: usize, caption: usize| text(picture) == text(distinct[caption]);
    let args = [
        "eval",
        "retrieval",
        "--model",
        "runs/r",
        "--data",
        "pictures.jsonl",
        "--fields",
        "image,captions",
        "--json",
    ];
    let report = sandbox.good(&[&args[..], &["--grid", "grid.png"]].concat()).json();
    assert_eq!((&report["version"], &report["name"]), (&1.into(), &"retrieval".into()));
    let metrics = &report["metrics"];
    check_direction(metrics, "image_to_text", &ranks(&pictures, &captions, &belongs));
    check_direction(metrics, "text_to_image", &ranks(&captions, &pictures, &|c, p| belongs(p, c)));
    let counts = &report["counts"];
    assert_eq!((&counts["pictures"], &counts["captions"]), (&18.into(), &15.into()));
    assert_eq!(counts["captions_of_several_pictures"], 3);
    assert_eq!(counts["pictures_with_such_captions"], 6);
    assert_eq!(report["ledger"]["captions.not_used"]["count"], 18);
    assert_eq!(report["settings"]["captions_used"], "the first of each picture");
    // 15 captions, of which one is right: 10 of 15; 18 pictures, of which 2 are right for 3 of the captions.
    close("chance", &metrics["chance_image_to_text_recall@10"], 10.0 / 15.0);
    let of_two = 1.0 - (8.0 / 18.0) * (7.0 / 17.0);
    close(
        "chance",
        &metrics["chance_text_to_image_recall@10"],
        (12.0 * 10.0 / 18.0 + 3.0 * of_two) / 15.0,
    );
    // 8 rows of a picture and 5 others, enlarged 12 times, with lines around them.
    let png = std::fs::read(sandbox.path("grid.png")).unwrap();
    let grid = decode(&png, &PictureLimits::default()).unwrap().picture;
    assert_eq!((grid.width(), grid.height()), (6 * 104, 8 * 104));
    let rows = report["grid"]["rows"].as_array().unwrap();
    assert_eq!(
        (rows.len(), &rows[1]["key"], &rows[1]["caption"]),
        (8, &"pictures.jsonl:3".into(), &"a blue square number 0".into())
    );
    assert_eq!(rows[0]["nearest"].as_array().unwrap().len(), 5);
    // Each of all captions is a hit.
    let report = sandbox.good(&[&args[..], &["--captions", "all"]].concat()).json();
    assert_eq!(
        (&report["counts"]["captions"], &report["ledger"]["captions.not_used"]),
        (&18.into(), &Value::Null)
    );
    let swapped = args.map(|arg| if arg == "image,captions" { "captions,image" } else { arg });
    refused(&sandbox, &swapped, &["the field of the picture first"]);
    refused(&sandbox, &[&args[..], &["--query-prompt", "x"]].concat(), &["--query-prompt"]);
    refused(&sandbox, &[&args[..], &["--grid", "x.jpg"]].concat(), &["--grid x.jpg: name a .png"]);
    let missing = args.map(|arg| if arg == "image,captions" { "image,titles" } else { arg });
    let ended = sandbox.sst(&missing);
    assert!(ended.code == Some(1) && ended.stderr.contains("`titles`"), "{}", ended.stderr);
    // What stops the command is not said to be skipped.
    assert!(!ended.stderr.contains("skipped"), "{}", ended.stderr);
}

#[test]
fn the_page_shows_what_captions_find() {
    let sandbox = trained(CLIP);
    let page = "[evaluate]\nmodels = { r = \"runs/r\" }\n\n[eval.found]\nevaluator = \"retrieval\"\n\
                data = \"pictures.jsonl\"\nfields = \"image,captions\"\n";
    sandbox.write("page.toml", page);
    let report = sandbox.good(&["evaluate", "page.toml", "--json"]).json();
    let rows = &report["sections"][0]["reports"]["r"]["grid"];
    assert_eq!(rows[1]["caption"], "a blue square number 0", "{report}");
    let page = sandbox.read("evaluations/page/report.html");
    let (_, picture) = page.split_once("src=\"data:image/png;base64,").expect("a picture");
    let (picture, after) = picture.split_once('"').unwrap();
    // The first bytes of a file in PNG.
    assert!(picture.starts_with("iVBORw0KGgo") && picture.len() > 1000, "{picture}");
    assert!(after.contains("a blue square number 0"), "{after}");
}
