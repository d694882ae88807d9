from . import page as page
from .explain import draw as draw
from .explain import glow as glow
from .metrics import Score as Score
from .metrics import score as score
