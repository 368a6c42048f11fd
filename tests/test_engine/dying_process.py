"""One of two processes that train; rank 1 is killed in step 4 (see test_distributed_training)."""

import os
import signal
import sys
import time
from pathlib import Path

from mmengine.hooks import Hook

import cdvd_mm  # noqa: F401

from tiny_training import tiny_config, train  # isort: skip


class Die(Hook):
    """Kills this process."""

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 3 and os.environ['RANK'] == '1':
            Path(sys.argv[2], 'died').write_text(str(time.time()))
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == '__main__':
    train(tiny_config(Path(sys.argv[1]), Path(sys.argv[2]), 10_000, save_every=10_000),
          launcher='pytorch', prepare=lambda runner: runner.register_hook(Die()))
    Path(sys.argv[2], 'finished').touch()
