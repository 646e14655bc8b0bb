"""The choice of frames, on steps that are made up so that the right answer is known."""

import numpy as np
import pytest

from splatsim.reconstruction.flow import CELLS, Step
from splatsim.reconstruction.selection import Track, choose, fit_spacing, relative_sharpness


def made_up(shifts: list[float], sharpness: dict[int, float] | None = None, **facts: float) -> Track:
    """A take that shifts by these shares of the width, and is as sharp as 1 but where said otherwise."""
    field = np.zeros((*CELLS, 2), np.float32)
    field[..., 0] = 1
    values = {"tracked": 1.0, "textured": 1.0, "gain": 1.0} | facts
    steps = [Step(field * np.float32(shift), **values) for shift in shifts]
    relative = np.ones(len(shifts) + 1)
    for position, value in (sharpness or {}).items():
        relative[position] = value
    return Track(np.arange(len(relative)) / 10, relative, steps)


def taken(track: Track, spacing: float = 0.05) -> list[int]:
    return choose(track, spacing=spacing, blur=0.6, duplicate=0.003).taken.tolist()


def test_even_motion_gives_even_spacing() -> None:
    positions = taken(made_up([0.01] * 60))
    assert set(np.diff(positions)) <= {3, 4, 5, 6}
    assert positions[-1] >= 57


def test_the_sharpest_of_each_window() -> None:
    assert set(range(4, 40, 5)) <= set(taken(made_up([0.01] * 40, dict.fromkeys(range(4, 40, 5), 2.0))))


def test_blurred_frames_are_passed_over_and_listed() -> None:
    choice = choose(made_up([0.01] * 40, dict.fromkeys(range(10, 17), 0.3)), spacing=0.05, blur=0.6, duplicate=0.003)
    assert not set(choice.taken) & set(range(10, 17))
    assert set(choice.blurred) & set(range(10, 17))
    assert np.diff(choice.taken).max() * 0.01 <= 2.5 * 0.05


def test_a_fast_turn_is_kept_even_if_it_is_blurred() -> None:
    shifts = [0.01] * 20 + [0.12] * 6 + [0.01] * 20
    assert set(range(21, 26)) <= set(taken(made_up(shifts, dict.fromkeys(range(21, 27), 0.3))))


def test_standing_still_gives_one_frame_and_duplicates() -> None:
    choice = choose(made_up([0.0] * 50), spacing=0.05, blur=0.6, duplicate=0.003)
    assert len(choice.taken) == 1
    assert len(choice.duplicates) > 40


def test_pauses_do_not_matter() -> None:
    moving = taken(made_up([0.01] * 40))
    assert len(taken(made_up([0.01] * 20 + [0.0] * 100 + [0.01] * 20))) == pytest.approx(len(moving), abs=1)


def test_frames_on_both_sides_of_a_step_that_is_lost() -> None:
    track = made_up([0.001] * 20)
    lost = Step(track.steps[10].field, 0.2, 1.0, 1.0)
    track = Track(track.times, track.sharpness, [*track.steps[:10], lost, *track.steps[11:]])
    positions = taken(track)
    assert any(position <= 10 for position in positions)
    assert 11 in positions


def test_where_nothing_can_be_tracked_time_decides() -> None:
    assert len(taken(made_up([0.0] * 50, textured=0.05))) == pytest.approx(5.0 / 0.5, abs=2)


def test_spacing_meets_the_number() -> None:
    track = made_up([0.004] * 400)

    def count(spacing: float) -> int:
        return len(taken(track, spacing))

    assert count(fit_spacing(count, 30, 0.02, 0.2)) == pytest.approx(30, abs=2)
    assert fit_spacing(count, 10_000, 0.02, 0.2) == 0.02
    assert fit_spacing(count, 3, 0.02, 0.2) == 0.2


def test_relative_sharpness_looks_half_a_second_around() -> None:
    sharpness, times = np.array([1.0] * 10 + [8.0] * 10), np.arange(20) / 10
    relative = relative_sharpness(sharpness, times)
    assert (relative[0], relative[19]) == (1, 1)
    assert relative[10] == pytest.approx(8 / 8)
    assert relative_sharpness(np.array([1.0, 1, 4, 1, 1]), np.arange(5) / 10)[2] == 4
