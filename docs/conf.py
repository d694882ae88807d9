"""How Sphinx builds these pages: ``python -m sphinx -W --keep-going -b html docs build/docs``."""

import logging
import sys
from pathlib import Path

import nlmeans

logging.getLogger("nlmeans").setLevel(logging.WARNING)  # what has to be compiled is no part of an example
sys.path.append(str(Path(__file__).parent / "_ext"))

project = "nlmeans"
author = "the authors of nlmeans"
copyright = "the authors of nlmeans, BSD-3-Clause"
release = version = nlmeans.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "sphinx_copybutton",
    "sphinx_design",
    "commands",
    "defaults",
    "mathml",
    "outside",
    "values",
]
pages_of_files = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contribute/index.md",
    "benchmarks/README.md": "contribute/suites.md",
    "benchmarks/results/README.md": "contribute/suites.md",
}
templates_path = ["_templates"]
exclude_patterns = ["examples/**", "gallery/**/*.ipynb"]
default_role = "py:obj"
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 4

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "remove_config_comments": True,
    "show_memory": False,
    "download_all_examples": False,
}

html_theme = "pydata_sphinx_theme"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["nlmeans.css"]
html_title = "nlmeans"
html_show_sourcelink = False
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
