//! Tests with the real Apertium, if it is installed.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::{Value, json};
use sst_data::augment::translate::{Apertium, Cached, TranslateError, Translator};

use super::fake::Program;
use super::{kind, view};

/// Whether Apertium can translate between English and Spanish. If not, this prints a message that the test harness
/// does not capture.
fn has_apertium() -> bool {
    let listed = Command::new("apertium").arg("-l").output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let has =
        listed.is_ok_and(|list| ["eng-spa", "spa-eng"].iter().all(|pair| list.contains(pair)));
    if !has {
        let told = writeln!(
            std::io::stderr(),
            "SKIPPED: Apertium is not installed (apt-get install apertium apertium-eng-spa)"
        );
        told.unwrap();
    }
    has
}

#[test]
fn apertium_itself() {
    if !has_apertium() {
        return;
    }
    let timeout = Duration::from_secs(60);
    let mut apertium = Apertium::new("apertium", "eng-spa", timeout).unwrap();
    // If both texts were lines of one input, the adjective of the first would move into the second.
    let texts =
        ["the big", "house is red", "The house is red.", "10/2 [x] <b> {y} $5 @ ~ \\ ^z^", "中文"];
    let texts = texts.map(str::to_owned);
    let together = apertium.translate(&texts).unwrap();
    assert_eq!(together[1..3], ["La casa es roja", "La casa es roja."]);
    assert_eq!(together[3..], ["10/2 [x] <b> {y} $5 @ ~ \\ ^z^", "中文"]);
    // In any batch, each text has the translation that it has alone.
    for (text, expected) in texts.iter().zip(&together) {
        let alone = apertium.translate(std::slice::from_ref(text)).unwrap();
        assert_eq!(alone, std::slice::from_ref(expected));
    }
    let many: Vec<String> = (0..300).map(|i| texts[i % 3].clone()).collect();
    let answers = apertium.translate(&many).unwrap();
    assert!(answers.iter().enumerate().all(|(i, answer)| *answer == together[i % 3]));

    let kind = kind("back_translation", &json!({}));
    let text = "Neoclassicism came mostly after 1900.\n\n  The [MASK] is red.";
    let back = view(&*kind, text, 0);
    assert!(back != text && back.contains("\n\n  ") && back.contains("[MASK]"), "{back}");

    let mut wrong = Apertium::new("apertium", "eng-xxx", timeout).unwrap();
    let error = wrong.translate(&texts).unwrap_err().to_string();
    assert!(error.contains("eng-xxx does not exist"), "{error}");
}

/// Texts with many characters that have a meaning in Apertium's stream. None of them may confuse the numbering of the
/// answers.
#[test]
fn apertium_answers_in_order_whatever_a_text_contains() {
    if !has_apertium() {
        return;
    }
    const PARTS: &[&str] = &[
        "the",
        "house",
        "New",
        "York",
        "I",
        "don't",
        "中文",
        "é",
        "3.5",
        "a@b.c",
        "*",
        "^",
        "^^",
        "$",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "@",
        "/",
        "\\",
        "~",
        "+",
        "#",
        "&amp;",
        "\"",
        "—",
        "…",
        ".",
        "!",
        "?",
        ",",
        "😀",
        "\u{200d}",
        "\u{ad}",
        "\u{a0}",
        "\t",
        "  ",
        "\u{0}",
        "\n",
        "[[t:b:1]]",
        "[sst 1]",
        "<STREAMCMD:FLUSH>",
        "^a/b<n>$",
        "[MASK]",
        " ",
        " ",
        " ",
    ];
    let mut rng = sst_data::SeqRng::new(0, "test.apertium", 0, 0);
    let texts: Vec<String> = (0..1500)
        .map(|_| {
            let parts = (0..1 + rng.below(14))
                .map(|_| PARTS[rng.below(PARTS.len() as u64) as usize])
                .collect::<String>();
            if rng.chance(0.5) { format!("a{parts}") } else { format!("{parts}a") }
        })
        .collect();
    for pair in ["eng-spa", "spa-eng"] {
        let mut apertium = Apertium::new("apertium", pair, Duration::from_secs(60)).unwrap();
        assert_eq!(apertium.translate(&texts).unwrap().len(), texts.len());
    }
}

/// The part of Apertium that is killed.
#[derive(Debug, Clone, Copy)]
enum Victim {
    /// All processes at once.
    All,
    /// The bilingual dictionary lookup in the middle of the pipeline. The programs after it continue until their input
    /// ends.
    Dictionary,
    /// The last program that processes words. After it, no output follows.
    Last,
}

fn read_of(pid: i32, file: &str) -> std::io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}"))
}

/// The processes of a group.
fn members(group: i32) -> impl Iterator<Item = i32> {
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        entry.unwrap().file_name().to_str().and_then(|name| name.parse::<i32>().ok())
    });
    pids.filter(move |pid| {
        // The name is followed by the state, the parent and the process group.
        let stat = read_of(*pid, "stat").unwrap_or_default();
        let of = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(2));
        of == Some(&group.to_string())
    })
}

