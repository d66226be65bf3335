# mlsl-mx for CPUs, and as the target `gpu` for NVIDIA cards. Linted, but not built where it was written: see docs/GPU.md.
#
#   docker build -t mlsl .                         docker build --target gpu -t mlsl-gpu .
#   docker run --rm mlsl doctor                    docker run --rm --gpus all mlsl-gpu doctor
#   docker run --rm -v mlsl-runs:/mlsl-mx/runs --entrypoint make mlsl gta2city
#
# Both start from Python's image and not from NVIDIA's of CUDA 11.2: the lock file brings CUDA's libraries, which a base with
# CUDA would hold twice, and they are the ones of `make setup-gpu`. The host gives its driver alone.

FROM python:3.13-slim-trixie AS base
# make drives the stages; all else that is needed comes with the wheels.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 mlsl \
    && install -d -o mlsl -g mlsl /mlsl-mx /mlsl-mx/mlsl_mx /mlsl-mx/runs
USER 1000
WORKDIR /mlsl-mx
ENV PIP_NO_CACHE_DIR=1
# What the environment depends on; changes of the rest do not make it anew.
COPY --chown=mlsl:mlsl Makefile README.md pyproject.toml requirements.lock requirements-gpu.lock setup.py ./
COPY --chown=mlsl:mlsl mlsl_mx/__init__.py mlsl_mx/

FROM base AS gpu
RUN make setup CTX='gpu(0)'
COPY --chown=mlsl:mlsl . .
ENV PATH=/mlsl-mx/.venv-gpu/bin:$PATH NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
VOLUME /mlsl-mx/runs
ENTRYPOINT ["mlsl"]
CMD ["--help"]

FROM base AS cpu
RUN make setup
COPY --chown=mlsl:mlsl . .
ENV PATH=/mlsl-mx/.venv/bin:$PATH
VOLUME /mlsl-mx/runs
ENTRYPOINT ["mlsl"]
CMD ["--help"]
