"""Names the wheel after its platform: it holds a shared library, but no module compiled for one Python."""

from __future__ import annotations

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class PlatformWheel(bdist_wheel):
    """A wheel for every Python 3 of the platform that --plat-name gives."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", (self.plat_name or "any").replace("-", "_").replace(".", "_")


setup(cmdclass={"bdist_wheel": PlatformWheel})
