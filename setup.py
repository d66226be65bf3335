"""Packaging of mlsl-mx. Install with `-c constraints.txt`, which says why each version is pinned."""

import re
import shutil
import sys
from pathlib import Path

if not (3, 10) <= sys.version_info[:2] <= (3, 14):
    sys.exit(f"mlsl-mx needs Python 3.10 to 3.14, on which it was tried; this is {sys.version.split()[0]}")

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "mlsl_mx" / "__init__.py").read_text()).group(1)
# setuptools: MXNet and GluonCV import distutils, which Python 3.12 dropped.
REQUIRED = ["mxnet==1.9.1", "gluoncv==0.10.5.post0", "numpy>=1.26,<2.5", "opencv-python-headless<5", "setuptools"]
# Its wheel brings libgomp, which MXNet is linked to: mlsl_mx/system/gcc_libraries.py.
REQUIRED += ["pykdtree; sys_platform == 'linux'"]
REQUIRED += ["pillow", "pyyaml", "scipy", "shtab", "tensorboardX", "tqdm"]
ONNX = ["onnx>=1.19", "onnxruntime"]
# What mxnet-cu112 links to, from PyPI instead of a CUDA toolkit; mlsl_mx loads it. cuDNN 9 has other library names.
CUDA_NAMES = ("cuda-runtime", "cuda-nvrtc", "nvtx", "cublas", "cufft", "curand", "cusparse", "cusolver", "nccl")
CUDA = [*(f"nvidia-{name}-cu11" for name in CUDA_NAMES), "nvidia-cudnn-cu11<9"]
# What a wheel carries besides the package, in mlsl_mx/share, where `system.packaged_files` looks: what a chain needs.
SHIPPED = ("Makefile", "data_lists", "experiments")


class BuildWithShipped(build_py):
    """`build_py` that copies SHIPPED; in an editable installation they are found in the checkout."""

    def run(self):
        super().run()
        if getattr(self, "editable_mode", False):
            return
        share = Path(self.build_lib, "mlsl_mx", "share")
        shutil.rmtree(share, ignore_errors=True)  # of an earlier build, which may have had other files
        share.mkdir(parents=True)
        for name in SHIPPED:
            if (HERE / name).is_dir():
                shutil.copytree(HERE / name, share / name, ignore=shutil.ignore_patterns("results"))
            else:
                shutil.copy(HERE / name, share)


setup(
    name="mlsl-mx",
    version=VERSION,
    description="Domain adaptation of semantic segmentation by multi-level self-training (MLSL, WACV 2020)",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    keywords="semantic segmentation, domain adaptation, self-training, MXNet, Cityscapes, GTA-V, SYNTHIA",
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Environment :: GPU :: NVIDIA CUDA :: 11.2",
        "Intended Audience :: Science/Research",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        *(f"Programming Language :: Python :: {version}" for version in ("3", "3.10", "3.11", "3.12", "3.13", "3.14")),
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    python_requires=">=3.10,<3.15",
    packages=find_packages(include=["mlsl_mx", "mlsl_mx.*"]),
    install_requires=REQUIRED,
    extras_require={
        # The same import as mxnet, which must be uninstalled: `make setup-gpu` does that.
        "cu112": ["mxnet-cu112==1.9.1", *CUDA],
        # The second engine. MXNet need not be there for it: `make setup-torch` leaves it out.
        "torch": ["torch"],
        "onnx": ONNX,
        "dev": [
            "cityscapesScripts==2.3.0",
            "hypothesis==6.168.5",
            "playwright",
            "pytest",
            "pytest-xdist",
            "ruff==0.17.6",
            *ONNX,
        ],
    },
    cmdclass={"build_py": BuildWithShipped},
    entry_points={"console_scripts": ["mlsl = mlsl_mx.__main__:main"]},
)
