"""The examples of `docs/library.md` run, and every public name has one."""

import doctest
from importlib.util import find_spec
from pathlib import Path
import re

import mask3d_core
import pytest

DOCUMENT = Path(__file__).resolve().parent.parent / 'docs' / 'library.md'
EXAMPLES = re.compile(r'^```pycon\n(.*?)^```$', re.M | re.S)
OPTIONAL = re.compile(r'# (open3d|pandas|trimesh)$', re.M)
"""At the end of a line that needs another package."""


def test_every_public_name_has_an_example() -> None:
    code = '\n'.join(EXAMPLES.findall(DOCUMENT.read_text()))
    table = set(re.findall(r'`(\w+)`', DOCUMENT.read_text().split('\n## ')[0]))
    for name in mask3d_core.__all__:
        assert re.search(rf'^>>> .*\b{name}\b', code, re.M), f'{name} has no example'
        assert name in table, f'{name} is not in the table'


def test_the_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = '\n'.join(EXAMPLES.findall(DOCUMENT.read_text()))
    examples = [example for example in doctest.DocTestParser().get_examples(text)
                if all(find_spec(name) for name in OPTIONAL.findall(example.source))]
    assert len(examples) > 40
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(doctest.DocTest(examples, {}, DOCUMENT.name, str(DOCUMENT), 0, text),
               out=report.append)
    assert runner.failures == 0, ''.join(report)
