from .run import denoise as denoise
from .run import sampled as sampled
from .work import Unfinished as Unfinished
