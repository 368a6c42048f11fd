"""What an environment promises, tried: arrays, operations, a network, an encoder, every GPU.

Each trial is small and held to something that is known without the code under trial: a shift by
nothing, a convolution, the frames that went in.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Outcome:
    """What a trial found out: how the thing runs here, and what might be better."""

    found: str
    note: str = ''


@dataclass(frozen=True)
class Trial:
    """Something that has to work.

    Attributes:
        name (str): Name in the table.
        run (Callable[[], Outcome]): Tries it; raises whatever goes wrong.
        required (bool): Whether cdvd_mm works at all without it.
    """

    name: str
    run: Callable[[], Outcome]
    required: bool = True


def _device() -> torch.device:
    return torch.device('cuda' if torch.cuda.is_available() else 'cpu')


def _expect(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found.cpu(), expected.cpu(), rtol=1e-2, atol=1e-2)


def _pictures(*shape: int) -> Tensor:
    """Numbers in [0, 1) without a generator's state: (*shape), on the device to try."""
    return torch.arange(int(np.prod(shape)), device=_device()).mul(0.618).frac().reshape(shape)


def try_arrays() -> Outcome:
    """An array to PyTorch and back."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    back = torch.from_numpy(array).to(_device()).add(1).cpu().numpy()
    np.testing.assert_array_equal(back, array + 1)
    return Outcome(f'NumPy {np.__version__}, PyTorch {torch.__version__}')


def _backend(*tensors: Tensor) -> Outcome:
    from cdvd_mm.ops import backends
    reason = backends.why_not_triton(*tensors)
    if not tensors[0].is_cuda:
        return Outcome('plain torch', 'Triton kernels would be used on a GPU')
    return Outcome('plain torch', reason) if reason else Outcome('Triton')


def try_correlation() -> Outcome:
    """Without displacement: the sum of the squares."""
    from cdvd_mm.ops import correlation
    features = _pictures(1, 8, 6, 6)
    _expect(correlation(features, features, 1)[:, 4], features.square().sum(1))
    return _backend(features)


def try_flow_warp() -> Outcome:
    """By no flow: the frames themselves; the gradient of their sum is 1."""
    from cdvd_mm.ops import flow_warp
    frames = _pictures(1, 3, 8, 8).requires_grad_()
    warped = flow_warp(frames, torch.zeros(1, 2, 8, 8, device=frames.device))
    _expect(warped.detach(), frames.detach())
    gradient, = torch.autograd.grad(warped.sum(), frames)
    _expect(gradient, torch.ones_like(frames))
    return _backend(frames)


def try_triple_input() -> Outcome:
    """Of three equal frames without flow: they themselves, and a prior of 1."""
    from cdvd_mm.ops import triple_input
    frame = _pictures(1, 3, 8, 8)
    flow = torch.zeros(1, 2, 8, 8, device=frame.device)
    _expect(triple_input(frame, frame, frame, flow, flow),
            torch.cat([frame, frame, frame, torch.ones_like(frame[:, :1])], dim=1))
    return _backend(frame)


def _mmcv_form(through_torchvision: bool) -> Outcome:
    import mmcv._ext
    if getattr(mmcv._ext, '__file__', None):
        return Outcome('compiled (mmcv)')
    note = 'a compiled mmcv 2.0 would be used where there is one'
    return Outcome('compiled (torchvision, through the stand-in)' if through_torchvision
                   else 'plain torch (stand-in)', note)


def try_mmcv_correlation() -> Outcome:
    """MMFlow's: without displacement the sum of the squares."""
    from mmcv.ops import Correlation
    features = _pictures(1, 8, 6, 6)
    _expect(Correlation(max_displacement=1)(features, features)[:, 1, 1], features.square().sum(1))
    return _mmcv_form(False)


def try_deform_conv(modulated: bool) -> Outcome:
    """EDVR's and BasicVSR++'s: without offsets an ordinary convolution."""
    from mmcv import ops
    features, weight = _pictures(1, 4, 6, 6), _pictures(4, 4, 3, 3)
    offset = features.new_zeros(1, 18, 6, 6)
    if modulated:
        found = ops.modulated_deform_conv2d(features, offset, features.new_ones(1, 9, 6, 6), weight,
                                            None, 1, 1)
    else:
        found = ops.deform_conv2d(features, offset, weight, 1, 1)
    _expect(found, F.conv2d(features, weight, padding=1))
    from torchvision.extension import _has_ops
    return _mmcv_form(_has_ops())


def try_network() -> Outcome:
    """A small CDVDNet built from its registry: forward, backward, a step."""
    from cdvd_mm.registry import MODELS
    network = MODELS.build(dict(type='CDVDNet', mid_channels=4, num_blocks=1, flow_estimator=None))
    network.to(_device())
    optimizer = torch.optim.Adam(network.parameters())
    restored = network(_pictures(1, 5, 3, 16, 16))
    restored.square().mean().backward()
    optimizer.step()
    if restored.shape != (1, 3, 16, 16) or not restored.isfinite().all():
        raise RuntimeError(f'expected finite values (1, 3, 16, 16), found {tuple(restored.shape)}')
    return Outcome(f'forward and backward on {_device()}')


def try_encoder() -> Outcome:
    """Frames to H.264 and back, in memory."""
    import av
    grey = [40, 120, 200]
    file = io.BytesIO()
    with av.open(file, 'w', format='mp4') as output:
        stream = output.add_stream('libx264', rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, 'yuv420p'
        for value in grey:
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), value, np.uint8), 'rgb24')
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, 'r', metadata_errors='replace') as container:
        found = [frame.to_ndarray(format='rgb24').mean() for frame in container.decode(video=0)]
    np.testing.assert_allclose(found, grey, atol=6)
    return Outcome('H.264 (libx264)')


TRIALS = (
    Trial('arrays', try_arrays),
    Trial('correlation', try_correlation),
    Trial('flow_warp', try_flow_warp),
    Trial('triple_input', try_triple_input),
    Trial('mmcv correlation', try_mmcv_correlation),
    Trial('mmcv deform_conv', partial(try_deform_conv, False)),
    Trial('mmcv modulated_deform_conv', partial(try_deform_conv, True)),
    Trial('a small CDVDNet', try_network),
    Trial('encoding a video', try_encoder, required=False),
)


def try_gpu(index: int) -> Outcome:
    """A convolution on a GPU, as on the processor."""
    properties = torch.cuda.get_device_properties(index)
    frames, weight = _pictures(1, 3, 8, 8), _pictures(4, 3, 3, 3)
    _expect(F.conv2d(frames.to(index), weight.to(index)), F.conv2d(frames.cpu(), weight.cpu()))
    return Outcome(properties.name, f'{properties.total_memory / 2**30:.0f} GiB, compute '
                   f'capability {properties.major}.{properties.minor}, CUDA {torch.version.cuda}')


def _no_gpu() -> Outcome:
    if torch.version.cuda is None and getattr(torch.version, 'hip', None) is None:
        return Outcome('none', 'this PyTorch is built for the CPU only')
    return Outcome('none', f'PyTorch is built for CUDA {torch.version.cuda}, but no usable GPU or '
                   'driver was found: everything runs on the CPU')


def device_trials() -> list[Trial]:
    """A trial for every GPU, or one that says why there is none."""
    if not torch.cuda.is_available():
        return [Trial('GPU', _no_gpu)]
    return [Trial(f'GPU {index}', partial(try_gpu, index))
            for index in range(torch.cuda.device_count())]
