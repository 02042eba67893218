"""With what a report was made, and what to cite."""

import platform
from importlib.metadata import version

from pyro_favae.report.material import Material
from pyro_favae.report.page import Section, bullets, text

PACKAGES = ("torch", "pyro-ppl", "numpy", "pandas", "matplotlib")
WORKS = (
    "pyro-favae: factor-analysis variational autoencoders in Pyro, version {version}.",
    "A. Guerrero-López, C. Sevilla-Salcedo, V. Gómez-Verdejo and P. M. Olmos: Multi-modal hierarchical Variational "
    "AutoEncoders with Factor Analysis latent space. arXiv:2207.09185, 2022.",
)


def about(material: Material) -> Section:
    """Versions and works."""
    own = version("pyro-favae")
    versions = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES)]
    return Section(
        "How to cite this",
        (
            bullets(work.format(version=own) for work in WORKS),
            text(f"This page was written by fv.report of pyro-favae {own}, with {', '.join(versions)}."),
        ),
    )
