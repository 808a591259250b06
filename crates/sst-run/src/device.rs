//! The device of a run: the CPU or a GPU.

use tch::{Cuda, Device};

use crate::error::{Result, RunError};
use crate::wanted_device::{MOST_THREADS, Wanted, parse};

/// Finds the device and sets the number of CPU threads. Call it before the first tensor is created.
///
/// # Errors
/// If a GPU is asked for and none is usable; the message says why.
pub fn open(text: &str, threads: usize) -> Result<Device> {
    if threads > MOST_THREADS {
        let message = format!("{threads} threads are asked for: at most {MOST_THREADS}");
        return Err(RunError::Device(message));
    }
    if threads > 0 {
        tch::set_num_threads(threads as i32);
    }
    let wanted = parse(text).map_err(RunError::Device)?;
    if wanted == Wanted::Cpu {
        return Ok(Device::Cpu);
    }
    let loaded = sst_kernels::load_cuda();
    let count = if matches!(loaded, Ok(true)) { Cuda::device_count() } else { 0 };
    match (wanted, loaded) {
        (Wanted::Cuda(index), Ok(true)) if (index as i64) < count => Ok(Device::Cuda(index)),
        (Wanted::Cuda(index), Ok(true)) => {
            let usable = match count {
                0 => "no GPU is usable here".to_owned(),
                1 => "one GPU is usable here, cuda:0".to_owned(),
                count => format!("{count} GPUs are usable here, cuda:0 to cuda:{}", count - 1),
            };
            Err(RunError::Device(format!("cuda:{index} is asked for, but {usable}")))
        }
        (Wanted::Cuda(index), Ok(false)) => {
            let message = format!(
                "cuda:{index} is asked for, but this libtorch is built for the CPU only: write auto or cpu, or run `cargo xtask \
                 setup --cuda` and build again"
            );
            Err(RunError::Device(message))
        }
        (Wanted::Cuda(_), Err(error)) => Err(RunError::Cuda(error)),
        (_, Err(error)) => {
            tracing::warn!("CUDA is installed but cannot be loaded, so the CPU is used: {error}");
            Ok(Device::Cpu)
        }
        (_, Ok(_)) if count > 0 => Ok(Device::Cuda(0)),
        (_, Ok(_)) => Ok(Device::Cpu),
    }
}

/// The name of a device, such as `cpu` or `cuda:0`.
pub fn name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}
