"""The plain-torch stand-in of ``mmcv._ext``: known values, torchvision, gradcheck."""

import itertools
import math

import mmcv.ops
import pytest
import torch
from mmcv.ops import Correlation, DeformConv2d, ModulatedDeformConv2d
from torchvision.ops import deform_conv2d as torchvision_deform_conv2d

from cdvd_mm.compat import mmcv_ext, plain_ops


def _stand_in_in_use():
    import mmcv._ext
    return isinstance(mmcv._ext, mmcv_ext._Extension)


pytestmark = pytest.mark.skipif(
    not _stand_in_in_use(), reason='mmcv is compiled: the stand-in steps aside')


def _deform_inputs(seed, groups, deform_groups, stride=(1, 1), dilation=(1, 1), n=2, size=(7, 6)):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    x = draw(n, 4, *size)
    weight = draw(6, 4 // groups, 3, 3)
    h = (size[0] + 2 - 2 * dilation[0] - 1) // stride[0] + 1
    w = (size[1] + 2 - 2 * dilation[1] - 1) // stride[1] + 1
    offset = draw(n, 18 * deform_groups, h, w) * 2
    mask = draw(n, 9 * deform_groups, h, w).sigmoid()
    return x, offset, weight, draw(6), mask


@pytest.mark.parametrize('groups, deform_groups, stride, dilation, modulated', [
    (1, 1, (1, 1), (1, 1), True),
    (2, 1, (2, 1), (1, 1), True),
    (1, 2, (1, 2), (2, 1), True),
    (2, 4, (1, 1), (1, 2), False),
])
def test_plain_deform_conv_equals_torchvision(groups, deform_groups, stride, dilation, modulated):
    x, offset, weight, bias, mask = _deform_inputs(0, groups, deform_groups, stride, dilation)
    mask = mask if modulated else None
    args = (x, offset, weight, bias, stride, (1, 1), dilation, mask)
    torch.testing.assert_close(plain_ops.plain_deform_conv2d(*args),
                               torchvision_deform_conv2d(*args), rtol=1e-10, atol=1e-10)


def test_plain_deform_conv_gradcheck():
    inputs = [t.requires_grad_() for t in _deform_inputs(1, 2, 2, n=1, size=(3, 4))]
    assert torch.autograd.gradcheck(
        lambda x, o, w, b, m: plain_ops.plain_deform_conv2d(x, o, w, b, (1, 1), (1, 1), (1, 1), m),
        inputs)


@pytest.mark.parametrize('compiled', [True, False])
def test_mmcv_modulated_deform_conv_gradcheck(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(plain_ops, '_compiled_deform_conv2d', lambda x: None)
    x, offset, weight, bias, mask = (
        t.requires_grad_() for t in _deform_inputs(2, 1, 2, n=1, size=(3, 4)))
    layer = ModulatedDeformConv2d(4, 6, 3, padding=1, deform_groups=2).double()

    def run(x, offset, weight, bias, mask):
        return mmcv.ops.modulated_deform_conv2d(x, offset, mask, weight, bias, layer.stride,
                                                layer.padding, layer.dilation, 1, 2)

    assert torch.autograd.gradcheck(run, (x, offset, weight, bias, mask))


@pytest.mark.parametrize('compiled', [True, False])
def test_mmcv_deform_conv_gradcheck(compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(plain_ops, '_compiled_deform_conv2d', lambda x: None)
    x, offset, weight, _, _ = (
        t.requires_grad_() for t in _deform_inputs(3, 2, 2, n=1, size=(3, 4)))
    layer = DeformConv2d(4, 6, 3, padding=1, groups=2, deform_groups=2).double()

    def run(x, offset, weight):
        return mmcv.ops.deform_conv2d(x, offset, weight, layer.stride, layer.padding,
                                      layer.dilation, layer.groups, layer.deform_groups)

    torch.testing.assert_close(
        run(x, offset, weight), torchvision_deform_conv2d(x, offset, weight, padding=1))
    assert torch.autograd.gradcheck(run, (x, offset, weight))


def _deform_conv_by_loops(x, offset, mask, weight, grad_output, padding=1):
    """mmcv's operator and its gradients, tap by tap: output, grads of x, offset, mask, weight.

    mmcv's rule: a tap at y <= -1, y >= h, x <= -1 or x >= w reads 0 and moves nothing; any other
    reads the four pixels around it, those outside being 0, and its slope is theirs.
    """
    height, width = x.shape[-2:]
    out_channels, kernel = weight.shape[0], weight.shape[-1]
    out_h, out_w = offset.shape[-2:]
    deform_groups = offset.shape[1] // (2 * kernel**2)
    output = x.new_zeros(1, out_channels, out_h, out_w)
    grads = [torch.zeros_like(t) for t in (x, offset, mask, weight)]
    for channel, tap, i, j in itertools.product(range(x.shape[1]), range(kernel**2), range(out_h),
                                                range(out_w)):
        group = channel // (x.shape[1] // deform_groups)
        taps = weight[:, channel, tap // kernel, tap % kernel]
        k = group * kernel**2 + tap
        y = i - padding + tap // kernel + offset[0, 2 * k, i, j].item()
        u = j - padding + tap % kernel + offset[0, 2 * k + 1, i, j].item()
        if y <= -1 or y >= height or u <= -1 or u >= width:
            continue
        top, left = math.floor(y), math.floor(u)
        value = slope_y = slope_x = 0.
        arriving = (grad_output[0, :, i, j] * taps).sum().item() * mask[0, k, i, j].item()
        for row, column in itertools.product((top, top + 1), (left, left + 1)):
            if 0 <= row < height and 0 <= column < width:
                pixel = x[0, channel, row, column].item()
                near_y, near_x = 1 - abs(y - row), 1 - abs(u - column)
                value += pixel * near_y * near_x
                slope_y += pixel * near_x * (1 if row > top else -1)
                slope_x += pixel * near_y * (1 if column > left else -1)
                grads[0][0, channel, row, column] += arriving * near_y * near_x
        output[0, :, i, j] += taps * mask[0, k, i, j] * value
        grads[1][0, 2 * k, i, j] += arriving * slope_y
        grads[1][0, 2 * k + 1, i, j] += arriving * slope_x
        grads[2][0, k, i, j] += (grad_output[0, :, i, j] * taps).sum() * value
        grads[3][:, channel, tap // kernel, tap % kernel] += \
            grad_output[0, :, i, j] * mask[0, k, i, j] * value
    return [output, *grads]


@pytest.mark.parametrize('modulated', [True, False])
@pytest.mark.parametrize('compiled', [True, False])
@pytest.mark.parametrize('offsets', ['zero', 'integer', 'random'])
def test_deform_conv_equals_mmcv_rule(offsets, compiled, modulated, monkeypatch, device):
    if not compiled:
        monkeypatch.setattr(plain_ops, '_compiled_deform_conv2d', lambda x: None)
    x, offset, weight, _, mask = _deform_inputs(4, 1, 2, n=1, size=(4, 5))
    offset = {'zero': offset * 0, 'integer': offset.round(), 'random': offset}[offsets]
    mask = mask if modulated else torch.ones_like(mask)
    leaves = [t.to(device).requires_grad_() for t in (x, offset, mask, weight)]
    if modulated:
        output = mmcv.ops.modulated_deform_conv2d(*leaves, None, 1, 1, 1, 1, 2)
    else:
        output = mmcv.ops.deform_conv2d(leaves[0], leaves[1], leaves[3], 1, 1, 1, 1, 2)
    grad_output = torch.randn(output.shape, dtype=torch.float64)
    used = leaves if modulated else [leaves[0], leaves[1], leaves[3]]
    found = [output, *torch.autograd.grad(output, used, grad_output.to(device))]
    expected = _deform_conv_by_loops(x, offset, mask, weight, grad_output)
    if not modulated:
        del expected[3]
    for value, by_loops in zip(found, expected):
        torch.testing.assert_close(value.detach().cpu(), by_loops, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize('compiled', [True, False])
def test_modulated_pack_by_hand(compiled, monkeypatch, device):
    """Rows of 1, 2, 3, a 2x2 kernel of ones, padding 1: offsets are 0 and masks 1/2 at first.

    Every tap of the kernel visits all nine pixels, and seven places outside that lie at -1 or 3
    and count for nothing. Its slope in y is 0 in the upper rows and -1, -2, -3 in the last one,
    beyond which there are zeros: -6 / 2. In x it is 1, 1, -3 in each of three rows: -3 / 2. The
    mask gets the sum of the pixels, 18, times the sigmoid's slope, 1/4.
    """
    if not compiled:
        monkeypatch.setattr(plain_ops, '_compiled_deform_conv2d', lambda x: None)
    layer = mmcv.ops.ModulatedDeformConv2dPack(1, 1, 2, padding=1, bias=False).to(device)
    torch.nn.init.ones_(layer.weight)
    x = torch.tensor([[[[1., 2., 3.]] * 3]], device=device, requires_grad=True)
    output = layer(x)
    output.sum().backward()
    edge, inside = [.5, 1.5, 2.5, 1.5], [1., 3., 5., 3.]
    assert output[0, 0].tolist() == [edge, inside, inside, edge]
    assert (x.grad == 2).all() and (layer.weight.grad == 9).all()
    assert layer.conv_offset.bias.grad.tolist() == [-3., -1.5] * 4 + [4.5] * 4


def test_modulated_layers_build_and_train(device):
    layer = mmcv.ops.ModulatedDeformConv2dPack(4, 4, 3, padding=1).to(device)
    x = torch.randn(2, 4, 8, 8, device=device)
    layer(x).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


def test_correlation_known_values(device):
    first = torch.zeros(1, 2, 3, 4, device=device)
    second = torch.zeros(1, 2, 3, 4, device=device)
    first[0, :, 1, 1] = torch.tensor([2., 3.], device=device)
    second[0, :, 2, 3] = torch.tensor([5., 7.], device=device)
    out = Correlation(max_displacement=2)(first, second)
    assert out.shape == (1, 5, 5, 3, 4)
    # the match lies one down and two right: shift (1, 2), index (1 + 2, 2 + 2)
    assert out[0, 3, 4, 1, 1].item() == 2 * 5 + 3 * 7
    assert out.count_nonzero().item() == 1


@pytest.mark.parametrize('options', [
    dict(max_displacement=1),
    dict(max_displacement=2, dilation_patch=2, padding=1),
    dict(kernel_size=3, max_displacement=1, padding=1, stride=2),
    dict(kernel_size=3, max_displacement=1, padding=2, dilation=2),
])
def test_correlation_equals_definition_and_gradcheck(options):
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(1, 2, 5, 4, generator=generator, dtype=torch.float64)
                     for _ in range(2))
    layer = Correlation(**options)
    torch.testing.assert_close(layer(first, second), _correlation_by_loops(first, second, layer))
    assert torch.autograd.gradcheck(layer, (first.requires_grad_(), second.requires_grad_()))


def _correlation_by_loops(first, second, layer):
    """The definition, pixel by pixel, with Python's own loops."""
    k, d, p = layer.kernel_size, layer.max_displacement, layer.padding
    n, c, h, w = first.shape
    out_h = (h + 2 * p - (k - 1) * layer.dilation - 1) // layer.stride + 1
    out_w = (w + 2 * p - (k - 1) * layer.dilation - 1) // layer.stride + 1
    out = first.new_zeros(n, 2 * d + 1, 2 * d + 1, out_h, out_w)

    def at(x, y, u):
        inside = 0 <= y < h and 0 <= u < w
        return x[:, :, y, u] if inside else x.new_zeros(n, c)

    for sy in range(2 * d + 1):
        for sx in range(2 * d + 1):
            for y in range(out_h):
                for x in range(out_w):
                    for i in range(k):
                        for j in range(k):
                            y1 = y * layer.stride - p + i * layer.dilation
                            x1 = x * layer.stride - p + j * layer.dilation
                            y2 = y1 + (sy - d) * layer.dilation_patch
                            x2 = x1 + (sx - d) * layer.dilation_patch
                            out[:, sy, sx, y, x] += (at(first, y1, x1) * at(second, y2, x2)).sum(1)
    return out


def test_other_operators_say_what_they_are():
    with pytest.raises(NotImplementedError, match='"nms" has no plain-torch form.*mmcv 2.0.1'):
        mmcv.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
