"""Train for a given time, to compare methods on equal terms."""

import statistics
import time

from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook

from cdvd_mm.registry import HOOKS


@HOOKS.register_module()
class TimeBudgetHook(Hook):
    """Stops the training when its time is up, and leaves a checkpoint behind.

    The main process's clock decides for all. Validation counts as well.

    Args:
        seconds (float): Time of the training.
        checkpoint (str): Name of the checkpoint written to the work folder at
            the end, weights alone. Default: 'final.pth'.
        interval (int): Look at the clock every so many iterations. Default: 1.

    Raises:
        ValueError: ``seconds`` or ``interval`` is not positive.
    """

    priority = 'VERY_LOW'

    def __init__(self, seconds: float, checkpoint: str = 'final.pth', interval: int = 1) -> None:
        if seconds <= 0 or interval < 1:
            raise ValueError(f'seconds and interval must be positive, found {seconds} and '
                             f'{interval}')
        self.seconds = seconds
        self.checkpoint = checkpoint
        self.interval = interval
        self.started = 0.

    def before_train(self, runner) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Stop the loop when the time is up."""
        if self.every_n_train_iters(runner, self.interval):
            is_over = [time.monotonic() - self.started >= self.seconds]
            broadcast_object_list(is_over)
            if is_over[0]:
                runner.train_loop.stop_training = True

    def after_train(self, runner) -> None:
        """Write the checkpoint and say how far the training came."""
        runner.logger.info(f'trained for {time.monotonic() - self.started:.0f} s, '
                           f'{runner.iter} iterations')
        runner.save_checkpoint(runner.work_dir, self.checkpoint, save_optimizer=False,
                               save_param_scheduler=False, by_epoch=False)


@HOOKS.register_module()
class StepTimeHook(Hook):
    """Measures the processor time of the main process's steps: other programs count little."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Look at the clock."""
        self._times.append(time.process_time())

    def seconds_a_step(self, warm_up: int = 0) -> float:
        """Median, in seconds of all threads together.

        Args:
            warm_up (int): Steps that do not count, at the start.
        """
        times = self._times[warm_up:]
        return statistics.median(after - before for before, after in zip(times, times[1:]))
