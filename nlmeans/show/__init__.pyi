from . import page as page
from .card import card as card
from .explain import draw as draw
from .explain import glow as glow
from .metrics import Metrics as Metrics
from .metrics import measure as measure
from .noise import noise_sheet as noise_sheet
from .page import environment as environment
