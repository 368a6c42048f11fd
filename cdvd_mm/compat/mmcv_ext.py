"""A stand-in for mmcv's compiled module, in plain torch.

mmcv loads its operators by name from ``mmcv._ext``. This module object offers
those that video restoration and optical flow use, on CPU and GPU, with the
calling convention of mmcv 2.0.1: outputs and gradients are written into
tensors that the caller allocated. Any other operator raises
NotImplementedError when it is called.
"""

from types import ModuleType

import torch
from torch import Tensor

from . import plain_ops


def _gradients(function, inputs: list[Tensor], grad_output: Tensor) -> tuple:
    """Differentiate ``function(*inputs)``; one gradient for each input."""
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in inputs]
        output = function(*leaves)
        return torch.autograd.grad(output, leaves, grad_output.to(output.dtype))


def _correlation_options(kH, kW, patchH, patchW, padH, padW, dilationH, dilationW,
                         dilation_patchH, dilation_patchW, dH, dW) -> dict:
    return dict(kernel_size=(kH, kW), patch_size=(patchH, patchW), stride=(dH, dW),
                padding=(padH, padW), dilation=(dilationH, dilationW),
                dilation_patch=(dilation_patchH, dilation_patchW))


def correlation_forward(input1, input2, output, **options) -> None:
    """Write the correlation (n, patchH, patchW, h, w) of (n, c, h, w) maps to ``output``."""
    output.copy_(plain_ops.correlation(input1, input2, **_correlation_options(**options)))


def correlation_backward(grad_output, input1, input2, grad_input1, grad_input2,
                         **options) -> None:
    """Add the gradients of both maps to ``grad_input1`` and ``grad_input2``."""
    options = _correlation_options(**options)
    grads = _gradients(lambda a, b: plain_ops.correlation(a, b, **options), [input1, input2],
                       grad_output)
    grad_input1.add_(grads[0])
    grad_input2.add_(grads[1])


def _deform_options(kW, kH, dW, dH, padW, padH, dilationW, dilationH, group, deformable_group,
                    im2col_step, scale=1) -> dict:
    return dict(stride=(dH, dW), padding=(padH, padW), dilation=(dilationH, dilationW))


def deform_conv_forward(input, weight, offset, output, columns, ones, **options) -> None:
    """Write the deformable convolution (DCNv1) of ``input`` to ``output``."""
    output.copy_(plain_ops.deform_conv2d(input, offset, weight, **_deform_options(**options)))


def deform_conv_backward_input(input, offset, grad_output, grad_input, grad_offset, weight,
                               columns, **options) -> None:
    """Add the gradients of input and offset."""
    options = _deform_options(**options)
    grads = _gradients(lambda x, o: plain_ops.deform_conv2d(x, o, weight, **options),
                       [input, offset], grad_output)
    grad_input.add_(grads[0])
    grad_offset.add_(grads[1])


def deform_conv_backward_parameters(input, offset, grad_output, grad_weight, columns, ones,
                                    scale=1, **options) -> None:
    """Add ``scale`` times the gradient of the kernel."""
    options = _deform_options(**options)
    weight = torch.zeros_like(grad_weight)
    grads = _gradients(lambda w: plain_ops.deform_conv2d(input, offset, w, **options), [weight],
                       grad_output)
    grad_weight.add_(grads[0], alpha=scale)


def _modulated_options(kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h,
                       dilation_w, group, deformable_group, with_bias) -> dict:
    return dict(stride=(stride_h, stride_w), padding=(pad_h, pad_w),
                dilation=(dilation_h, dilation_w))


def modulated_deform_conv_forward(input, weight, bias, ones, offset, mask, output, columns,
                                  with_bias, **options) -> None:
    """Write the modulated deformable convolution (DCNv2) of ``input`` to ``output``."""
    options = _modulated_options(with_bias=with_bias, **options)
    output.copy_(plain_ops.deform_conv2d(input, offset, weight, bias if with_bias else None, mask,
                                         **options))


def modulated_deform_conv_backward(input, weight, bias, ones, offset, mask, columns, grad_input,
                                   grad_weight, grad_bias, grad_offset, grad_mask, grad_output,
                                   with_bias, **options) -> None:
    """Add the gradients of input, kernel, bias, offset and mask."""
    options = _modulated_options(with_bias=with_bias, **options)
    grads = _gradients(
        lambda x, w, o, m: plain_ops.deform_conv2d(x, o, w, None, m, **options),
        [input, weight, offset, mask], grad_output)
    for target, grad in zip((grad_input, grad_weight, grad_offset, grad_mask), grads):
        target.add_(grad)
    if with_bias:
        grad_bias.add_(grad_output.sum((0, 2, 3)))


def get_compiler_version() -> str:
    """Name the compiler as mmcv does in its environment report."""
    return 'none (plain torch stand-in of cdvd_mm)'


def get_compiling_cuda_version() -> str:
    """Name the CUDA toolkit as mmcv does in its environment report."""
    return 'none (plain torch stand-in of cdvd_mm)'


OPERATORS = {
    function.__name__: function
    for function in (correlation_forward, correlation_backward, deform_conv_forward,
                     deform_conv_backward_input, deform_conv_backward_parameters,
                     modulated_deform_conv_forward, modulated_deform_conv_backward,
                     get_compiler_version, get_compiling_cuda_version)
}
"""What the stand-in offers, by the names of mmcv."""


class _Extension(ModuleType):
    """The module object that is found as ``mmcv._ext``."""

    def __getattr__(self, name: str):
        if name.startswith('__'):
            raise AttributeError(name)

        def unavailable(*args, **kwargs):
            raise NotImplementedError(
                f'mmcv operator "{name}" has no plain-torch form in cdvd_mm (available: '
                f'{", ".join(sorted(OPERATORS))}). Install a compiled mmcv 2.0.1 in place of '
                'mmcv-lite to use it.')

        unavailable.__name__ = name
        return unavailable


def build_module(name: str) -> ModuleType:
    """Return the stand-in as a module called ``name``."""
    module = _Extension(name, __doc__)
    module.__dict__.update(OPERATORS)
    return module
