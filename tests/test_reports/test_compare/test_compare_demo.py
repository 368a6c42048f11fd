from cdvd_mm.data_tools.demo import DemoSettings, make_demo_data
from cdvd_mm.engine.config import resolve
from cdvd_mm.reports.compare.demo import compare_demo
from cdvd_mm.reports.options import DEMO_CONFIGS, CompareDemoOptions


def test_trained_alike_and_compared(tmp_path):
    data = tmp_path / 'demo'
    make_demo_data(data, DemoSettings(train_scenes=4, train_size=(64, 64), train_frames=7,
                                      test_scenes=1, test_frames=5, test_size=(32, 48)))
    comparison = compare_demo(CompareDemoOptions(
        configs=('cdvd_mm::stfan/stfan_demo.py', ), data=str(data), out=str(tmp_path / 'out'),
        seconds=0.01))
    assert (tmp_path / 'out' / 'training' / 'stfan_demo' / 'final.pth').is_file()
    trained, shipped = comparison.outcomes[1:]
    assert trained.error is None and len(trained.rows) == 1
    assert shipped.error is None and shipped.label == 'cdvd_lite'
    assert shipped.mean('PSNR') > comparison.outcomes[0].mean('PSNR')
    assert (tmp_path / 'out' / 'report.html').is_file()


def test_configs_are_there():
    assert all(resolve(config).endswith('_demo.py') for config in DEMO_CONFIGS)
    assert len(DEMO_CONFIGS) == 8
