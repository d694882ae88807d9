"""Formulas as MathML, which browsers draw themselves: pages need neither a script nor a network."""

from docutils import nodes
from docutils.utils.math import latex2mathml


def formula(text: str, block: bool) -> str:
    """Return TeX as MathML, converted by docutils."""
    return latex2mathml.tex2mathml(text, as_block=block)


def inline(translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(formula(node.astext(), block=False))
    raise nodes.SkipNode


def block(translator, node: nodes.math_block) -> None:
    """Write a formula that stands alone."""
    translator.body.append(f'<div class="math">{formula(node.astext(), block=True)}</div>')
    raise nodes.SkipNode


def setup(app) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
