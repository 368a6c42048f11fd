import types
from unittest import mock

import pytest

from cdvd_mm.engine.hooks import TimeBudgetHook


def test_stops_and_saves():
    hook = TimeBudgetHook(10, checkpoint='x.pth')
    runner = types.SimpleNamespace(iter=3, work_dir='w', logger=mock.Mock(),
                                   train_loop=types.SimpleNamespace(stop_training=False),
                                   save_checkpoint=mock.Mock())
    with mock.patch('time.monotonic', side_effect=[0., 9., 10., 11.]):
        hook.before_train(runner)
        hook.after_train_iter(runner, 0)
        assert not runner.train_loop.stop_training
        hook.after_train_iter(runner, 1)
        assert runner.train_loop.stop_training
        hook.after_train(runner)
    assert runner.save_checkpoint.call_args.args == ('w', 'x.pth')


@pytest.mark.parametrize('options', [{'seconds': 0}, {'seconds': 1, 'interval': 0}])
def test_wrong_use(options):
    with pytest.raises(ValueError, match='positive'):
        TimeBudgetHook(**options)
