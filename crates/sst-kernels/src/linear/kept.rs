//! A cache of packed weights for inference, while no weight changes.

use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::WeightLayout;
use super::tiles::{PackedWeight, Unit, unit};
use crate::autocast::product_kind;
use crate::error::Result;
use crate::grad::grad_enabled;

thread_local! {
    static KEPT: RefCell<Kept> = RefCell::new(Kept::default());
}

/// The cached weights. The cache also holds the tensors that they were made from. While these live, no other tensor
/// can have their address, so that the address identifies them.
#[derive(Default)]
struct Kept {
    guards: usize,
    /// The key includes the type of the product, which autocast may change.
    joints: HashMap<([Place; 3], Kind), ([Tensor; 3], Tensor)>,
    packed: HashMap<Product, (Tensor, Rc<PackedWeight>)>,
}

/// The address, shape and type of a tensor, which identify it while it lives.
type Place = (usize, Vec<i64>, Kind);

/// A weight, its layout, whether its products are in fp32, and the unit of the processor that computes them.
type Product = (Place, WeightLayout, bool, Option<Unit>);

fn place(tensor: &Tensor) -> Place {
    (tensor.data_ptr() as usize, tensor.size(), tensor.kind())
}

/// A guard: until it is dropped, this thread caches packed weights. See [`keep_weights`].
#[derive(Debug)]
pub struct KeepWeights(PhantomData<*const ()>);

/// Caches the packed form of each weight on this thread until the guard is dropped, so that a weight is packed once
/// and not for every product. Only products without gradients use the cache. The weights must not change while the
/// guard lives. A packed weight takes as much memory as the weight, or 1.5 times as much; with
/// [`joint`](crate::joint), twice that.
#[must_use = "the cache is cleared when the guard is dropped"]
pub fn keep_weights() -> KeepWeights {
    KEPT.with_borrow_mut(|kept| kept.guards += 1);
    KeepWeights(PhantomData)
}

impl Drop for KeepWeights {
    fn drop(&mut self) {
        KEPT.with_borrow_mut(|kept| {
            kept.guards -= 1;
            if kept.guards == 0 {
                *kept = Kept::default();
            }
        });
    }
}

fn is_keeping() -> Result<bool> {
    Ok(KEPT.with_borrow(|kept| kept.guards > 0) && !grad_enabled()?)
}

/// The result of `make` for three tensors, from the cache if it is there.
pub(crate) fn kept_joint(
    parts: [&Tensor; 3],
    make: impl FnOnce() -> Result<Tensor>,
) -> Result<Tensor> {
    if !is_keeping()? {
        return make();
    }
    let key = (parts.map(place), product_kind(parts[0])?);
    let found = KEPT.with_borrow(|kept| kept.joints.get(&key).map(|(_, x)| x.shallow_clone()));
    if let Some(found) = found {
        return Ok(found);
    }
    let made = make()?;
    let value = (parts.map(Tensor::shallow_clone), made.shallow_clone());
    KEPT.with_borrow_mut(|kept| kept.joints.insert(key, value));
    Ok(made)
}

/// The packed form of a contiguous weight, from the cache if it is there.
pub(super) fn packed(
    weight: &Tensor,
    layout: WeightLayout,
    exact: bool,
) -> Result<Rc<PackedWeight>> {
    if !is_keeping()? {
        return Ok(Rc::new(PackedWeight::new(weight, layout, exact)?));
    }
    let key = (place(weight), layout, exact, unit());
    if let Some(found) = KEPT.with_borrow(|kept| kept.packed.get(&key).map(|(_, x)| x.clone())) {
        return Ok(found);
    }
    let made = Rc::new(PackedWeight::new(weight, layout, exact)?);
    let value = (weight.shallow_clone(), made.clone());
    KEPT.with_borrow_mut(|kept| kept.packed.insert(key, value));
    Ok(made)
}