/// The process of a group whose command contains `word`.
fn process(group: i32, word: &str) -> Option<i32> {
    members(group).find(|pid| read_of(*pid, "cmdline").is_ok_and(|command| command.contains(word)))
}

/// The number of bytes that the processes of a group have written to the file of the translations, which is also where
/// the output of the first process goes.
fn written(group: i32) -> u64 {
    let output = |pid: i32| fs::read_link(format!("/proc/{pid}/fd/1")).ok();
    let Some(end) = output(group) else { return 0 };
    let bytes = |pid: i32| {
        let io = read_of(pid, "io").unwrap_or_default();
        let bytes = io.lines().find_map(|line| line.strip_prefix("wchar: ")?.parse::<u64>().ok());
        bytes.unwrap_or(0)
    };
    let writers = members(group).filter(|pid| *pid != group && output(*pid).as_ref() == Some(&end));
    writers.map(bytes).sum()
}

/// Waits until the program in `folder` has written translations, and kills it.
fn kill_in_mid_batch(folder: &Path, victim: Victim) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < deadline, "it has not begun to translate");
        thread::sleep(Duration::from_millis(2));
        let pid = fs::read_to_string(folder.join("pid")).unwrap_or_default();
        let Ok(group) = pid.trim().parse::<i32>() else { continue };
        // This is the last program that processes words.
        let Some(last) = process(group, "autopgen.bin") else { continue };
        // Wait for more than the first texts. Output that is in the pipe can be read although its writer is killed.
        if written(group) < 2000 {
            continue;
        }
        let pid = |pid: i32| Pid::from_raw(pid).unwrap();
        match victim {
            Victim::All => kill_process_group(pid(group), Signal::KILL).unwrap(),
            Victim::Dictionary => {
                let dictionary = process(group, "autobil.bin").unwrap();
                kill_process(pid(dictionary), Signal::KILL).unwrap();
            }
            Victim::Last => kill_process(pid(last), Signal::KILL).unwrap(),
        }
        return;
    }
}

/// The contents of a cache, sorted by text.
fn kept(cache: &Path) -> Vec<(String, String)> {
    let folders = fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
    let mut all: Vec<_> = files
        .map(|file| {
            let entry: Value =
                serde_json::from_slice(&fs::read(file.unwrap().path()).unwrap()).unwrap();
            let word = |key: &str| entry[key].as_str().unwrap().to_owned();
            (word("text"), word("translation"))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn apertium_killed_in_mid_batch_loses_nothing_and_pairs_nothing_wrongly() {
    if !has_apertium() {
        return;
    }
    let timeout = Duration::from_secs(10);
    let text =
        |i: usize| format!("The house number {i} is red and the old man saw {} dogs.", i * 3);
    let first: Vec<String> = (0..20).map(text).collect();
    let batch: Vec<String> = (20..1500).map(text).collect();
    let all = [&first[..], &batch].concat();
    let want = Apertium::new("apertium", "eng-spa", timeout).unwrap().translate(&all).unwrap();
    for victim in [Victim::All, Victim::Dictionary, Victim::Last] {
        // The process belongs to Apertium; the script has exited after it wrote its process id.
        let program = Program::new("echo $$ > \"$(dirname \"$0\")/pid\"\nexec apertium \"$@\"");
        let cache = program.folder().join("cache");
        let open = |path: &Path| {
            Cached::new(Apertium::new(path, "eng-spa", timeout).unwrap(), cache.clone())
        };
        let mut translator = open(&program.path());
        assert_eq!(translator.translate(&first).unwrap(), want[..20]);
        let before = kept(&cache);
        assert_eq!(before.len(), 20);

        let folder = program.folder().to_owned();
        let killer = thread::spawn(move || kill_in_mid_batch(&folder, victim));
        let error = translator.translate(&batch).unwrap_err();
        killer.join().unwrap();
        let message = error.to_string();
        let TranslateError::Died { answered, asked, .. } = error else { panic!("{message}") };
        assert!(0 < answered && answered < asked && asked == 1480, "{message}");
        println!("{victim:?}: {message}");
        assert!(message.starts_with("apertium eng-spa ended ("), "{message}");
        // Nothing of an incomplete batch is cached.
        assert_eq!(kept(&cache), before, "{victim:?}");

        // The translator restarts the process, and translates only texts that are not cached.
        assert_eq!(translator.translate(&all).unwrap(), want, "{victim:?}");
        let mut pairs: Vec<_> = all.iter().cloned().zip(want.iter().cloned()).collect();
        pairs.sort();
        assert_eq!(kept(&cache), pairs);
        let mut absent = open(Path::new("no-such-program"));
        assert_eq!(absent.translate(&all).unwrap(), want, "all is kept");
    }
}
