from cdvd_mm.data_tools.demo import DemoSettings, make_demo_data
from cdvd_mm.reports.compare.demo import CONFIGS, compare_demo


def test_trained_alike_and_compared(tmp_path, repo_root):
    data = tmp_path / 'demo'
    make_demo_data(data, DemoSettings(train_scenes=4, train_size=(64, 64), train_frames=7,
                                      test_scenes=1, test_frames=5, test_size=(32, 48)))
    config = str(repo_root / 'configs' / 'stfan' / 'stfan_demo.py')
    comparison = compare_demo([config], str(data), str(tmp_path / 'out'), seconds=0.01)
    assert (tmp_path / 'out' / 'training' / 'stfan_demo' / 'final.pth').is_file()
    assert comparison.outcomes[1].error is None and len(comparison.outcomes[1].rows) == 1
    assert (tmp_path / 'out' / 'report.html').is_file()


def test_configs_are_there(repo_root):
    assert all((repo_root / config).is_file() for config in CONFIGS) and len(CONFIGS) == 7
