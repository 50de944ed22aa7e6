"""Find, describe and build components: one file is one component, the folder is the list.

Standard library only. Nothing here imports a component before somebody asks for its class.
"""

from registry.errors import (
    BadParameters,
    BrokenComponent,
    ComponentError,
    UnknownComponent,
    UserError,
    did_you_mean,
)
from registry.registry import Registry
from registry.spec import MISSING, ComponentSpec, Parameter, component

__all__ = [
    "MISSING",
    "BadParameters",
    "BrokenComponent",
    "ComponentError",
    "ComponentSpec",
    "Parameter",
    "Registry",
    "UnknownComponent",
    "UserError",
    "component",
    "did_you_mean",
]

#: How `zoo` recognises this package among others called "registry".
DISTRIBUTION = "eegzoo"
