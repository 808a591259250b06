//! Gradients that are made in the forward pass, one chunk of a batch after the other, so that the memory of one chunk
//! suffices. The backward pass multiplies gradients that are known by then.

use sst_core::Result;
use tch::{Kind, Tensor};

/// The sums of the gradients of parameters over chunks.
pub(crate) struct ChunkedGradients<'a> {
    parameters: Vec<&'a Tensor>,
    /// One a parameter, in fp32 whatever the parameter is, for it is the sum of many chunks. `None` if no chunk depended
    /// on the parameter.
    sums: Vec<Option<Tensor>>,
}

impl<'a> ChunkedGradients<'a> {
    /// No gradients yet, of parameters that train.
    pub(crate) fn new(parameters: Vec<&'a Tensor>) -> Self {
        let sums = parameters.iter().map(|_| None).collect();
        Self { parameters, sums }
    }

    /// Whether there is no parameter.
    pub(crate) fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// Adds the gradients of `value`, the loss of one chunk, whose graph is freed. Returns the gradients of `inputs`,
    /// which are of this chunk alone.
    ///
    /// # Errors
    /// If libtorch fails, or `value` has no graph.
    pub(crate) fn add(&mut self, value: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let all: Vec<&Tensor> = inputs.iter().chain(&self.parameters).copied().collect();
        let mut of_inputs = Tensor::f_run_backward(&[value], &all, false, false)?;
        let of_parameters = of_inputs.split_off(inputs.len());
        for (sum, gradient) in self.sums.iter_mut().zip(of_parameters) {
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
        Ok(of_inputs)
    }

    /// The value of `loss` with a graph that hands on the sums, and the gradients of `others` that are complete.
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
        let sums = self.parameters.into_iter().zip(self.sums);
        let sums = sums.filter_map(|(parameter, sum)| Some((parameter, sum?)));
        let (mut inputs, mut gradients) = (Vec::<&'b Tensor>::new(), Vec::new());
        for (input, gradient) in others.into_iter().chain(sums) {
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

    /// `sum(w * x)` over the chunks of x, times two in the backward pass: each gradient is known in closed form.
    #[test]
    fn sums_over_chunks_are_the_gradients_of_the_whole() {
        let (w, unused) = (leaf(&[2.0]), leaf(&[5.0]));
        let x = leaf(&[1.0, 2.0, 3.0]);
        let mut gradients = ChunkedGradients::new(vec![&w, &unused]);
        let (mut of_x, mut loss) = (Vec::new(), Tensor::zeros([], (Kind::Float, Device::Cpu)));
        for at in 0..3 {
            let part = x.detach().narrow(0, at, 1).set_requires_grad(true);
            let value = (&part * &w).sum(Kind::Float);
            of_x.extend(gradients.add(&value, &[&part]).unwrap());
            loss += value.detach();
        }
        let of_x = Tensor::cat(&of_x, 0);
        let loss = gradients.attach(&loss, [(&x, of_x)]).unwrap();
        assert_eq!(loss.double_value(&[]), 12.0);
        (loss * 2.0).f_backward().unwrap();
        assert_eq!(Vec::<f32>::try_from(w.grad()).unwrap(), [12.0]);
        assert_eq!(Vec::<f32>::try_from(x.grad()).unwrap(), [4.0; 3]);
        assert!(!unused.grad().defined());
    }

    #[test]
    fn sums_of_bf16_parameters_are_made_in_fp32() {
        let w = Tensor::ones([1], (Kind::BFloat16, Device::Cpu)).set_requires_grad(true);
        let mut gradients = ChunkedGradients::new(vec![&w]);
        // In bf16 the sum would stay at 256: it has 8 bits.
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
    fn without_gradients_the_loss_is_a_number() {
        let loss = ChunkedGradients::new(Vec::new()).attach(&leaf(&[3.0]), []).unwrap();
        assert!(!loss.requires_grad());
        assert_eq!(loss.double_value(&[0]), 3.0);
    }
}
