//! Named parameters in a fixed order.

mod adapted;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use sst_data::SeqRng;
use tch::{Device, Kind, Tensor};

use self::adapted::AdaptedLayer;
use crate::error::{Error, Result};
use crate::lora::Adapter;

/// The initial values of a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// All equal to this number.
    Constant(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniform between minus this number and this number.
    Uniform(f64),
    /// Sinusoids along dimension 0, the position (Vaswani et al. 2017, section 3.5).
    Sinusoid {
        /// The largest value.
        amplitude: f64,
        /// Wavelengths run from 2 pi to 2 pi times this number; the paper has 10,000.
        base: f64,
    },
    /// Sinusoids of the place of each patch of an image: a first row of zeros, then a row a patch (sines and cosines of its column and of its row). The
    /// last two dimensions are rows and width.
    Grid {
        /// Patches in a column and in a row.
        size: [i64; 2],
    },
}

/// How a parameter of a model that is loaded from a file is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// The file holds it.
    Held,
    /// The file lacks it and may lack it: it gets the initial values of a new model.
    New,
    /// It does not fit the file, and the difference is in the report. No memory is allocated.
    Refused,
}

/// Decides for each parameter, before it is allocated, whether a file holds it.
pub trait Admit: std::fmt::Debug + Send + Sync {
    /// Whether the parameter `name` of this shape will be loaded from the file.
    ///
    /// # Errors
    /// If so many parameters do not fit that building the model should stop.
    fn admit(&self, name: &str, shape: &[i64]) -> Result<Admitted>;
}

/// The parameters of a model by name, in the order they were made. Names are the hub's.
#[derive(Debug)]
pub struct ParamStore {
    device: Device,
    seed: Option<u64>,
    file: Option<Arc<dyn Admit>>,
    params: Vec<(String, Tensor)>,
    index: HashMap<String, usize>,
    fixed: HashSet<String>,
    adapter: Option<Adapter>,
    adapted: Vec<AdaptedLayer>,
}

impl ParamStore {
    /// An empty store. The initial values of a parameter follow its [`Init`] and are drawn from `seed` and its name
    /// alone, so that they depend neither on the order of the parameters nor on the device. Without a seed they are
    /// zeros, for a model that will be loaded.
    pub fn new(device: Device, seed: Option<u64>) -> Self {
        Self {
            device,
            seed,
            file: None,
            params: Vec::new(),
            index: HashMap::new(),
            fixed: HashSet::new(),
            adapter: None,
            adapted: Vec::new(),
        }
    }

