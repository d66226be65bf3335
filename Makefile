# mlsl-mx: `make help` lists what can be made. Make is the driver: each stage is a file that depends on the stage before.

METHOD ?= sisc-pwl
EXPERIMENT ?=
SEED   ?= 0
CTX    ?= cpu
DATA   ?=
GTA5   ?=
SYNTHIA ?=
CITYSCAPES ?=
WEIGHTS ?=
IMAGENET ?=
ROUNDS ?=
RUN    ?=
SET    ?=
CHECKPOINT ?= 300

COMMA := ,
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

# --- what is given -----------------------------------------------------------------------------------------------------
# Paths of data, weights and an experiment, and settings, are quoted for the shell; the other values become names of Make's
# files, and words. The run of an experiment is named after its file.
QUOTED = '$(subst ','\'',$(1))'
QUOTABLE := DATA GTA5 SYNTHIA CITYSCAPES WEIGHTS IMAGENET EXPERIMENT SET PYTHON
OTHERS := METHOD SEED CTX ROUNDS RUN CHECKPOINT WORKERS TRAIN_CTX TRAIN_WORKERS GROUND_TRUTH SEEDS CHAINS RESULTS \
          MINUTES FUZZ DEBIAN
GIVEN := $(foreach v,$(QUOTABLE) $(OTHERS),$(if $(filter command environment%,$(origin $(v))),$(v)))
ifneq ($(EXPERIMENT),)
override RUN := $(or $(RUN),runs/own/$(basename $(notdir $(subst $(EMPTY) ,-,$(EXPERIMENT))))-seed$(SEED))
endif
define NEWLINE


