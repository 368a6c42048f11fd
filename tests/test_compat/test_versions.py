"""The versions of the parents are checked on import."""

import pytest

from cdvd_mm.compat import versions


def test_installed_parents_fit():
    versions.check_parents()


def test_another_version_is_refused(monkeypatch):
    monkeypatch.setattr(versions, 'installed_version', lambda names: ('mmengine', '1.3.0'))
    with pytest.raises(ImportError, match='needs mmengine.*1.3.0.*install.sh'):
        versions.check_parents()


def test_absent_parents_fail_on_use_only(monkeypatch):
    monkeypatch.setattr(versions, 'installed_version', lambda names: None)
    versions.check_parents()
