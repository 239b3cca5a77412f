from dataclasses import fields
from pathlib import Path

import pytest

from recognition.decision import DecisionPolicy
from recognition.detection import DetectionSettings
from stream_server.models import LoadedModels
from stream_server.settings import RecognitionSettings, Settings, SettingsError, load_settings


def test_the_defaults_of_the_settings_are_those_of_recognition() -> None:
    settings, policy = RecognitionSettings(), DecisionPolicy()
    shared = {field.name for field in fields(DecisionPolicy)} & set(RecognitionSettings.model_fields)
    assert shared == {"accept_distance", "review_distance", "margin", "min_evidence_frames", "kiosk"}
    for name in shared:
        assert getattr(settings, name) == getattr(policy, name), name
    assert settings.detection_width_px == DetectionSettings().width_px


@pytest.mark.models
def test_the_settings_reach_the_pipeline(models_dir: Path) -> None:
    settings = Settings(
        _env_file=None,
        models={"dir": models_dir},
        recognition={"accept_distance": 0.4, "kiosk": True, "engine": "onnxruntime"},
        cameras={"max_frame_bytes": 5000},
    )
    models = LoadedModels(settings)
    assert models.pipeline.decision.accept_distance == 0.4
    assert models.pipeline.decision.kiosk is True
    assert models.pipeline.decode.max_bytes == 5000
    assert models.engine.value == "onnxruntime"


def test_a_review_distance_below_the_accept_distance_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_RECOGNITION__REVIEW_DISTANCE", "0.3")
    with pytest.raises(SettingsError, match="ROLLCALL_RECOGNITION"):
        load_settings()
