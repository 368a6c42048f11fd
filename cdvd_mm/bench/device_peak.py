"""What a device can do at most, measured beside what networks get of it."""

import time

import torch

from cdvd_mm.inference.precision import matmul_precision

_DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


class DevicePeak:
    """A large matrix product, or a large copy.

    Args:
        kind (str): A precision, or 'copy'.
        device (torch.device): Where.
    """

    def __init__(self, kind: str, device: torch.device) -> None:
        self.kind = kind
        self.device = device
        self.seconds: list[float] = []
        on_gpu = device.type == 'cuda'
        if kind == 'copy':
            self.source = torch.ones((1 << 28) if on_gpu else (1 << 24), device=device)
            self.target = torch.empty_like(self.source)
            self.work = 2 * self.source.numel() * 4
        else:
            side = 8192 if on_gpu else 256
            while True:
                self.source = torch.rand(side, side, device=device).to(
                    _DTYPES.get(kind, torch.float))
                self.work = 2 * side**3
                # a CPU without this precision emulates it, slowly
                if on_gpu or side >= 1024 or self._time() > .5:
                    break
                side *= 2

    def measure(self) -> None:
        """Time it once."""
        self.seconds.append(self._time())

    def _time(self) -> float:
        with matmul_precision(self.kind if self.kind != 'copy' else 'fp32'):
            start = time.perf_counter()
            if self.kind == 'copy':
                self.target.copy_(self.source)
            else:
                self.source @ self.source
            if self.device.type == 'cuda':
                torch.cuda.synchronize(self.device)
            return time.perf_counter() - start

    @property
    def rate(self) -> float:
        """Operations, or bytes, a second: the fastest time, as this is to be a peak."""
        return self.work / min(self.seconds)
