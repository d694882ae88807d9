from . import naive as naive
from .run import wiener as wiener
from .run import window_sides as window_sides