    /// An empty store for a model that will be loaded from `file`. Parameters that the file holds start as zeros.
    /// Those that it may lack have the initial values of their [`Init`], drawn from `seed`. A parameter that does not
    /// fit is reported to `file` and takes no memory.
    pub fn for_file(device: Device, seed: u64, file: Arc<impl Admit + 'static>) -> Self {
        Self { file: Some(file), ..Self::new(device, Some(seed)) }
    }

    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.device
    }

    /// Makes a parameter and returns a handle that shares its storage.
    ///
    /// # Errors
    /// If the name is taken, or libtorch fails.
    pub fn add(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor> {
        self.add_like(name, name, shape, init)
    }

    /// Makes a parameter with the initial values of a parameter called `like`.
    ///
    /// # Errors
    /// As for [`ParamStore::add`].
    pub fn add_like(
        &mut self,
        name: &str,
        like: &str,
        shape: &[i64],
        init: Init,
    ) -> Result<Tensor> {
        if self.index.contains_key(name) {
            return Err(Error::DuplicateParameter(name.to_owned()));
        }
        let admitted = match &self.file {
            Some(file) if !self.is_new_matrix(name) => file.admit(name, shape)?,
            _ => Admitted::New,
        };
        let zeros = |shape: &[i64]| Tensor::f_zeros(shape, (Kind::Float, Device::Cpu));
        let value = match (admitted, self.seed) {
            (Admitted::New, Some(seed)) => initial(seed, like, shape, init)?,
            (Admitted::New, None) | (Admitted::Held, _) => zeros(shape)?,
            // All elements share one number, which is never written to.
            (Admitted::Refused, _) => zeros(&[1])?.f_expand(shape, false)?,
        };
        let tensor = value.f_to_device(self.device)?.f_set_requires_grad(self.is_saved(name))?;
        self.index.insert(name.to_owned(), self.params.len());
        self.params.push((name.to_owned(), tensor.shallow_clone()));
        Ok(tensor)
    }

    /// Makes a parameter that is saved with the model and never trained.
    ///
    /// # Errors
    /// As for [`ParamStore::add`].
    pub fn add_fixed(&mut self, name: &str, shape: &[i64], init: Init) -> Result<Tensor> {
        let tensor = self.add(name, shape, init)?;
        self.fixed.insert(name.to_owned());
        Ok(tensor.f_set_requires_grad(false)?)
    }

    /// Whether the parameter `name` is never trained ([`ParamStore::add_fixed`]).
    pub fn is_fixed(&self, name: &str) -> bool {
        self.fixed.contains(name)
    }

    /// The parameter `name`.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.index.get(name).map(|i| &self.params[*i].1)
    }

    /// All parameters, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.params.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// The parameters that require gradients.
    pub fn trainable(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.iter().filter(|(_, tensor)| tensor.requires_grad())
    }

    /// The number of elements of the parameters that require gradients.
    pub fn num_trainable(&self) -> u64 {
        self.trainable().map(|(_, tensor)| tensor.numel() as u64).sum()
    }

    /// Turns gradients on or off for the parameters whose name `select` returns true for. Returns their number. Those that
    /// are never trained are left out ([`ParamStore::add_fixed`]).
    ///
    /// # Errors
    /// If a parameter that the adapter of the model does not hold would be trained, because that would not be saved; or
    /// if libtorch fails.
    pub fn set_trainable(&mut self, train: bool, select: impl Fn(&str) -> bool) -> Result<usize> {
        let mut count = 0;
        for (name, tensor) in &self.params {
            if select(name) && !self.is_fixed(name) {
                if train && !self.is_saved(name) {
                    let reason = format!(
                        "`{name}` is a weight of the base model, which stays as it is: an adapter does not hold it"
                    );
                    return Err(Error::Contract(reason));
                }
                let _ = tensor.f_set_requires_grad(train)?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Overwrites the parameter `name` in place; every handle sees the new value.
    ///
    /// # Errors
    /// If there is no parameter of that name, or the shape differs.
    pub fn assign(&mut self, name: &str, value: &Tensor) -> Result<()> {
        let Some(parameter) = self.get(name) else {
            return Err(Error::Contract(format!("there is no parameter `{name}`")));
        };
        if parameter.size() != value.size() {
            return Err(Error::Contract(format!(
                "parameter `{name}` has shape {:?} and the value {:?}",
                parameter.size(),
                value.size()
            )));
        }
        let mut target = parameter.shallow_clone();
        Ok(tch::no_grad(|| target.f_copy_(value))?)
    }

    /// Turns every parameter into `kind`, so that every handle on it sees the new one: to run a model, not to train
    /// it.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn cast(&mut self, kind: Kind) -> Result<()> {
        for (_, tensor) in &mut self.params {
            let value = tensor.f_detach()?.f_to_kind(kind)?;
            tensor.f_set_data(&value)?;
        }
        Ok(())
    }

    /// A copy of every parameter on the CPU, sorted by name.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn to_cpu(&self) -> Result<BTreeMap<String, Tensor>> {
        self.iter().map(|(name, tensor)| Ok((name.to_owned(), cpu_copy(tensor)?))).collect()
    }
}

/// A detached, contiguous copy on the CPU, with storage of its own.
fn cpu_copy(tensor: &Tensor) -> Result<Tensor> {
    let mut copy = Tensor::f_empty(tensor.size(), (tensor.f_kind()?, Device::Cpu))?;
    copy.f_copy_(&tensor.f_detach()?)?;
    Ok(copy)
}

/// A store and a prefix of names, which the parts of a model make their parameters with.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    store: &'a RefCell<ParamStore>,
    prefix: String,
}

impl<'a> Scope<'a> {
    /// The scope with an empty prefix.
    pub fn root(store: &'a RefCell<ParamStore>) -> Self {
        Self { store, prefix: String::new() }
    }

    /// The scope `name` within this one.
    pub fn sub(&self, name: impl std::fmt::Display) -> Self {
        Self { store: self.store, prefix: format!("{}{name}.", self.prefix) }
    }

    /// Makes the parameter `name` in this scope.
    ///
    /// # Errors
    /// If the name is taken, or libtorch fails.
    pub fn param(&self, name: &str, shape: &[i64], init: Init) -> Result<Tensor> {
        self.store.borrow_mut().add(&format!("{}{name}", self.prefix), shape, init)
    }

