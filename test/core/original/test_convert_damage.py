"""Damaged, foreign and malicious checkpoints are rejected, and their code is never run."""

from collections.abc import Callable
import os
from pathlib import Path
from typing import Any
import zipfile

from mask3d_core.errors import InputError
from mask3d_core.original.convert import convert_checkpoint
from mask3d_core.original.inert_pickle import entries, InertCheckpoint
from mask3d_core.weights.weights_path import is_weights_file
import numpy as np
from original_checkpoint import golden_state, lightning, State
import pytest
import torch


@pytest.fixture(scope='module')
def original(golden_json: Callable[[str], dict[str, Any]]) -> State:
    """Return the original's weights of the smallest golden case."""
    return golden_state(golden_json)


class Command:
    """Runs a command of the shell when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f'touch {self.marker}',)


class Build:
    """Does the same through the function that restores its state."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        code = f'open({str(self.marker)!r}, "w").close()'
        return exec, (code,), {'x': 1}, iter([1]), iter([('k', 2)])


@pytest.mark.parametrize('kind', [Command, Build])
def test_code_in_a_checkpoint_does_not_run(original: State, tmp_path: Path, kind: Any) -> None:
    marker = tmp_path / 'ran'
    path = lightning(tmp_path / 'evil.ckpt', original, hyper_parameters={'config': kind(marker)},
                     callbacks=[kind(marker)])

    weights, _ = convert_checkpoint(path)

    assert not marker.exists()
    assert torch.equal(weights.state['positions.gauss'], original['pos_enc.gauss_B'])
    try:
        torch.load(path, weights_only=False)
    except AttributeError:
        pass  # exec returns None, which has no append; by then it has run
    assert marker.exists(), 'the file does not do what this test is about'


def test_code_in_place_of_a_tensor_does_not_run(original: State, tmp_path: Path) -> None:
    marker = tmp_path / 'ran'
    state: Any = original | {'decoder_norm.bias': Command(marker)}

    with pytest.raises(InputError, match='model.decoder_norm.bias is unknown'):
        convert_checkpoint(lightning(tmp_path / 'evil.ckpt', state))
    assert not marker.exists()


def test_broken_and_foreign_files_are_refused(original: State, tmp_path: Path) -> None:
    whole = lightning(tmp_path / 'whole.ckpt', original).read_bytes()
    path = tmp_path / 'bad.ckpt'
    for content in (b'', b'text', whole[:1000], whole[:-50], whole[:100] + whole[5000:]):
        path.write_bytes(content)
        with pytest.raises(InputError, match='bad.ckpt'):
            convert_checkpoint(path)
    for damaged, words in ((original['pos_enc.gauss_B'].numpy().tobytes(), 'cannot be read'),
                           (b'pos_enc.gauss_B', 'no checkpoint that can be read: Bad CRC-32')):
        flipped = bytearray(whole)
        flipped[whole.index(damaged) + 2] ^= 8
        path.write_bytes(flipped)
        with pytest.raises(InputError, match=words):
            convert_checkpoint(path)
        assert not is_weights_file(path)
    torch.save({'state_dict': {}}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match='since torch 1.6'):
        convert_checkpoint(path)
    torch.save({'weights': torch.zeros(2)}, path)
    with pytest.raises(InputError, match='has no state_dict'):
        convert_checkpoint(path)
    with pytest.raises(InputError, match='there is no file'):
        convert_checkpoint(tmp_path / 'none.ckpt')


def test_every_damage_raises_an_input_error(tmp_path: Path) -> None:
    whole = tmp_path / 'whole.ckpt'
    lightning(whole, {'a': torch.ones(3)}, {'model': {'num_heads': 2, 'hlevels': [0, 1]}})
    with zipfile.ZipFile(whole) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    pickled = next(name for name in parts if name.endswith('data.pkl'))
    random, path, refused = np.random.default_rng(0), tmp_path / 'bad.ckpt', 0
    for _ in range(300):
        content = bytearray(parts[pickled])
        for place in random.integers(0, len(content), 3):
            content[place] = random.integers(0, 256)
        with zipfile.ZipFile(path, 'w') as archive:
            for name, part in (parts | {pickled: bytes(content)}).items():
                archive.writestr(name, part)
        try:
            checkpoint = InertCheckpoint(path)
            checkpoint.tensor(entries(entries(checkpoint.content).get('state_dict')).get('model.a'))
        except InputError:
            refused += 1
    assert 100 < refused
