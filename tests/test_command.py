"""The command `dlcourse` where only the engine is installed."""

from __future__ import annotations

import builtins

import pytest

from dlcourse.__main__ import main


@pytest.fixture
def without_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: object, **more: object) -> object:
        if name == "dlcourse.grading.cli":
            raise ModuleNotFoundError("No module named 'rich'", name="rich")
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)


def test_help_is_printed_and_says_what_is_missing(
    without_rich: None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "grade a class" in said and "pip install 'dlcourse[grading]'" in said


@pytest.mark.parametrize("arguments", [["grade"], ["grade", "01", "--jobs", "2"]])
def test_grading_says_what_to_install(
    arguments: list[str], without_rich: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "rich is not installed" in capsys.readouterr().err
