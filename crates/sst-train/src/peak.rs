//! The peak speed of matrix products on this machine. The model FLOPs utilisation (MFU) is a fraction of it.

use std::time::{Duration, Instant};

use sst_core::nn;
use sst_kernels::CpuLevel;
use tch::{Device, Kind, Tensor};

use crate::error::TrainError;
use crate::precision::Precision;

/// How long the measurement takes.
const TIME: Duration = Duration::from_millis(500);

/// The speed of square matrix products in floating-point operations per second, in the type that `precision` gives to
/// their factors. It is the best of several runs within half a second, so that a disturbance does not lower it.
///
/// The matrices have 1,024 rows on the CPU, and 8,192 on an accelerator, which smaller products would not fill. For
/// fp16 on the CPU they have 256, because libtorch's products of that type are slow. The products are those that
/// training uses: sst's own for bf16 on a processor without bf16 instructions, and libtorch's otherwise.
///
/// # Errors
/// If libtorch fails.
pub fn measure_peak(device: Device, precision: Precision) -> Result<f64, TrainError> {
    let (width, products) = match (device.is_cuda(), precision) {
        (true, _) => (8192, 4),
        (false, Precision::Fp16) => (256, 1),
        (false, _) => (1024, 4),
    };
    let has_own_kernel = device == Device::Cpu
        && precision == Precision::Bf16
        && !CpuLevel::current().has_fast_bf16();
    let options = (Kind::Float, device);
    let factor = Tensor::f_ones([width, width], options)?.f_mul_scalar(1.0 / width as f64)?;
    let factor = factor.f_to_kind(precision.kind())?;
    let work = 2.0 * (width as f64).powi(3) * f64::from(products);
    let _no_grad = tch::no_grad_guard();
    let run = || -> Result<f64, TrainError> {
        let began = Instant::now();
        let mut product = factor.shallow_clone();
        for _ in 0..products {
            product = match has_own_kernel {
                true => nn::linear(&product, &factor, None)?,
                false => factor.f_matmul(&product)?,
            };
        }
        // The host waits for the device when it reads an element.
        product.f_double_value(&[0, 0])?;
        Ok(began.elapsed().as_secs_f64())
    };
    // In the first run libtorch chooses and prepares its kernels, so the run is not counted.
    run()?;
    let (start, mut best) = (Instant::now(), f64::INFINITY);
    while start.elapsed() < TIME {
        best = best.min(run()?);
    }
    Ok(work / best)
}
