"""A study of a theory of one's own, described in a YAML file beside its plugin."""

import shutil
from pathlib import Path

import pytest
import yaml

from theory_sim.runtime.errors import InputError
from theory_sim.studies.decision import run_study
from theory_sim.studies.study import load_study


def test_a_study_of_a_theory_of_ones_own(tmp_path: Path) -> None:
    """Its networks are its theory's, and its plugin is found beside it."""
    shutil.copy(Path(__file__).parent / "own_sampler.py", tmp_path)
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump(
            {
                "question": "Does it need many neurons?",
                "minutes": 0.1,
                "config": {"theory": "own-sampler", "plugins": ["own_sampler.py"], "replicas": 3, "training": {"steps": 20}},
                "smoke": {"test": {"samples": 30}},
                "grids": [{"network.neurons": [1, 40]}],
                "comparisons": [
                    {
                        "name": "many neurons",
                        "before": {"model": "only", "where": {"network.neurons": 1}},
                        "after": {"model": "only", "where": {"network.neurons": 40}},
                        "kind": "faint",
                    }
                ],
            }
        )
    )
    study = load_study(tmp_path / "mine.yaml")
    assert study.configuration().networks == ("only",)
    _, answer = run_study(study, smoke=True, out=tmp_path, device="cpu", jobs=0)
    assert [verdict.name for verdict in answer.verdicts] == ["many neurons"]
    wrong = study.model_copy(update={"comparisons": [study.comparisons[0].model_copy(update={"kind": "hard"})]})
    with pytest.raises(InputError, match="there is no kind of sample 'hard'; there are clear, faint"):
        run_study(wrong, smoke=True, out=tmp_path, device="cpu", jobs=0)
    assert answer.verdicts[0].estimate.value == answer.verdicts[0].estimate.value
