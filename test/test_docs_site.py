"""The hook of MkDocs: pages of the API reference, links between files, lists."""

import ast
import importlib.util
from pathlib import Path
import re
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {'Parameters', 'Attributes', 'Returns', 'Yields', 'Raises', 'Examples', 'Notes'}
"""Of docstrings. One with another name would be shown as text, without a warning."""


@pytest.fixture(scope='module')
def site() -> ModuleType:
    """Return the hook as a module."""
    path = ROOT / 'tools' / 'docs_site.py'
    spec = importlib.util.spec_from_file_location('docs_site', path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def small(site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the hook of a small repository."""
    monkeypatch.setattr(site, 'ROOT', tmp_path)
    for path, text in {
            'README.md': '[a](docs/a.md#b) [c](CONTRIBUTING.md) <img src="docs/d.png">',
            'CONTRIBUTING.md': '[a](docs/a.md) [1]\n\n[1]: tools/e.py\n[2]: https://g\n',
            'docs/a.md': '[c](../CONTRIBUTING.md) [f](log/f.md) [web](https://g) [h](#h)',
            'docs/log/f.md': '[r](../../README.md) [e](../../tools/e.py) [gone](../../gone.md)',
            'docs/d.png': '', 'tools/e.py': ''}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return site


def uris(navigation: list[Any]) -> list[str]:
    """Return the pages in a navigation."""
    found = []
    for entry in navigation:
        entry = next(iter(entry.values())) if isinstance(entry, dict) else entry
        found += uris(entry) if isinstance(entry, list) else [entry]
    return found


@pytest.mark.parametrize(('path', 'expected'), [
    ('README.md', '[a](a.md#b) [c](repository/CONTRIBUTING.md) <img src="d.png">'),
    ('CONTRIBUTING.md', '[a](../a.md) [1]\n\n[1]: tools/e.py\n[2]: https://g\n'),
    ('docs/a.md', '[c](repository/CONTRIBUTING.md) [f](log/f.md) [web](https://g) [h](#h)'),
    ('docs/log/f.md', '[r](../index.md) [e](../repository/tools/e.py) [gone](../../gone.md)')])
def test_links_lead_to_pages_of_the_site(small: ModuleType, path: str, expected: str) -> None:
    assert small.relink((small.ROOT / path).read_text(), path) == expected


def test_files_outside_of_docs_are_taken_along(small: ModuleType) -> None:
    assert sorted(small.linked_files()) == ['CONTRIBUTING.md', 'README.md', 'tools/e.py']


@pytest.mark.parametrize('path', ['README.md', 'CONTRIBUTING.md', 'docs/a.md', 'docs/log/f.md'])
def test_a_page_knows_its_file(site: ModuleType, path: str) -> None:
    assert site.repository_path(site.site_uri(path)) == path


@pytest.mark.parametrize(('markdown', 'expected'), [
    ('1. a\n   b\n   - c\n     d\n2. e\n', '1. a\n    b\n    - c\n        d\n2. e\n'),
    ('a\n- b\n', 'a\n\n- b\n'),
    ('the year\n2026. b\n', 'the year\n2026. b\n'),
    ('- a\n\n  b\n- c\n\nd\n', '- a\n\n    b\n\n- c\n\nd\n'),
    ('- a\n  ```\n  - x\n    y\n  ```\n', '- a\n    ```\n    - x\n      y\n    ```\n'),
    ('```\n- x\n  - y\n```\n', '```\n- x\n  - y\n```\n'),
    ('- a\n\n# b\n\n    code\n', '- a\n\n# b\n\n    code\n')],
    ids=['nested', 'after a paragraph', 'no list', 'loose', 'code in an item', 'code', 'ended'])
def test_lists_are_indented_for_python_markdown(
        site: ModuleType, markdown: str, expected: str) -> None:
    assert site.indent_lists(markdown) == expected


def test_every_module_has_a_page(site: ModuleType) -> None:
    text = '\n'.join(site.reference_pages().values())
    documented = {line.removeprefix('::: ') for line in text.splitlines() if line[:3] == ':::'}
    modules = {'.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__')
               for package in site.PACKAGES for path in (ROOT / package).rglob('*.py')
               if path.name != '__main__.py'}
    assert modules - documented == set()


def test_the_navigation_has_every_page_once(site: ModuleType) -> None:
    listed = [uri for package in site.PACKAGES for uri in uris(site.navigation(ROOT / package))]
    assert sorted([*listed, 'reference/index.md']) == sorted(site.reference_pages())


def test_public_names_come_first(site: ModuleType) -> None:
    import mask3d_core

    page = site.reference_pages()['reference/index.md']
    documented = [line.removeprefix('::: ') for line in page.splitlines() if line[:3] == ':::']
    assert documented == [f'mask3d_core.{name}' for name in mask3d_core.__all__]


def docstrings(path: Path) -> list[str]:
    """Return the docstrings of a module, its classes and functions."""
    nodes = [node for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    return [text for node in nodes if (text := ast.get_docstring(node))]


def test_sections_of_docstrings_are_known(site: ModuleType) -> None:
    found = {f'{path.relative_to(ROOT)}: {title}'
             for package in site.PACKAGES for path in (ROOT / package).rglob('*.py')
             for text in docstrings(path)
             for title, line in re.findall(r'^(\S.*)\n(--+)$', text, re.M)
             if title not in SECTIONS or len(title) != len(line)}
    assert found == set()


def test_a_summary_fits_a_table(site: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / 'module.py'
    path.write_text('"""\nOne | two\nlines.\n\nMore.\n"""\n')
    assert site.summary(path) == r'One \| two lines.'
