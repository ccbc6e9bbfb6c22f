"""Pieces of an HTML page. Everything that is not markup of this module is escaped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

Cell = object
"""What stands in a table: text, a number, a truth value or None."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5b6470; --paper: #fbfbfa; --card: #fff; --line: #dcdfe3;
  --accent: #0072b2; --bad: #b34700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a2abb6; --paper: #15181b; --card: #1e2226;
  --line: #363c43; --accent: #6cbcec; --bad: #ffa060; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 76rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 2.2rem 0 .8rem; font-size: 1.3rem; }
h3 { margin: 0 0 .5rem; font-size: 1rem; }
.about { margin: .4rem 0 1.2rem; color: var(--soft); overflow-wrap: anywhere; }
.state { padding: .1rem .55rem; border: 1px solid currentColor; border-radius: 1rem; color: var(--accent); }
.bad { color: var(--bad); }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .8rem; }
.card { padding: .9rem 1rem; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.card b { display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.card span, figcaption, .note { color: var(--soft); font-size: .92rem; }
.note { overflow-wrap: anywhere; }
.figures { display: grid; grid-auto-flow: dense; align-items: start; gap: 1rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); }
figure { margin: 0; }
.figures > * { min-width: 0; }
figure.broad { grid-column: 1 / -1; }
figure.broad img { max-width: 62rem; }
figure img { display: block; width: 100%; max-width: 46rem; height: auto; margin: 0 auto; padding: .4rem;
  background: #fff; border-radius: .3rem; }
figcaption { margin-top: .5rem; overflow-wrap: anywhere; }
.wide { max-width: 100%; overflow-x: auto;
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; }
.tall { max-height: 36rem; overflow-y: auto; }
table { border-collapse: collapse; font-size: .92rem; }
.wide table { width: 100%; }
th, td { padding: .35rem .8rem; text-align: left; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
thead th { position: sticky; top: 0; background: var(--card); }
th.number, td.number { text-align: right; font-variant-numeric: tabular-nums; }
td.text { min-width: 16rem; white-space: normal; overflow-wrap: anywhere; }
tr.best td { font-weight: 600; box-shadow: inset 0 0 0 99rem rgb(0 114 178 / .12); }
th button { padding: 0; border: 0; background: none; color: inherit; font: inherit; cursor: pointer; }
th[aria-sort=ascending] button::after { content: " \\25b2"; }
th[aria-sort=descending] button::after { content: " \\25bc"; }
pre { margin: 0; padding: .8rem 1rem; overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; font-size: .9rem; }
""".strip()

SCRIPT = """
for (const button of document.querySelectorAll('th button')) button.onclick = () => {
  const head = button.parentNode, row = head.parentNode, body = row.closest('table').tBodies[0];
  const place = [...row.children].indexOf(head), down = head.getAttribute('aria-sort') === 'ascending';
  for (const other of row.children) other.removeAttribute('aria-sort');
  head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
  const key = line => line.children[place].dataset.key ?? line.children[place].textContent;
  const order = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === '' || y === '') return (x === '') - (y === '');  // empty cells stay last
    const difference = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
    return down ? -difference : difference;
  };
  body.append(...[...body.rows].sort(order));
};
""".strip()


def page(title: str, body: Iterable[str]) -> str:
    """A whole page that needs no other file than its pictures."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{text(title)}</title>",
            f"<style>\n{STYLE}\n</style></head>",
            "<body>",
            *body,
            f"<script>\n{SCRIPT}\n</script>",
            "</body></html>\n",
        ]
    )


def text(value: object) -> str:
    """Anything as text of a page, or as the value of an attribute in double quotes."""
    return escape(str(value), quote=True)


def shown(value: Cell) -> str:
    """A value for a reader, not escaped: four significant digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], best: int | None = None, sortable: bool = False
) -> str:
    """A table that scrolls by itself where it is wide.

    Args:
        columns: heads.
        rows: cells.
        best: first cell of the row to emphasise.
        sortable: whether a click on a head sorts.
    """
    lines = list(rows)
    numeric = [all(_is_number(line[i]) or line[i] is None for line in lines) for i in range(len(columns))]
    names = [f"<button>{text(c)}</button>" if sortable else text(c) for c in columns]
    heads = "".join(
        f'<th scope="col"{" class=number" if right else ""}>{name}</th>'
        for name, right in zip(names, numeric, strict=True)
    )
    body = "\n".join(
        f"<tr{' class=best' if best is not None and line[0] == best else ''}>{''.join(map(_cell, line))}</tr>"
        for line in lines
    )
    return (
        f'<div class="wide{" tall" if sortable else ""}" tabindex="0"><table>'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def card(label: str, value: str, below: str = "") -> str:
    """One number in large type."""
    return f'<div class="card"><span>{text(label)}</span><b>{text(value)}</b><span>{text(below)}</span></div>'


def figure(title: str, source: str, caption: str, broad: bool = False) -> str:
    """A picture with its caption; a broad one takes the whole width of the page."""
    return (
        f'<figure class="card{" broad" if broad else ""}"><h3>{text(title)}</h3>'
        f'<a href="{text(source)}"><img src="{text(source)}" alt="{text(title)}" loading="lazy"></a>'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def _is_number(value: Cell) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Cell) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        key = f' data-key="{value}"' if math.isfinite(value) else ""
        return f'<td class="number"{key}>{text(shown(value))}</td>'
    whole = shown(value)
    return f"<td{' class=text' if len(whole) > 40 else ''}>{text(whole)}</td>"