    /// Makes the parameter `name` in this scope, which is saved with the model and never trained.
    ///
    /// # Errors
    /// As for [`Scope::param`].
    pub fn fixed(&self, name: &str, shape: &[i64], init: Init) -> Result<Tensor> {
        self.store.borrow_mut().add_fixed(&format!("{}{name}", self.prefix), shape, init)
    }

    /// Makes the parameter `name` in this scope with the initial values that it would have in the scope `like`.
    ///
    /// # Errors
    /// As for [`Scope::param`].
    pub fn param_like(
        &self,
        like: &Scope<'_>,
        name: &str,
        shape: &[i64],
        init: Init,
    ) -> Result<Tensor> {
        let (name, like) = (format!("{}{name}", self.prefix), format!("{}{name}", like.prefix));
        self.store.borrow_mut().add_like(&name, &like, shape, init)
    }
}

/// The initial values of a parameter, on the CPU.
fn initial(seed: u64, name: &str, shape: &[i64], init: Init) -> Result<Tensor> {
    let options = (Kind::Float, Device::Cpu);
    match init {
        Init::Zeros => Ok(Tensor::f_zeros(shape, options)?),
        Init::Ones => Ok(Tensor::f_ones(shape, options)?),
        Init::Constant(value) => Ok(Tensor::f_full(shape, value, options)?),
        Init::Normal(std) => drawn(seed, name, shape, |rng| rng.normal() * std),
        Init::Uniform(bound) => drawn(seed, name, shape, |rng| (2.0 * rng.uniform() - 1.0) * bound),
        Init::Sinusoid { amplitude, base } => {
            let (rows, width) = match shape {
                [rows, width] => (*rows, *width),
                _ => {
                    let reason = format!("sinusoids need a matrix, not shape {shape:?}");
                    return Err(Error::Config { key: name.to_owned(), reason });
                }
            };
            let value = |row: i64, column: i64| {
                let rate = base.powf((column / 2 * 2) as f64 / width as f64);
                let angle = row as f64 / rate;
                (amplitude * if column % 2 == 0 { angle.sin() } else { angle.cos() }) as f32
            };
            let values: Vec<f32> = (0..rows)
                .flat_map(|row| (0..width).map(move |column| value(row, column)))
                .collect();
            shaped(&values, shape)
        }
        Init::Grid { size } => grid(name, shape, size),
    }
}

/// The values of [`Init::Grid`]. A quarter of the width each has the sines and the cosines of the column, then those of
/// the row: the order of the weights of He et al. 2021, "Masked Autoencoders Are Scalable Vision Learners". Wavelengths
/// run from 2 pi to 2 pi times 10,000.
fn grid(name: &str, shape: &[i64], [rows, columns]: [i64; 2]) -> Result<Tensor> {
    let width = match shape {
        [.., count, width] if *count == rows * columns + 1 && width % 4 == 0 => *width,
        _ => {
            let reason = format!(
                "{rows} x {columns} patches have sinusoids of shape [{}, a multiple of 4], not {shape:?}",
                rows * columns + 1
            );
            return Err(Error::Config { key: name.to_owned(), reason });
        }
    };
    let quarter = width / 4;
    let mut values = vec![0.0; width as usize];
    for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
        for place in [column, row].map(|place| place as f64) {
            let angles = (0..quarter).map(|i| place / 1e4_f64.powf(i as f64 / quarter as f64));
            let angles: Vec<f64> = angles.collect();
            values.extend(angles.iter().map(|angle| angle.sin() as f32));
            values.extend(angles.iter().map(|angle| angle.cos() as f32));
        }
    }
    shaped(&values, shape)
}

/// Values that `draw` returns one after the other.
fn drawn(
    seed: u64,
    name: &str,
    shape: &[i64],
    draw: impl Fn(&mut SeqRng) -> f64,
) -> Result<Tensor> {
    let mut rng = SeqRng::new(seed, &format!("init.{name}"), 0, 0);
    let count: i64 = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| draw(&mut rng) as f32).collect();
    shaped(&values, shape)
}

/// A tensor with storage of its own. A view would keep the original storage alive, even after its parameter is
/// converted.
fn shaped(values: &[f32], shape: &[i64]) -> Result<Tensor> {
    let mut tensor = Tensor::f_empty(shape, (Kind::Float, Device::Cpu))?;
    tensor.f_copy_(&Tensor::f_from_slice(values)?.f_reshape(shape)?)?;
    Ok(tensor)
}