endef
SIGNS := ' " ` \ ; & | < > * ? [ ] { } : % \# ( )
# $(call NO,RUN,what): what is given for RUN is refused.
NO = $(error $(1)=$(value $(1)): $(2) cannot be in it: rename it$(COMMA) or give another)
$(foreach v,$(GIVEN),$(if $(findstring $(NEWLINE),$(value $(v))),$(call NO,$(v),a line's end)))
$(foreach v,$(GIVEN),$(if $(findstring $$,$(value $(v))),$(call NO,$(v),the sign $$)))
$(foreach v,$(GIVEN),$(if $(filter ~%,$(value $(v))),$(call NO,$(v),a ~ that no shell has expanded)))
$(foreach v,$(filter-out SEEDS %CTX,$(filter $(OTHERS),$(GIVEN) RUN)),$(if $(filter-out 1,$(words x$(value $(v))x)),$(call NO,$(v),a blank)))
$(foreach v,$(filter $(OTHERS),$(GIVEN) RUN),$(foreach s,$(if $(filter %CTX,$(v)),$(filter-out ( ) :,$(SIGNS)),$(SIGNS)),\
	$(if $(findstring $(s),$(value $(v))),$(call NO,$(v),the sign $(s)))))
# A mistyped DATA would be the miniature. Names with a _ may be for programs: OMP_NUM_THREADS.
KNOWN := $(QUOTABLE) $(OTHERS) UV MLSL INSTALLED MAKEFILE VENV MINIATURE PATH HOME LANG SHELL TMPDIR
$(foreach v,$(.VARIABLES),$(if $(filter command,$(origin $(v))),$(if $(filter $(KNOWN),$(v))$(findstring _,$(v)),,\
	$(error $(v)=$(value $(v)): there is no variable $(v): make help lists them))))
FROM_ENVIRONMENT := $(strip $(foreach v,$(GIVEN),$(if $(filter environment%,$(origin $(v))),$(v)=$(value $(v)))))
$(if $(FROM_ENVIRONMENT),$(if $(filter 0,$(MAKELEVEL)),$(info taken from the environment: $(FROM_ENVIRONMENT))))

# --- the environment -------------------------------------------------------------------------------------------------
# CTX names the engine, too: cpu and gpu(0) are MXNet's devices, cuda:0, mps and torch:cpu PyTorch's.
BY_TORCH := $(filter cuda% mps% torch%,$(CTX))
VENV := $(if $(BY_TORCH),.venv-torch,$(if $(filter gpu%,$(CTX)),.venv-gpu,.venv))
MLSL := $(VENV)/bin/mlsl
INSTALLED := $(VENV)/installed
DEVELOPER := $(VENV)/developer
TORCH := .torch/installed
PIP := $(VENV)/bin/pip --disable-pip-version-check -q

# The first Python that fits and can make environments, uv's own among them. A name on the path may be a stub, so each is run.
# The one that PYTHON= gives must fit.
UV ?= uv
PYTHON ?=
PYTHONS = $(if $(PYTHON),$(call QUOTED,$(PYTHON)),python3 python3.14 python3.13 python3.12 python3.11 python3.10 python \
	"$$($(UV) python find --managed-python '>=3.10,<3.15' 2>/dev/null)")
NO_PYTHON = $(if $(PYTHON),PYTHON=$(PYTHON): runs no Python 3.10 to 3.14 with venv: give another$(COMMA) or none,no Python 3.10 \
	to 3.14 with venv found: apt-get install python3-venv$(COMMA) or uv python install 3.12$(COMMA) or give PYTHON=/path/to/it)
FIND_PYTHON = for p in $(PYTHONS); do \
	"$$p" -c 'import ensurepip, sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && \
	echo "$$p" && exit; done; echo $(call QUOTED,$(NO_PYTHON)) >&2; exit 1

# In a checkout the environment is complete; packages on another program's PYTHONPATH would count as installed.
$(if $(INSTALLED),$(eval unexport PYTHONPATH PYTHONHOME))

# $(call LOCKED,file): exactly the packages of a lock file, and only if they have the hashes that stand there.
LOCKED = $(PIP) install --require-hashes --no-deps -r $(1)

# `mlsl make` gives MLSL, an empty INSTALLED, and MAKEFILE: the package is installed, maybe without a checkout around it.
MAKEFILE ?= Makefile
CHECKOUT_GOALS := lock fresh-machine test browser lint format fuzz soak benchmark% miniature-pretraining setup% .venv%
$(if $(INSTALLED),,$(if $(filter $(CHECKOUT_GOALS),$(MAKECMDGOALS)),$(error $(filter $(CHECKOUT_GOALS),$(MAKECMDGOALS)): needs a checkout of the project: call make there)))

# On platforms without an MXNet wheel, pip would silently install everything else, or nothing.
SYSTEM = $$(uname -sm)$$(ldd --version 2>&1 | grep -o musl)
HAS_WHEEL = case "$(SYSTEM)" in "Linux x86_64"|"Linux aarch64"|"Darwin x86_64") ;; *) echo "MXNet 1.9.1 has wheels for \
	Linux with glibc (x86-64, aarch64) and for macOS on x86-64, none for $(SYSTEM): see docs/PLATFORMS.md" >&2; exit 1; esac

ifeq ($(BY_TORCH),)
$(INSTALLED): setup.py requirements.lock requirements-gpu.lock
	@$(HAS_WHEEL)
ifneq ($(filter gpu%,$(CTX)),)
	@[ "$$(uname -sm)" = "Linux x86_64" ] || { echo "mxnet-cu112 has wheels only for Linux on x86-64: use CTX=cpu" >&2; exit 1; }
endif
	@python=$$($(FIND_PYTHON)) && echo "building $(VENV) with $$("$$python" --version)" && "$$python" -m venv $(VENV) --clear
	@$(call LOCKED,requirements.lock)
	@$(PIP) install --no-deps --no-build-isolation -e .
ifneq ($(filter gpu%,$(CTX)),)
	@$(PIP) uninstall -y mxnet && $(call LOCKED,requirements-gpu.lock) --force-reinstall
endif
	@touch $@
else
# Without MXNet and GluonCV. PyTorch's build follows the platform (on Linux that for CUDA, 3 GB), so it has no hashes here.
$(INSTALLED): setup.py requirements-torch.lock
	@python=$$($(FIND_PYTHON)) && echo "building $(VENV) with $$("$$python" --version) and PyTorch" && "$$python" -m venv $(VENV) --clear
	@$(call LOCKED,requirements-torch.lock)
	@$(PIP) install -c constraints.txt torch
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@
endif

# One rule for both builds; .venv-gpu is also made wherever CTX names a GPU.
.PHONY: setup setup-gpu setup-torch doctor
setup: $(INSTALLED)
setup-torch:
	@$(MAKE) -s CTX=torch:cpu setup
setup-gpu:
	@$(MAKE) -s CTX='gpu(0)' setup
	@.venv-gpu/bin/mlsl doctor || echo "the build is in .venv-gpu; what to fix is listed above"

doctor: $(INSTALLED)
	@$(MLSL) doctor $(if $(EXPERIMENT),--experiment $(call QUOTED,$(EXPERIMENT))) $(if $(REAL),$(ROOTS))$(SETTINGS)

# MXNet is left out: one of its builds is already there.
$(DEVELOPER): $(INSTALLED) requirements-dev.lock
	@$(call LOCKED,requirements-dev.lock)
	@touch $@

# The newest versions that constraints.txt allows, for every Python and platform that MXNet has wheels for.
COMPILE = $(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-emit-index-url -c constraints.txt \
	--python-version 3.10 --python "$$($(FIND_PYTHON))" --custom-compile-command "make lock"
BUILD = printf 'setuptools\nwheel\n'
# The packages of setup.py's extra cu112 (a test keeps them equal), without what they need, which requirements.lock has.
GPU_NAMES = mxnet-cu112 $(addprefix nvidia-,$(addsuffix -cu11,cuda-runtime cuda-nvrtc nvtx cublas cufft curand cusparse cusolver nccl cudnn))
GPU_PACKAGES = printf "%s; sys_platform == 'linux' and platform_machine == 'x86_64'\n" $(GPU_NAMES)
# What the package needs besides MXNet and GluonCV (a test keeps them equal to setup.py's), for every platform.
TORCH_NAMES = numpy opencv-python-headless pillow pyyaml scipy shtab tensorboardX tqdm
lock:
	$(BUILD) | $(COMPILE) setup.py - -o requirements.lock
	$(BUILD) | $(COMPILE) setup.py - --extra dev --no-emit-package mxnet -o requirements-dev.lock
	$(GPU_PACKAGES) | $(COMPILE) --no-deps - -o requirements-gpu.lock
	printf '%s\n' $(TORCH_NAMES) setuptools wheel | $(COMPILE) --no-config - -o requirements-torch.lock

# --- devices and workers ---------------------------------------------------------------------------------------------
# Pseudo-labels and evaluations are shared by WORKERS processes, by default one a device. A batch of training is divided
# over TRAIN_WORKERS processes and the devices of TRAIN_CTX, or `mlsl begin` says at once that it cannot be.
DEVICES := $(subst $(COMMA), ,$(CTX))
WORKERS ?= $(words $(DEVICES))
TRAIN_CTX ?= $(CTX)
TRAIN_WORKERS ?= $(if $(BY_TORCH),$(words $(subst $(COMMA), ,$(TRAIN_CTX))),1)
# $(call SHARED_BY,2): mlsl, in as many workers.
SHARED_BY = $(MLSL)$(if $(filter-out 1,$(1)), launch -n $(1) --)

# --- which run ---------------------------------------------------------------------------------------------------------
# Without data the embedded miniature is used, and every output says so.
REAL := $(strip $(EXPERIMENT)$(DATA)$(GTA5)$(SYNTHIA)$(CITYSCAPES))
MINIATURE := runs/miniature/data
MISSING = $(if $(1),$(if $(shell test -e $(call QUOTED,$(1)) || test -e $(call QUOTED,$(dir $(MAKEFILE))$(1)) && echo there),,missing))
$(foreach v,EXPERIMENT DATA GTA5 SYNTHIA CITYSCAPES,$(if $(call MISSING,$($(v))),$(error \
	$(v)=$($(v)): no such file or folder. Correct the path; the miniature is never used in its place)))
ifeq ($(REAL),)
# With the release's weak-label head the source model is different, so the released presets have runs of their own.
KIND := miniature$(if $(filter released-%,$(METHOD)),-released)
EXPERIMENTS := experiments/miniature
ROOTS := --data $(MINIATURE)
IMAGENET := experiments/miniature/pretrained.params
DATA_READY := $(MINIATURE)/miniature.json
else
# What was released differs in its data lists, too, so it has experiments and run directories of its own.
KIND := $(if $(filter released-%,$(METHOD)),released,full)
EXPERIMENTS := $(if $(filter released-%,$(METHOD)),experiments/released,experiments)
ROOTS := $(if $(DATA),--data $(call QUOTED,$(DATA))) $(if $(GTA5),--gta5 $(call QUOTED,$(GTA5))) \
         $(if $(SYNTHIA),--synthia $(call QUOTED,$(SYNTHIA))) $(if $(CITYSCAPES),--cityscapes $(call QUOTED,$(CITYSCAPES)))
DATA_READY :=
endif

# Whether diagnose reads validation labels to say how right pseudo-labels are: on the miniature yes, else only if asked.
GROUND_TRUTH ?= $(if $(REAL),,yes)
$(if $(filter-out yes,$(GROUND_TRUTH)),$(error GROUND_TRUTH=$(GROUND_TRUTH): it is yes, or empty))
# $(call WITHOUT_TRUTH,diagnosis.json): what makes a diagnosis again that was made before the truth was asked for.
WITHOUT_TRUTH = $(if $(GROUND_TRUTH),$(if $(shell grep -s '"ground_truth": null' "$(1)"),diagnose-again))
# $(call UNFINISHED,report.txt): what makes a report again that was made of more ROUNDS than are asked for now.
UNFINISHED = $(if $(shell grep -s 'is not finished' "$(1)"),report-again)
.PHONY: diagnose-again report-again
diagnose-again report-again:

# Where the generator or the lists are newer, make-miniature looks whether the pictures are still theirs.
$(MINIATURE)/miniature.json: $(wildcard mlsl_mx/data/miniature/*.py data_lists/miniature/*.txt) | $(INSTALLED)
	$(MLSL) make-miniature --root $(MINIATURE)

# The source model is trained, or imported where WEIGHTS gives one; tensor names, which the file holds as plain
# text, identify an ImageNet classifier: 1000 classes, and no segmentation head.
HOLDS = grep -qsF $(1) -- $(call QUOTED,$(WEIGHTS))
ifneq ($(if $(WEIGHTS),$(shell $(call HOLDS,linear1000_weight) && ! $(call HOLDS,conv6a_weight) && echo classifier)),)
override IMAGENET := $(WEIGHTS)
override WEIGHTS :=
endif
# Where the source model may have no weak-label head, as the published ones, round 0 waits until there is one: train-head
# looks, and trains one if it is missing. What an EXPERIMENT says of it, Make does not read.
HEADLESS := $(WEIGHTS)$(EXPERIMENT)$(findstring weak_label_weight,$(SET))
# As the paper does, the miniature starts from source models that are there: IMAGENET= has one trained.
TRAINED := $(REAL)$(filter released-%,$(METHOD))$(filter command,$(origin IMAGENET))$(findstring source_training,$(SET))
PUBLISHED_gta2city := $(if $(TRAINED),,experiments/miniature/pretrained.params)
PUBLISHED_synthia2city := $(if $(TRAINED),,experiments/miniature/pretrained_synthia.params)
# $(call MODEL,gta2city): the source model's file, if it is imported.
MODEL = $(or $(WEIGHTS),$(PUBLISHED_$(1)))
SOURCE = $(if $(call MODEL,$(1)),$(MLSL) import-weights,$(call SHARED_BY,$(TRAIN_WORKERS)) train-source) $(call START,$(1))
START = $(if $(call MODEL,$(1)),--weights $(call QUOTED,$(call MODEL,$(1))),$(if $(IMAGENET),--imagenet $(call QUOTED,$(IMAGENET))))

# Only what is asked for: with RUN both would write to one directory.
ASKED := $(filter gta2city synthia2city,$(patsubst evaluated-%,%,$(patsubst diagnosed-%,%,$(MAKECMDGOALS))))
# `adapt` runs the file that EXPERIMENT names, and nothing else does.
ADAPT := $(filter adapt evaluated-adapt diagnosed-adapt,$(MAKECMDGOALS))
$(if $(and $(ADAPT),$(if $(EXPERIMENT),,none)),$(error make adapt needs EXPERIMENT=my.yaml: `mlsl init-experiment` writes one))
$(if $(and $(EXPERIMENT),$(filter-out adapt evaluated-adapt diagnosed-adapt check-data doctor,$(MAKECMDGOALS))),$(error EXPERIMENT= is for make adapt, check-data and doctor))
$(if $(and $(RUN),$(word 2,$(ASKED))),$(error RUN=$(RUN) is one run directory: make $(ASKED) one after the other))

# The rounds of our own experiments stand here, for a plan without .venv (a test keeps them equal to the files). Those of
# EXPERIMENT and of SET are as `mlsl` reads them: unless it is make -n, .venv is built first, like a makefile that is included.
# $(call READ_BY,gta2city): the experiment's file.
READ_BY = $(if $(EXPERIMENT),$(call QUOTED,$(EXPERIMENT)),$(EXPERIMENTS)/$(1).yaml)
SETTINGS = $(foreach s,$(SET), --set $(call QUOTED,$(s)))
FULL_ROUNDS := 6
MINIATURE_ROUNDS := 4
$(if $(and $(ROUNDS),$(findstring self_training.rounds=,$(SET))),$(error ROUNDS=$(ROUNDS) and SET=$(SET): the rounds are given twice: leave out one))
ROUNDS_DONE := $(if $(filter source-only,$(METHOD)),0,$(or $(ROUNDS),$(if $(REAL),$(FULL_ROUNDS),$(MINIATURE_ROUNDS))))
ifneq ($(if $(filter source-only,$(METHOD))$(ROUNDS),,$(ADAPT)$(findstring rounds,$(SET))),)
ONLY_PLANNED := $(findstring n,$(firstword -$(MAKEFLAGS)))
READER := $(if $(INSTALLED),$(firstword $(wildcard $(MLSL) .venv/bin/mlsl .venv-gpu/bin/mlsl .venv-torch/bin/mlsl)),$(MLSL))
READ := $(call READ_BY,$(or $(firstword $(ASKED)),gta2city))
ROUNDS_DONE := $(if $(READER),$(shell $(READER) rounds --experiment $(READ) --method $(METHOD) $(SETTINGS)),$(if $(ONLY_PLANNED),,0))
$(if $(ROUNDS_DONE),,$(error how many rounds $(READ) has is not known: $(if $(READER),see above,make setup comes first)))
$(if $(ONLY_PLANNED),,$(eval include $(INSTALLED)))
endif
ROUNDS_LIST := $(if $(filter-out 0,$(ROUNDS_DONE)),$(shell seq 0 $$(($(ROUNDS_DONE) - 1))))

# $(call CHAIN,gta2city): the stages of one experiment as files, in the run directory D_ and its method's folder M_.
# Three goals: gta2city, with a report after each round; evaluated-gta2city, the numbers alone; diagnosed-gta2city, with
# diagnosis. A report reads whatever there is, so no stage depends on one.
define CHAIN
D_$(1) := $$(or $$(RUN),runs/$$(KIND)/$(1)-seed$$(SEED))
M_$(1) := $$(D_$(1))/$$(METHOD)
# $$$$(call STAGE_$(1),devices): what every stage is told; without devices the first alone.
STAGE_$(1) = --experiment $$(call READ_BY,$(1)) --method $$(METHOD) --run "$$(D_$(1))" $$(ROOTS) --seed $$(SEED) \
             --ctx "$$(or $$(1),$$(firstword $$(DEVICES)))"$$(if $$(filter-out source-only,$$(METHOD)),$$(if $$(ROUNDS), --rounds $$(ROUNDS)))$$(SETTINGS)

# Reports after all rounds but the last, which is followed by the run's own, report/METHOD.txt.
REPORTED_$(1) = $$(foreach r,$$(filter-out $$(lastword $$(ROUNDS_LIST)),$$(ROUNDS_LIST)),$$(M_$(1))/round-$$(r)/reported)

.PHONY: $(1) begin-$(1) evaluated-$(1) diagnosed-$(1)
$(1): announce begin-$(1) $$(D_$(1))/source/evaluation.json $$(REPORTED_$(1)) $$(D_$(1))/report/$$(METHOD).txt
	@cat "$$(D_$(1))/report/$$(METHOD).txt"

# Runs every time: existing results may come from other settings, which Make cannot see.
begin-$(1): $$(DATA_READY) | announce $$(INSTALLED)
	$$(MLSL) begin $$(call START,$(1)) $$(call STAGE_$(1),$$(CTX)) --workers $$(WORKERS) --train-ctx "$$(TRAIN_CTX)" --train-workers $$(TRAIN_WORKERS)

$$(D_$(1))/source/weights.params: $$(DATA_READY) | begin-$(1)
	$$(call SOURCE,$(1)) $$(call STAGE_$(1),$$(if $$(call MODEL,$(1)),,$$(TRAIN_CTX)))$$(if $$(call MODEL,$(1)),, --checkpoint-seconds $$(CHECKPOINT))

# Stages write files whole, so Make must not remove one because it was stopped a moment later: that costs hours.
.PRECIOUS: $$(D_$(1))/source/weights.params $$(D_$(1))/source/evaluation.json

$$(D_$(1))/source/evaluation.json: $$(D_$(1))/source/weights.params
	$$(call SHARED_BY,$$(WORKERS)) evaluate --source $$(call STAGE_$(1),$$(CTX))

HEAD_$(1) := $$(if $$(HEADLESS),$$(M_$(1))/head.json)
.PRECIOUS: $$(M_$(1))/head.json
$$(M_$(1))/head.json: $$(D_$(1))/source/weights.params
	$$(call SHARED_BY,$$(TRAIN_WORKERS)) train-head $$(call STAGE_$(1),$$(TRAIN_CTX)) --checkpoint-seconds $$(CHECKPOINT)

$$(foreach r,$$(ROUNDS_LIST),$$(eval $$(call ROUND,$(1),$$(r))))

EVALUATED_$(1) = $$(D_$(1))/source/evaluation.json $$(foreach r,$$(ROUNDS_LIST),$$(M_$(1))/round-$$(r)/evaluation.json)
DIAGNOSED_$(1) = $$(D_$(1))/source/evaluation.json \
	$$(foreach r,$$(ROUNDS_LIST),$$(M_$(1))/round-$$(r)/evaluation.json $$(M_$(1))/round-$$(r)/diagnosis.json)
evaluated-$(1): $$(EVALUATED_$(1))
diagnosed-$(1): $$(DIAGNOSED_$(1))

$$(D_$(1))/report/$$(METHOD).txt: $$(DIAGNOSED_$(1)) $$(call UNFINISHED,$$(D_$(1))/report/$$(METHOD).txt)
	$$(MLSL) report $$(STAGE_$(1)) > /dev/null
endef

# $(call ROUND,gta2city,r): pseudo-labels from the weights before, self-training on them, evaluation.
define ROUND
FILES_$(1)_$(2) := pseudo_labels/selection.json diagnosis.json weights.params evaluation.json
.PRECIOUS: $$(addprefix $$(M_$(1))/round-$(2)/,$$(FILES_$(1)_$(2)))

BEFORE_$(1)_$(2) := $$(if $$(filter 0,$(2)),$$(D_$(1))/source,$$(M_$(1))/round-$$(shell echo $$$$(($(2) - 1))))/weights.params

$$(M_$(1))/round-$(2)/pseudo_labels/selection.json: $$(BEFORE_$(1)_$(2))
	$$(call SHARED_BY,$$(WORKERS)) pseudo-label --round $(2) $$(call STAGE_$(1),$$(CTX))

$$(M_$(1))/round-$(2)/diagnosis.json: $$(M_$(1))/round-$(2)/pseudo_labels/selection.json \
		$$(call WITHOUT_TRUTH,$$(M_$(1))/round-$(2)/diagnosis.json)
	$$(MLSL) diagnose --round $(2)$$(if $$(GROUND_TRUTH), --with-ground-truth) $$(STAGE_$(1))

$$(M_$(1))/round-$(2)/weights.params: $$(M_$(1))/round-$(2)/pseudo_labels/selection.json $$(if $$(filter 0,$(2)),$$(HEAD_$(1)))
	$$(call SHARED_BY,$$(TRAIN_WORKERS)) self-train --round $(2) $$(call STAGE_$(1),$$(TRAIN_CTX)) --checkpoint-seconds $$(CHECKPOINT)

$$(M_$(1))/round-$(2)/evaluation.json: $$(M_$(1))/round-$(2)/weights.params
	$$(call SHARED_BY,$$(WORKERS)) evaluate --round $(2) $$(call STAGE_$(1),$$(CTX))

$$(M_$(1))/round-$(2)/reported: $$(M_$(1))/round-$(2)/evaluation.json $$(M_$(1))/round-$(2)/diagnosis.json
	$$(MLSL) report $$(STAGE_$(1)) > /dev/null
	@touch "$$@"
endef

# The tables run every method, for each seed in a folder of its own in RUN.
TABLES_ASKED := $(filter table% ablations,$(MAKECMDGOALS))
$(if $(and $(TABLES_ASKED),$(filter command,$(origin METHOD))),$(error METHOD=$(METHOD): make $(TABLES_ASKED) runs all of its methods))
$(foreach e,$(if $(EXPERIMENT),$(if $(ADAPT),adapt),$(or $(ASKED),gta2city synthia2city)),$(eval $(call CHAIN,$(e))))

.PHONY: announce
announce:
	@echo $(call QUOTED,$(if $(EXPERIMENT),$(EXPERIMENT),$(if $(REAL),full recipe on $(or $(DATA),the given data),miniature: not comparable with the paper (give DATA=/path for the real data sets))))

# --- the other verbs -----------------------------------------------------------------------------------------------------
.PHONY: help lock fresh-machine test browser lint format check-data miniature-pretraining benchmark soak fuzz clean

help:
	@echo "make gta2city          GTA-V -> Cityscapes: source model, rounds of self-training, table beside the paper's Table 1"
	@echo "make synthia2city      SYNTHIA -> Cityscapes, Table 2"
	@echo "make adapt             your own data, as EXPERIMENT=my.yaml describes it: docs/YOUR_OWN_DATA.md"
	@echo "make table1            all methods of Table 1, SEEDS=\"$(SEEDS)\": means and spreads beside the paper's;  table2: SYNTHIA"
	@echo "make table3            Tables 1 and 2, with the gains over the source model beside Table 3"
	@echo "make table4            the weights lambda and shares eta of Table 4;  make ablations  those of Sec. 4.3"
	@echo "make benchmark         speed, memory and disk against the machine's limits, an hour; benchmark-NAME: one of"
	@echo "                       $(BENCHMARKS), or benchmark-full_recipe: every stage at full size, on a CPU"
	@echo "make soak              kill small chains at random moments for MINUTES=$(MINUTES), and compare what they end with"
	@echo "make setup             only the environment .venv;  setup-gpu: .venv-gpu, with CUDA from PyPI;  setup-torch:"
	@echo "                       .venv-torch, with PyTorch in MXNet's place (docs/GPU.md, docs/PYTORCH.md)"
	@echo "make doctor            versions, GPUs, memory, data in DATA (or of EXPERIMENT): what is there, and what to do if not"
	@echo "make check-data        what is missing or damaged in DATA (or what EXPERIMENT names), and how to obtain it"
	@echo "make test              lint and tests, of which one opens the reports in a browser (make browser installs Chromium, as root)"
	@echo "make fuzz              strange input for FUZZ=$(FUZZ) seconds: only clean errors or right results may come of it"
	@echo "make fresh-machine     make gta2city and make test on a bare Debian, DEBIAN=$(DEBIAN) (bookworm, sid); as root, with debootstrap"
	@echo "make format            format the code"
	@echo "make lock              resolve the packages of requirements*.lock again (needs uv, UV=$(UV): pip install uv)"
	@echo "make clean             remove .venv and the miniature's data and runs"
	@echo
	@echo "DATA=/path      folder with gta5/, synthia/, cityscapes/ (or GTA5=, SYNTHIA=, CITYSCAPES= for each); none: the miniature"
	@echo "METHOD=$(METHOD)  source-only | st | cbst | cbst-sp | cbst-pwl | sisc | sisc-pwl | released-sisc, ... |"
	@echo "                lambda-0.1, ...: the files of experiments/methods, released and ablations"
	@echo "WEIGHTS=FILE    start from a published source model;  IMAGENET=FILE  train the source model from ImageNet weights"
	@echo "GROUND_TRUTH=$(GROUND_TRUTH)  yes: diagnose also measures how right pseudo-labels are, on validation images; never fed back"
	@echo "CHAINS=$(CHAINS)  chains of stages that the tables run at a time, each with one thread if there are several;  SEEDS=$(SEEDS)"
	@echo "ROUNDS=  SEED=$(SEED)  CTX=$(CTX) (or gpu(0))  RUN=folder  SET=\"key=value ...\" (any setting, no blanks in a value)"
	@echo "CTX=cuda:0      with PyTorch, for newer GPUs, in an environment of its own;  mps: Apple's;  torch:cpu"
	@echo "CTX='gpu(0),gpu(1)'  several GPUs: WORKERS=$(WORKERS) processes share labels and evaluation; training divides its batch over"
	@echo "                TRAIN_CTX (default CTX) and TRAIN_WORKERS=$(TRAIN_WORKERS) processes, or stops if it cannot; docs/SCALING.md"
	@echo "PYTHON=/path/to/python  the Python for the environments;  RESULTS=folder  for the tables' comparisons"
	@echo "CHECKPOINT=$(CHECKPOINT)  seconds at least between two checkpoints of a training; SIGTERM and Ctrl-C leave one, too"
	@echo
	@echo "make -n TARGET prints the plan; an interrupted make goes on where it stopped."

# The second engine is tested in an environment of its own, which tests start: GluonCV refuses to run beside PyTorch.
.venv-torch/tested: requirements-torch.lock setup.py
	@$(MAKE) -s setup-torch
	@.venv-torch/bin/pip --disable-pip-version-check -q install -c constraints.txt onnx onnxruntime
	@touch $@

# Up to four files of tests at once, one a core; on a GPU one, for its memory.
test: $(DEVELOPER) lint browser .venv-torch/tested
	$(VENV)/bin/python -m pytest $(if $(filter gpu%,$(CTX)),,-n auto --maxprocesses 4 --dist loadfile)

# For the test that opens the reports: a Chromium or Chrome that is there and runs, or else Debian's, where that is allowed.
# Playwright's node, which drives it, needs libatomic, which chromium does not install on every Debian.
BROWSERS := chromium chromium-browser google-chrome google-chrome-stable
browser: $(DEVELOPER)
	@for b in $(BROWSERS); do $$b --version >/dev/null 2>&1 && $(VENV)/bin/playwright --version >/dev/null 2>&1 && exit; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing chromium, for the test that opens the reports"; export DEBIAN_FRONTEND=noninteractive; \
		apt-get -qq update >/dev/null && apt-get -qq install -y --no-install-recommends chromium libatomic1 >/dev/null && exit; fi; \
	echo "no browser ($(BROWSERS)): the test that opens the reports will be skipped; install chromium and libatomic1"

lint: $(DEVELOPER)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

format: $(DEVELOPER)
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

FUZZ ?= 600
fuzz: $(DEVELOPER)
	$(VENV)/bin/python benchmarks/fuzz.py --seconds $(FUZZ)

check-data: $(INSTALLED) $(DATA_READY)
	failed=0; \
	$(foreach e,$(if $(EXPERIMENT),its,gta2city synthia2city),$(MLSL) check-data --experiment $(call READ_BY,$(e)) $(ROOTS)$(SETTINGS) || failed=$$?;) \
	exit $$failed

# One after the other, with nothing else running: about an hour on 2 cores. benchmark-NAME runs one of them.
BENCHMARKS := forward train_step sisc selection reader evaluate precision image_sizes start_time workers
benchmark:
	for name in $(BENCHMARKS); do $(MAKE) -s benchmark-$$name || exit; done

benchmark-%: | $(DEVELOPER) $(TORCH)
	PYTHONPATH=.torch $(VENV)/bin/python benchmarks/$*.py

# Small chains whose stages are killed at random moments and started again: do they end with the same bytes?
MINUTES ?= 30
soak: | $(INSTALLED)
	$(VENV)/bin/python benchmarks/soak.py --minutes $(MINUTES)

# README's two commands on a bare Debian: as root, with debootstrap.
DEBIAN ?= trixie
fresh-machine: | $(INSTALLED)
	$(VENV)/bin/python benchmarks/fresh_machine.py $(DEBIAN)

# Not in .venv: GluonCV refuses to be imported beside a current PyTorch.
$(TORCH): | $(INSTALLED)
	@$(PIP) install -c constraints.txt --target .torch torch
	@touch $@

# --- the paper's tables ---------------------------------------------------------------------------------------------------
# Methods of each table beside the source model (a test keeps these equal to mlsl_mx/reports/compare.py).
SEEDS ?= 0 1 2
TABLE1 := cbst cbst-sp st cbst-pwl sisc sisc-pwl
TABLE2 := cbst cbst-sp st cbst-pwl sisc sisc-pwl
TABLE4 := sisc-pwl lambda-0.1 lambda-0.05 lambda-0.001 eta-0.0 eta-0.1 eta-0.025
ABLATIONS := sisc patches-25 patches-100 patch-256 votes sliding
RESULTS ?= $(RUNS_IN)
# On CPUs one chain of one thread a core, faster than all threads for one chain; real data and GPUs take one chain.
CHAINS ?= $(if $(REAL)$(filter gpu% cuda% mps%,$(CTX))$(filter-out 1,$(WORKERS)),1,$(shell nproc 2>/dev/null || echo 2))
THREADS := $(if $(filter 1,$(CHAINS)),,OMP_NUM_THREADS=1)
RUNS_IN := $(or $(RUN),runs/$(KIND))

# $(call TABLE,table1,evaluated-,gta2city,methods): those chains for every seed, then the table. Method by method, so that
# the source model and the labels of round 0 that methods share are there, as a rule, when the next method needs them.
define TABLE
printf '%s\n' $(foreach m,$(4),$(foreach s,$(SEEDS),"$(m) $(s)")) | $(THREADS) xargs -P $(CHAINS) -L 1 bash -c \
	'$(MAKE) -s -f "$(MAKEFILE)" $(2)$(3) METHOD=$$0 SEED=$$1 RUN="$(RUNS_IN)/$(3)-seed$$1" || exit 255'
$(MLSL) report --compare $(foreach s,$(SEEDS),"$(RUNS_IN)/$(3)-seed$(s)") --table $(1) --out "$(RESULTS)/$(1)"
endef

.PHONY: table1 table2 table3 table4 ablations
table1 table2 table4 ablations: $(DATA_READY) | announce $(INSTALLED)
table1:
	$(call TABLE,$@,diagnosed-,gta2city,$(TABLE1))
table2:
	$(call TABLE,$@,diagnosed-,synthia2city,$(TABLE2))
table3: table1 table2
table4:
	$(call TABLE,$@,evaluated-,gta2city,$(TABLE4))
ablations:
	$(call TABLE,$@,diagnosed-,gta2city,$(ABLATIONS))
ifneq ($(TABLES_ASKED),)
.NOTPARALLEL:
endif

# The miniature's stand-ins for published weights, as committed: 95 and 36 minutes of one core.
PRETRAINING := runs/miniature/pretraining
# $(call PRETRAIN,pretraining,its name among the miniature's files,further options)
PRETRAIN = $(MLSL) train-source --experiment experiments/miniature/$(1).yaml --run $(PRETRAINING)/$(1) \
	--data $(PRETRAINING)/data --seed 1000 $(3) && cp $(PRETRAINING)/$(1)/source/weights.params experiments/miniature/$(2).params
miniature-pretraining: | $(INSTALLED)
	$(MLSL) make-miniature --root $(PRETRAINING)/data --lists data_lists/miniature/pretraining --seed 1000
	$(call PRETRAIN,pretraining,pretrained)
	$(call PRETRAIN,pretraining_synthia,pretrained_synthia,--imagenet experiments/miniature/pretrained.params)

clean:
	rm -rf $(VENV) runs/miniature runs/miniature-released
