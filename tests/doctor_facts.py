"""Facts of a machine on which nothing is wrong, for tests of what `mlsl doctor` makes of them."""

from dataclasses import replace

from mlsl_mx.doctor.driver import Driver, Gpu
from mlsl_mx.doctor.facts import Facts, Imports

GIB = 2**30

IMPORTS = Imports(
    versions={"numpy": "1.23.5", "cv2": "4.11.0", "mxnet": "1.9.1", "gluoncv": "0.11.0"},
    features=("CUDA", "CUDNN", "DIST_KVSTORE", "MKLDNN", "OPENCV"),
    gpus=1,
    faults=(None,),
)
GTX_1080 = Gpu("GTX 1080", (6, 1), 8 * GIB, 7 * GIB)
H100 = Gpu("H100", (9, 0), 80 * GIB, 79 * GIB)
GOOD = Facts(
    python="3.11.2",
    environment=".venv-gpu",
    wheels=("mxnet-cu112",),
    imports=IMPORTS,
    driver=Driver(None, (12, 4), "550.54.15", (GTX_1080,)),
    cpu="Abacus",
    cores=2,
    bfloat16=True,
    memory=24 * GIB,
    free_memory=20 * GIB,
    free_disk=10**12,
    folder="/home",
)
CPU_BUILD = {"wheels": ("mxnet",), "imports": replace(IMPORTS, features=("MKLDNN", "OPENCV"), gpus=0, faults=())}
