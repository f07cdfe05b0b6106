"""The documents: links and anchors resolve, lines are short, and what they name exists."""

import ast
from importlib import import_module
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted({*ROOT.glob('*.md'), *ROOT.glob('docs/**/*.md'), *ROOT.glob('demo/*.md'),
                    *ROOT.glob('examples/**/*.md'), *ROOT.glob('test/**/*.md'),
                    *ROOT.glob('.github/**/*.md')})
MAX_WIDTH = 100
"""Characters of a line; a URL on a line of its own may be longer."""
FENCED = re.compile(r'^```(\w*)\n(.*?)^```$', re.M | re.S)
LINK = re.compile(r'\]\(([^)\s]+)\)|^\[[^\]]+\]:\s+(\S+)', re.M)
URL_ONLY = re.compile(r'\s*(?:[-*] )?(?:\[[^\]]+\]:\s+)?<?https?://\S+')
OUR_PATH = re.compile(r'(?:mask3d_core|mask3d_ros|config|demo|docs|examples|launch|msg|scripts'
                      r'|test|tools)/[\w./*-]*')
INTERFACE = re.compile(r'^mask3d_ros/(?:(action|msg|srv)/)?([A-Z]\w+)$')
"""A type of messages, services or actions, as ROS 2 writes it."""


def prose(document: Path) -> str:
    """Return a document without its code blocks."""
    return FENCED.sub('', document.read_text())


def blocks(document: Path, language: str) -> list[str]:
    """Return the code blocks of a language."""
    return [code for name, code in FENCED.findall(document.read_text()) if name == language]


def links(document: Path) -> list[str]:
    """Return the targets of all links and pictures that do not lead to the web."""
    text = re.sub(r'`[^`\n]*`', '', prose(document))
    targets = [inline or reference for inline, reference in LINK.findall(text)]
    return [target for target in targets if not re.match(r'https?://|mailto:', target)]


def anchors(document: Path) -> set[str]:
    """Return the anchors of the headings as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r'^#+ +(.*?) *$', prose(document), re.M):
        text = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', heading).lower()
        slug = name = re.sub(r'[^\w\- ]', '', text).replace(' ', '-')
        number = 0
        while slug in found:
            number += 1
            slug = f'{name}-{number}'
        found.add(slug)
    return found


def documents() -> pytest.MarkDecorator:
    """Run a test once for each document."""
    return pytest.mark.parametrize(
        'document', DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    document = tmp_path / 'page.md'
    document.write_text('# The `node`: why?\n```\n# code\n```\n## [A](b.md) x_y\n## A x_y\n')

    assert anchors(document) == {'the-node-why', 'a-x_y', 'a-x_y-1'}


def test_links_are_found_outside_of_code(tmp_path: Path) -> None:
    document = tmp_path / 'page.md'
    document.write_text('[a](b.md#c), ![d](e.png), [f](https://g), `[h](i)`, [j][k]\n'
                        '```\n[l](m)\n```\n\n[k]: n.md\n')

    assert links(document) == ['b.md#c', 'e.png', 'n.md']


@documents()
def test_links_resolve(document: Path) -> None:
    broken = []
    for link in links(document):
        path, _, anchor = link.partition('#')
        target = (document.parent / path).resolve() if path else document
        inside = ROOT in (target, *target.parents)
        if not (inside and target.exists()) or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == [], broken


@documents()
def test_lines_are_short(document: Path) -> None:
    lines = enumerate(document.read_text().splitlines(), 1)
    long = [f'line {number}: {len(line)} characters' for number, line in lines
            if len(line) > MAX_WIDTH and not URL_ONLY.fullmatch(line)]
    assert long == [], long


@documents()
def test_paths_in_backticks_exist(document: Path) -> None:
    spans = set(re.findall(r'`([^`\n]+)`', prose(document)))
    named = (INTERFACE.sub(lambda m: f'{m[1] or "msg"}/{m[2]}.{m[1] or "msg"}', span)
             for span in spans
             if OUR_PATH.fullmatch(span) and 'NAME' not in span)  # a placeholder
    missing = sorted(name for name in named if not any(ROOT.glob(name.rstrip('/'))))
    assert missing == [], missing


@documents()
def test_python_examples_import_what_exists(document: Path) -> None:
    missing = []
    for code in blocks(document, 'python'):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith('mask3d_core'):
                missing += [alias.name for alias in node.names
                            if not _exists(str(node.module), alias.name)]
    assert missing == [], missing


def _exists(module: str, name: str) -> bool:
    try:
        return hasattr(import_module(module), name)
    except ModuleNotFoundError:
        return False
