"""Pages of pictures to compare: one HTML file that holds all that it shows and asks the network for nothing.

Importing this is cheap: Jinja2 and Pillow are imported when a page is made.
"""

from .gallery import Scene, Shot
from .render import data_uri, environment, page

__all__ = ["Scene", "Shot", "data_uri", "environment", "page"]
