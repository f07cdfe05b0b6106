"""
Hook of MkDocs: complete docs/ to a site with a home page, linked files and the API reference.

mkdocs.yml names it and `make docs` runs it. README.md becomes the home page. Files outside docs/
that a page links to are copied into the site. Every module gets a page made from its docstrings;
modules are found by walking the packages, so there is no list of them to maintain.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
import posixpath
import re
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ('mask3d_core', 'mask3d_ros')
PUBLIC_PACKAGE = 'mask3d_core'
"""The package whose `__all__` is the public interface."""
HOME = 'README.md'

LINK = re.compile(r'(?P<start>\]\(|^\[[^\]]+\]:\s+|\b(?:src|href)=")'
                  r'(?!\w+:|[/#])(?P<target>[^)"\s#]+)', re.M)
"""A relative link in Markdown, inline or as a reference, or in HTML; without its anchor."""
LIST_ITEM = re.compile(r'(?P<marker>[-*+]|(?P<number>\d+)\.) ')

PUBLIC_PAGE = """\
# Public names

Import these from `{package}`. The pages of the modules describe the rest.

{names}
"""
PUBLIC_NAME = """\
::: {name}
    options:
      heading_level: 2
      show_root_full_path: false
"""
PACKAGE_PAGE = """\
::: {name}
    options:
      members: false

| Module | |
|---|---|
{rows}
"""


def on_config(config: Any) -> Any:
    """Append the API reference to the navigation of mkdocs.yml."""
    sections = [{package: navigation(ROOT / package)} for package in PACKAGES]
    config.nav.append({'Python API': ['reference/index.md', *sections]})
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages and files that do not lie in docs/."""
    from mkdocs.structure.files import File, InclusionLevel

    for uri, content in reference_pages().items():
        files.append(File.generated(config, uri, content=content))
    for path in linked_files():
        inclusion = InclusionLevel.UNDEFINED if path == HOME else InclusionLevel.NOT_IN_NAV
        files.append(File.generated(config, site_uri(path), abs_src_path=str(ROOT / path),
                                    inclusion=inclusion))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn links between files of the repository into links between pages of the site."""
    if page.file.src_uri.startswith('reference/'):
        return markdown
    return indent_lists(relink(markdown, repository_path(page.file.src_uri)))


def site_uri(path: str) -> str:
    """Return the place in the site's sources of a file of the repository."""
    if path == HOME:
        return 'index.md'
    return path.removeprefix('docs/') if path.startswith('docs/') else f'repository/{path}'


def repository_path(uri: str) -> str:
    """Return the file of the repository at a place in the site's sources."""
    if uri == 'index.md':
        return HOME
    outside = uri.startswith('repository/')
    return uri.removeprefix('repository/') if outside else f'docs/{uri}'


def relink(markdown: str, path: str) -> str:
    """Return the text of a file of the repository with its links as the site needs them."""
    here = posixpath.dirname(site_uri(path)) or '.'

    def replace(link: re.Match[str]) -> str:
        target = _resolve(path, link['target'])
        if not (ROOT / target).is_file():
            return link[0]  # MkDocs warns of it
        return link['start'] + posixpath.relpath(site_uri(target), here)

    return LINK.sub(replace, markdown)


def linked_files() -> list[str]:
    """Return the home page and all files outside docs/ that pages link to, directly or not."""
    found = [HOME]
    unread = [HOME, *(path.relative_to(ROOT).as_posix() for path in ROOT.glob('docs/**/*.md'))]
    while unread:
        path = unread.pop()
        for link in LINK.finditer((ROOT / path).read_text()):
            target = _resolve(path, link['target'])
            outside = not target.startswith(('docs/', '../'))
            if outside and target not in found and (ROOT / target).is_file():
                found.append(target)
                unread += [target] if target.endswith('.md') else []
    return found


def indent_lists(markdown: str) -> str:
    """
    Return a text whose lists Python-Markdown reads as GitHub does.

    GitHub indents what belongs to an item by the width of its marker, Python-Markdown by four
    columns; and only GitHub lets an item begin right after a line of a paragraph.
    """
    lines: list[str] = []
    columns: list[int] = []  # where the contents of the open items begin, outermost first
    fenced, paragraph = False, True  # paragraph: not the first one of an item
    for line in markdown.splitlines():
        text = line.lstrip(' ')
        indent = len(line) - len(text)
        after_blank = not lines or not lines[-1]
        item = None if fenced else LIST_ITEM.match(text)
        if item and not (columns or after_blank) and item['number'] not in (None, '1'):
            item = None  # a line of the paragraph, as it is to GitHub
        if item and paragraph and not after_blank:
            lines.append('')
        if text and not fenced and (item or after_blank):
            columns = [column for column in columns if column <= indent]
        inside = indent - (columns[-1] if columns else 0)
        lines.append(' ' * (4 * len(columns) + max(inside, 0)) + text if text else '')
        if item and inside < 4:
            columns.append(indent + len(item[0]))
        paragraph = not item and (paragraph or not text)
        fenced ^= text.startswith('```')
    return '\n'.join(lines) + '\n'


def reference_pages() -> dict[str, str]:
    """Return the text of every page of the reference by its place in the site's sources."""
    names = [PUBLIC_NAME.format(name=f'{PUBLIC_PACKAGE}.{name}') for name in public_names()]
    public = PUBLIC_PAGE.format(package=PUBLIC_PACKAGE, names='\n'.join(names))
    pages = {'reference/index.md': public}
    for package in PACKAGES:
        pages |= dict(_pages(ROOT / package))
    return pages


def navigation(package: Path) -> list[Any]:
    """Return the navigation of a package: its own page, then its packages and modules."""
    return [_page_uri(package), *(
        {path.stem: navigation(path) if path.is_dir() else _page_uri(path)}
        for path in _children(package))]


def public_names() -> list[str]:
    """Return `__all__` of the public package, without importing it."""
    for node in ast.parse((ROOT / PUBLIC_PACKAGE / '__init__.py').read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == '__all__':
            return list(ast.literal_eval(node.value))
    raise ValueError(f'{PUBLIC_PACKAGE} has no __all__')


def summary(path: Path) -> str:
    """Return the first paragraph of a module's docstring in one line, for a table."""
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ''
    return ' '.join(docstring.split('\n\n')[0].split()).replace('|', r'\|')


def _pages(package: Path) -> Iterator[tuple[str, str]]:
    rows = []
    for path in _children(package):
        if path.is_dir():
            yield from _pages(path)
            rows.append(f'| [{path.stem}]({path.stem}/index.md) '
                        f'| {summary(path / "__init__.py")} |')
        else:
            yield _page_uri(path), f'::: {_dotted_name(path)}\n'
            rows.append(f'| [{path.stem}]({path.stem}.md) | {summary(path)} |')
    text = PACKAGE_PAGE.format(name=_dotted_name(package), rows='\n'.join(rows))
    yield _page_uri(package), text


def _children(package: Path) -> list[Path]:
    """Return the packages, then the modules in a package."""
    packages = sorted(path.parent for path in package.glob('*/__init__.py'))
    return packages + sorted(path for path in package.glob('*.py') if path.stem[:2] != '__')


def _page_uri(path: Path) -> str:
    inside = path.relative_to(ROOT).with_suffix('').as_posix()
    return f'reference/{inside}/index.md' if path.is_dir() else f'reference/{inside}.md'


def _dotted_name(path: Path) -> str:
    return '.'.join(path.relative_to(ROOT).with_suffix('').parts)


def _resolve(path: str, target: str) -> str:
    """Return the file of the repository that a relative link in another file means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
