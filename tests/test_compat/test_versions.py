"""The versions of the parents are checked on import."""

import warnings

import pytest

from cdvd_mm.compat import versions


def test_installed_parents_fit():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        versions.check_parents()


def test_another_version_is_warned_of(monkeypatch):
    monkeypatch.setattr(versions, 'installed_version', lambda names: ('mmengine', '1.3.0'))
    with pytest.warns(UserWarning, match='needs mmengine.*1.3.0.*install.sh'):
        versions.check_parents()


def test_absent_parents_fail_on_use_only(monkeypatch):
    monkeypatch.setattr(versions, 'installed_version', lambda names: None)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        versions.check_parents()
