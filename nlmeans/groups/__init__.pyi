from . import naive as naive
from .run import Step as Step
from .run import group_step as group_step
from .spec import GroupSpec as GroupSpec
from .spec import RidgeSpec as RidgeSpec
