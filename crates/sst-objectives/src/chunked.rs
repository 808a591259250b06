//! Computes gradients during the forward pass, one chunk of a batch at a time, so that only the graph of one chunk is in
//! memory. The backward pass then only multiplies these gradients by the gradient that reaches the loss.

use sst_core::Result;
use tch::{Kind, Tensor};

/// The gradients of parameters, summed over the chunks of a batch.
pub(crate) struct ChunkedGradients<'a> {
    parameters: Vec<&'a Tensor>,
    /// One sum for each parameter; `None` if no chunk depended on it. The sums are in fp32 whatever the parameter's type,
    /// because they add up many chunks.
    sums: Vec<Option<Tensor>>,
}

impl<'a> ChunkedGradients<'a> {
    /// Starts with no gradients. All `parameters` must require gradients.
    pub(crate) fn new(parameters: Vec<&'a Tensor>) -> Self {
        let sums = parameters.iter().map(|_| None).collect();
        Self { parameters, sums }
    }

    /// Whether there are no parameters.
    pub(crate) fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// Runs the backward pass of `chunk_loss`, the loss of one chunk, and adds the gradients of the parameters to the
    /// sums. Frees the graph of the chunk. Returns the gradients of `inputs`, tensors that belong to this chunk only.
    ///
    /// # Errors
    /// If libtorch fails, or `chunk_loss` has no graph.
    pub(crate) fn add(&mut self, chunk_loss: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let all: Vec<&Tensor> = inputs.iter().chain(&self.parameters).copied().collect();
        let mut input_gradients = Tensor::f_run_backward(&[chunk_loss], &all, false, false)?;
        let parameter_gradients = input_gradients.split_off(inputs.len());
        for (sum, gradient) in self.sums.iter_mut().zip(parameter_gradients) {
            if !gradient.defined() {
                continue;
            }
            let gradient = gradient.f_to_kind(Kind::Float)?;
            match sum {
                None => *sum = Some(gradient),
                Some(sum) => {
                    let _ = sum.f_add_(&gradient)?;
                }
            }
        }
        Ok(input_gradients)
    }

    /// Returns the value of `loss` with a new graph. Its backward pass multiplies the gradient of the result by the
    /// summed gradients of the parameters, and by the gradients that `others` pairs with further tensors.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn attach<'b>(
        self,
        loss: &Tensor,
        others: impl IntoIterator<Item = (&'b Tensor, Tensor)>,
    ) -> Result<Tensor>
    where
        'a: 'b,
    {
        let summed = self
            .parameters
            .into_iter()
            .zip(self.sums)
            .filter_map(|(parameter, sum)| Some((parameter, sum?)));
        let (mut inputs, mut gradients) = (Vec::<&'b Tensor>::new(), Vec::new());
        for (input, gradient) in others.into_iter().chain(summed) {
            gradients.push(gradient.f_to_kind(input.f_kind()?)?);
            inputs.push(input);
        }
        let value = loss.f_detach()?;
        match inputs.is_empty() {
            true => Ok(value),
            false => Ok(sst_kernels::with_gradients(&value, &inputs, gradients)?),
        }
    }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn leaf(numbers: &[f32]) -> Tensor {
        Tensor::from_slice(numbers).set_requires_grad(true)
    }

    /// The loss is twice `sum(w * x)`, with one chunk for each element of x. Its gradients are known in closed form.
    #[test]
    fn summed_gradients_of_chunks_equal_the_gradients_of_the_whole() {
        let (w, unused) = (leaf(&[2.0]), leaf(&[5.0]));
        let x = leaf(&[1.0, 2.0, 3.0]);
        let mut gradients = ChunkedGradients::new(vec![&w, &unused]);
        let (mut x_gradients, mut loss) =
            (Vec::new(), Tensor::zeros([], (Kind::Float, Device::Cpu)));
        for at in 0..3 {
            let part = x.detach().narrow(0, at, 1).set_requires_grad(true);
            let value = (&part * &w).sum(Kind::Float);
            x_gradients.extend(gradients.add(&value, &[&part]).unwrap());
            loss += value.detach();
        }
        let x_gradient = Tensor::cat(&x_gradients, 0);
        let loss = gradients.attach(&loss, [(&x, x_gradient)]).unwrap();
        assert_eq!(loss.double_value(&[]), 12.0);
        (loss * 2.0).f_backward().unwrap();
        assert_eq!(Vec::<f32>::try_from(w.grad()).unwrap(), [12.0]);
        assert_eq!(Vec::<f32>::try_from(x.grad()).unwrap(), [4.0; 3]);
        assert!(!unused.grad().defined());
    }

    #[test]
    fn gradients_of_bf16_parameters_are_summed_in_fp32() {
        let w = Tensor::ones([1], (Kind::BFloat16, Device::Cpu)).set_requires_grad(true);
        let mut gradients = ChunkedGradients::new(vec![&w]);
        // A bf16 sum would stop growing at 256, because a bf16 number has 8 significant bits.
        for _ in 0..300 {
            gradients.add(&w.sum(Kind::Float), &[]).unwrap();
        }
        assert_eq!(gradients.sums[0].as_ref().unwrap().double_value(&[0]), 300.0);
        let loss = gradients.attach(&Tensor::from(1_f32), []).unwrap();
        loss.f_backward().unwrap();
        assert_eq!(w.grad().kind(), Kind::BFloat16);
        assert_eq!(w.grad().double_value(&[0]), 300.0);
    }

    #[test]
    fn without_gradients_the_loss_has_no_graph() {
        let loss = ChunkedGradients::new(Vec::new()).attach(&leaf(&[3.0]), []).unwrap();
        assert!(!loss.requires_grad());
        assert_eq!(loss.double_value(&[0]), 3.0);
    }
}
