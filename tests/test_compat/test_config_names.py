"""Configs by name, ``cdvd_mm::cdvd_gopro.py``: on the command line and in ``_base_``."""

import pytest
from mmengine.config import Config

from cdvd_mm.compat import config_names
from cdvd_mm.engine.config import load_config

NAMES = ['cdvd_gopro.py', 'edvr/edvr-deblur_gopro.py']


def without_scopes(value):
    """MMEngine notes in what a base brought where it is from."""
    if isinstance(value, dict):
        return {key: without_scopes(part) for key, part in value.items() if key != '_scope_'}
    return [without_scopes(part) for part in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize('name', NAMES)
def test_command_line(name, repo_root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (load_config(f'cdvd_mm::{name}').to_dict()
            == load_config(str(repo_root / 'configs' / name)).to_dict())


@pytest.mark.parametrize('name', NAMES)
def test_base(name, repo_root, tmp_path):
    (tmp_path / 'own.py').write_text(f"_base_ = 'cdvd_mm::{name}'\nwork_dir = 'there'\n")
    found = without_scopes(Config.fromfile(tmp_path / 'own.py').to_dict())
    expected = without_scopes(Config.fromfile(repo_root / 'configs' / name).to_dict())
    assert found == {**expected, 'work_dir': 'there'}


def test_names_of_other_packages_are_left_to_mmengine(tmp_path):
    (tmp_path / 'own.py').write_text("_base_ = 'mmagic::_base_/default_runtime.py'\n")
    assert Config.fromfile(tmp_path / 'own.py').default_scope == 'mmagic'
    assert config_names.resolve('configs/a.py') == 'configs/a.py'


def test_an_unknown_name_is_told_with_those_that_are_close():
    with pytest.raises(FileNotFoundError, match='cdvd_mm::cdvd_gorpo.py; there are .*cdvd_gopro'):
        load_config('cdvd_mm::cdvd_gorpo.py')
    with pytest.raises(FileNotFoundError):
        config_names.resolve('cdvd_mm::../setup.py')


def test_an_installed_package_uses_its_own(tmp_path, monkeypatch):
    package = tmp_path / 'site-packages' / 'cdvd_mm'
    (package / '.mim' / 'configs').mkdir(parents=True)
    (package / '.mim' / 'configs' / 'a.py').touch()
    monkeypatch.setattr(config_names, '_PACKAGE', package)
    assert config_names.resolve('cdvd_mm::a.py') == str(package / '.mim' / 'configs' / 'a.py')


def test_mmengine_imported_before_knows_the_names_too(tmp_path):
    from test_import_hooks import run
    (tmp_path / 'own.py').write_text("_base_ = 'cdvd_mm::cdvd_gopro.py'\n")
    run(f"""
        from mmengine.config import Config
        import cdvd_mm
        assert Config.fromfile({str(tmp_path / 'own.py')!r}).default_scope == 'cdvd_mm'
    """)
