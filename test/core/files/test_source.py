"""Paths that users write."""

from pathlib import Path

from mask3d_core.errors import InputError
from mask3d_core.files.source import user_path
import pytest


def test_the_home_of_a_user_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('HOME', '/home/me')
    assert user_path('~/maps') == Path('/home/me/maps')
    assert user_path('maps') == Path('maps')
    with pytest.raises(InputError, match='~nobody_here/maps: there is no such home folder'):
        user_path('~nobody_here/maps')
