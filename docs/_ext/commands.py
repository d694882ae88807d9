"""The directive ``command-line``: the commands of the program, from their own help."""

import typer
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from nlmeans.cli import app as program


def paragraphs(text: str | None) -> list[nodes.paragraph]:
    """Return a help text, whose paragraphs are parted by empty lines."""
    return [nodes.paragraph("", " ".join(part.split())) for part in (text or "").split("\n\n") if part.strip()]


def parameters(records) -> nodes.definition_list:
    """Return what may stand on the line, each with its help."""
    listed = nodes.definition_list(classes=["parameters"])
    for spelled, text in records:
        term = nodes.term("", "", nodes.literal("", spelled))
        listed += nodes.definition_list_item("", term, nodes.definition("", *paragraphs(text)))
    return listed


class CommandLine(SphinxDirective):
    """A section for each command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        return [self.section(name, command) for name, command in typer.main.get_command(program).commands.items()]

    def section(self, name: str, command) -> nodes.section:
        """Return the usage of a command, its help, its arguments and its options."""
        context = typer.Context(command, info_name=f"nlmeans {name}")
        usage = " ".join([context.info_name, *command.collect_usage_pieces(context)])
        title = nodes.title("", name)
        section = nodes.section("", title, ids=[nodes.make_id(f"nlmeans-{name}")], names=[f"nlmeans {name}"])
        section += [nodes.literal_block(usage, usage, language="text"), *paragraphs(command.help)]
        records = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
        section += parameters(records)
        self.state.document.note_explicit_target(section, section)
        return section


def setup(app) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
