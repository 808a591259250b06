//! `sst doctor`.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::args::JsonArgs;
use sst_cli::exit::Exit;
use sst_cli::{files, render};
use sst_run::{libtorch, precision, processor};
use sst_train::{Precision, PrecisionChoice, measure_peak};
use tch::{Cuda, Device, Kind, Tensor};

/// Prints the libraries, processor and devices that sst found on this machine. The exit code is 1 if something that
/// training needs is missing.
///
/// # Errors
/// If stdout cannot be written to.
pub(crate) fn run(args: &JsonArgs) -> Result<Exit> {
    let cuda = cuda();
    let cache = files::user_cache();
    let writable = cache.as_ref().map_err(ToString::to_string).and_then(|folder| writable(folder));
    let products = products();
    let good = writable.is_ok() && products.is_ok();
    let value = json!({
        "version": 1,
        "good": good,
        "sst": env!("CARGO_PKG_VERSION"),
        "libtorch": { "version": libtorch::libtorch_version(), "path": libtorch::libtorch_path() },
        "threads": tch::get_num_threads(),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": processor::describe()?,
        "cuda": cuda,
        "products": match products {
            Ok(products) => products,
            Err(error) => json!({ "error": error.to_string() }),
        },
        "cache": {
            "path": cache.ok(),
            "writable": writable.is_ok(),
            "error": writable.err(),
        },
    });
    if args.json {
        render::json(&value)?;
    } else {
        render::line(&describe(&value))?;
    }
    Ok(if good { Exit::Done } else { Exit::Failed })
}

fn answer(result: std::result::Result<String, String>) -> Value {
    match result {
        Ok(text) => json!({ "works": true, "note": text }),
        Err(error) => json!({ "works": false, "note": error }),
    }
}

/// Whether a GPU can be used, and the reason if not.
fn cuda() -> Value {
    match sst_kernels::load_cuda() {
        Err(error) => answer(Err(format!("its libraries cannot be loaded: {error}"))),
        Ok(false) => answer(Err("this libtorch is built for the CPU".to_owned())),
        Ok(true) => match Cuda::device_count() {
            0 => answer(Err("its libraries are loaded, but no GPU is usable".to_owned())),
            n => answer(bf16(Device::Cuda(0)).map(|()| format!("{n} usable"))),
        },
    }
}

/// Measures matrix products on the CPU in each precision, in GFLOP/s, and the precision that `auto` chooses. The
/// speed of fp16 shows why sst refuses fp16 on the CPU.
fn products() -> Result<Value> {
    let speed = |precision| -> Result<u64> {
        Ok((measure_peak(Device::Cpu, precision)? / 1e9).round() as u64)
    };
    let auto = PrecisionChoice::Auto.on(Device::Cpu)?;
    Ok(json!({
        "fp32": speed(Precision::Fp32)?,
        "bf16": speed(Precision::Bf16)?,
        "fp16": speed(Precision::Fp16)?,
        "auto": auto,
        "reason": precision::reason(auto, Device::Cpu),
    }))
}

/// Multiplies two matrices under bf16 autocast, as a run with `precision = "bf16"` does.
fn bf16(device: Device) -> std::result::Result<(), String> {
    let multiply = || -> sst_core::Result<Kind> {
        let _guard = sst_kernels::autocast(device, Some(Kind::BFloat16))?;
        let ones = Tensor::f_ones([8, 8], (Kind::Float, device))?;
        Ok(ones.f_matmul(&ones)?.f_kind()?)
    };
    match multiply() {
        Ok(Kind::BFloat16) => Ok(()),
        Ok(other) => Err(format!("autocast gives {other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn writable(folder: &Path) -> std::result::Result<(), String> {
    let probe = folder.join(".doctor");
    std::fs::create_dir_all(folder)
        .and_then(|()| sst_data::atomic::write(&probe, b""))
        .and_then(|()| std::fs::remove_file(&probe))
        .map_err(|error| format!("{}: {error}", folder.display()))
}

fn describe(value: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    };
    let works = |value: &Value| {
        let verdict = if value["works"] == true { "yes" } else { "no" };
        format!("{verdict}: {}", text(&value["note"]))
    };
    let cache = match value["cache"]["writable"] == true {
        true => format!("{} (writable)", text(&value["cache"]["path"])),
        false => text(&value["cache"]["error"]),
    };
    let cpu = &value["cpu"];
    let levels: Vec<String> = cpu["levels"].as_array().into_iter().flatten().map(text).collect();
    let asked = if cpu["requested"].is_null() { "" } else { ", as SST_CPU asks" };
    let level = format!("{}{asked} (it has {})", text(&cpu["level"]), levels.join(", "));
    let products = match &value["products"]["error"] {
        Value::Null => {
            let speed = |name: &str| format!("{name} {}", value["products"][name]);
            format!(
                "{}, {}, {} GFLOP/s (runs in fp16 are refused on the CPU; a busy machine shows less)",
                speed("fp32"),
                speed("bf16"),
                speed("fp16")
            )
        }
        error => text(error),
    };
    let mut libraries: Vec<String> = (cpu["libraries"].as_object().into_iter().flatten())
        .map(|(name, value)| format!("{name}={}", text(value)))
        .collect();
    if cpu["mkl_keeps_avx2"] == true {
        libraries.push("but MKL keeps AVX2 on AMD processors".to_owned());
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row("sst", text(&value["sst"])),
        row("libtorch", text(&value["libtorch"]["version"])),
        row("", text(&value["libtorch"]["path"])),
        row("threads", format!("{} of {} cores", value["threads"], value["cores"])),
        row("processor", level),
        row("cuda", works(&value["cuda"])),
        row("matrix products", products),
        row(
            "precision",
            format!(
                "auto takes {}: {}",
                text(&value["products"]["auto"]),
                text(&value["products"]["reason"])
            ),
        ),
        row("cache", cache),
    ];
    if !libraries.is_empty() {
        let place = rows.iter().position(|row| row[0] == "cuda").unwrap_or(rows.len());
        rows.insert(place, row("libraries", libraries.join(", ")));
    }
    render::table(&rows)
}
