"""RD-Agent's import path for the fine-tuning settings."""

from rdagent.core.lazy_settings import FT_RD_SETTING

__all__ = ["FT_RD_SETTING"]
