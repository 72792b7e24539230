"""Which tests belong to which module: those that are run on each of its mutants, and those for what survives them.

A module and its tests are listed here if it makes numbers or decides about them. Fast tests come first: pytest stops at the
first that fails.
"""

_LAW = [
    "tests/data/test_drawn_batches.py",
    "tests/data/test_law.py",
    "tests/data/test_properties.py",
    "tests/data/test_planted_bugs.py",
]
_CHECKS = [f"tests/data/test_{name}.py" for name in ("planted_bugs", "planted_dependence", "planted_noise", "planted_laws")]
_CHECKS += ["tests/data/test_planted_streams.py", "tests/data/test_checks_calibrated.py"]
_TRAINING = ["tests/training/test_reference.py", "tests/training/test_training.py", "-k", "not pretended and not growth"]
_TRANSFER = ["tests/training/test_transfer.py", "tests/training/test_evaluation.py"]
_LUCKY = ["tests/training/test_dominant_noise.py", "tests/training/test_lucky.py"]
_LABELS = ["tests/labels"]
_CLAIMS = ["tests/theories/test_claims_by_hand.py"]
_RUNS = ["tests/runs/test_run.py", "tests/runs/test_record.py", "tests/runs/test_fit.py", "tests/training/test_evaluation.py"]
_STUDIES = ["tests/studies"]
_IMAGES = ["tests/pretraining/test_labelling.py", "tests/pretraining/training", "tests/pretraining/loading"]
_IMAGE_STUDY = ["tests/pretraining/test_study.py", "tests/pretraining/test_report.py"]
_CONFORMANCE = ["tests/testing"]

FIRST = {
    "theory_sim/stats/errors.py": ["tests/stats"],
    "theory_sim/stats/means.py": ["tests/stats"],
    "theory_sim/stats/tests.py": ["tests/stats"],
    "theory_sim/runtime/settings.py": ["tests/runtime/test_settings.py", "tests/test_config.py"],
    "theory_sim/runtime/storage.py": ["tests/runtime/test_storage.py", "tests/pretraining/test_foundations.py"],
    "theory_sim/theories/claims.py": _CLAIMS,
    "theory_sim/theories/label_granularity/claims.py": _CLAIMS,
    "theory_sim/runtime/streams.py": ["tests/runtime/test_streams.py", "tests/runtime/test_philox.py"],
    "theory_sim/labels/tree.py": _LABELS,
    "theory_sim/labels/functions.py": _LABELS,
    "theory_sim/labels/by_leaf.py": _LABELS,
    "theory_sim/labels/random.py": _LABELS,
    "theory_sim/labels/clusters.py": _LABELS,
    "theory_sim/labels/alignment.py": _LABELS,
    "theory_sim/config/defaults.py": ["tests/test_config.py"],
    "theory_sim/config/experiment.py": ["tests/test_config.py"],
    "theory_sim/config/loading.py": ["tests/test_config.py"],
    "theory_sim/studies/tables.py": ["tests/studies/test_tables.py"],
    "theory_sim/studies/sensitivity.py": ["tests/studies/test_studies.py", "-k", "not size"],
    "theory_sim/data/dictionary.py": ["tests/data/test_dictionary.py"],
    "theory_sim/data/law.py": _LAW,
    "theory_sim/data/parts.py": _LAW,
    "theory_sim/data/latents.py": _LAW,
    "theory_sim/data/sampler.py": _LAW,
    "theory_sim/data/setup.py": _LAW,
    "theory_sim/data/checks/base.py": _CHECKS,
    "theory_sim/data/checks/blocks.py": _CHECKS,
    "theory_sim/data/checks/independence.py": _CHECKS,
    "theory_sim/data/checks/noise.py": _CHECKS,
    "theory_sim/data/checks/p_values.py": _CHECKS,
    "theory_sim/data/checks/patches.py": _CHECKS,
    "theory_sim/data/checks/random_streams.py": _CHECKS,
    "theory_sim/data/checks/samples.py": _CHECKS,
    "theory_sim/data/checks/suite.py": _CHECKS,
    "theory_sim/data/checks/sums.py": _CHECKS,
    "theory_sim/data/checks/tools.py": _CHECKS,
    "theory_sim/training/network.py": _TRAINING,
    "theory_sim/training/trainer.py": _TRAINING,
    "theory_sim/training/readouts.py": _TRANSFER,
    "theory_sim/training/recording.py": ["tests/runs/test_record.py", "tests/theories/test_prediction.py"],
    "theory_sim/training/evaluation.py": _TRANSFER,
    "theory_sim/training/engines/base.py": _TRAINING,
    "theory_sim/training/engines/dense.py": _TRAINING,
    "theory_sim/training/engines/firing.py": _TRAINING,
    "theory_sim/training/engines/small.py": _TRAINING,
    "theory_sim/training/engines/loss.py": _TRAINING,
    "theory_sim/pretraining/training/objective.py": ["tests/pretraining/training/test_objective.py"],
    "theory_sim/pretraining/loading/randomness.py": ["tests/pretraining/loading/test_randomness.py"],
    "theory_sim/pretraining/difficulty.py": ["tests/pretraining/test_difficulty.py"],
    "theory_sim/pretraining/labelling.py": ["tests/pretraining/test_labelling.py"],
    "theory_sim/training/engines/lucky/candidates.py": _LUCKY,
    "theory_sim/training/engines/lucky/certificate.py": _LUCKY,
    "theory_sim/training/engines/lucky/design.py": _LUCKY,
    "theory_sim/training/engines/lucky/dominant.py": _LUCKY,
    "theory_sim/training/engines/lucky/engine.py": _LUCKY,
    "theory_sim/runtime/philox.py": ["tests/runtime/test_streams.py", "tests/runtime/test_philox.py"],
}
FIRST = {module: [*tests, "tests/test_dataclasses.py"] for module, tests in FIRST.items()}
"""For each module, the tests of every mutant."""

_BY_PACKAGE = {
    "theory_sim/runtime": ["tests/training/test_training.py", *_RUNS],
    "theory_sim/stats": ["tests/theories/test_claims.py", *_STUDIES],
    "theory_sim/labels": [*_IMAGES, *_RUNS, *_IMAGE_STUDY],
    "theory_sim/config": [*_LAW, "tests/theories", *_RUNS],
    "theory_sim/data": [*_LUCKY, *_RUNS, *_CONFORMANCE],
    "theory_sim/training": ["tests/training", *_RUNS, "tests/theories"],
    "theory_sim/theories": ["tests/theories/test_claims.py", *_RUNS],
    "theory_sim/studies": [*_STUDIES, "tests/cli"],
    "theory_sim/pretraining": [*_IMAGES, *_IMAGE_STUDY],
}
REST = {module: next(tests for package, tests in _BY_PACKAGE.items() if module.startswith(package)) for module in FIRST}
"""For each module, the slower tests of what survives the first."""
