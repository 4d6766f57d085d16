"""Images by content: what a role runs in, made only when what it is made of changed.

``recipes`` says which files an image is made of, ``plan`` turns them into names,
``wheelhouse``, ``torch_wheel`` and ``base`` bring what a build needs, ``build`` and
``context`` drive the engine, ``ensure`` puts them in order.  Nothing is ever pulled.
"""

from __future__ import annotations

from rdagent.jobs.images.base import Base, ensure_base
from rdagent.jobs.images.engine import image_id
from rdagent.jobs.images.ensure import BuiltImage, ensure_image, prepare_build
from rdagent.jobs.images.plan import ImagePlan, image_name, plan_image
from rdagent.jobs.images.recipes import recipe_root
from rdagent.jobs.images.torch_wheel import TorchWheel
from rdagent.jobs.images.wheelhouse import Wheelhouse, ensure_wheelhouse
from rdagent.jobs.spec import ACCELERATORS, Accelerator

__all__ = [
    "ACCELERATORS",
    "Accelerator",
    "Base",
    "BuiltImage",
    "ImagePlan",
    "TorchWheel",
    "Wheelhouse",
    "ensure_base",
    "ensure_image",
    "ensure_wheelhouse",
    "image_id",
    "image_name",
    "plan_image",
    "prepare_build",
    "recipe_root",
]
