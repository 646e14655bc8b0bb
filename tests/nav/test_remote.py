"""Policy servers: what is asked, what answers mean, and what hostile ones can do, which is nothing."""

import math
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgpack
import numpy as np
import pytest
import torch

from splatsim.errors import EpisodeError
from splatsim.nav import Briefing, Episode, Observation, Setup, wire
from splatsim.nav.benchmark import run_suite
from splatsim.nav.entrant import entrant
from splatsim.nav.policy_line import check_address
from splatsim.nav.policy_reply import read_reply, steps_to
from splatsim.nav.remote import RemoteAgent, RemoteOptions
from splatsim.nav.suite import Suite
from splatsim.nav.unicycle import Drive, Step
from tests.nav.policy_servers import Policy, serving
from tests.nav.test_sensing import ROOMS
from tests.sentences import check_sentences

QUICK = RemoteOptions(seconds=5.0, connect_seconds=1.0, width=8, height=6)
F, L, R, STOP = Step.FORWARD, Step.LEFT, Step.RIGHT, Step.STOP


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("splatsim.nav.policy_line.FIRST_FRAME_SECONDS", 0.05)


def seen(k: int = 0, pose: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Observation:
    rgb = torch.full((6, 8, 3), k / 255)
    return Observation(rgb=rgb, K=torch.eye(3), pose=pose, instruction="go to the lamp", depth=torch.ones(6, 8))


def test_a_server_of_gn0_is_asked_as_gn0_asks() -> None:
    policy = Policy(lambda question, asked: {"action_type": "discrete", "actions": [1, 2] if asked == 1 else [0]})
    with serving(policy) as address:
        agent = RemoteAgent(address, QUICK)
        agent.reset(Briefing("instruction", seed=7))
        assert [agent.act(seen(k)) for k in range(3)] == [F, L, STOP]
    reset, first, second = policy.questions
    assert reset == {"endpoint": "reset"}
    assert (first["endpoint"], first["instruction"], first["session_id"]) == ("infer", "go to the lamp", "00000007")
    assert first["images"].dtype == np.uint8
    assert first["images"].shape == (6, 8, 3)
    assert (second["images"][:, 0, 0, 0] == [1, 2]).all()  # those since the last answer
    assert "depth" not in first
    assert first["camera.K"].shape == (3, 3)


def test_a_server_may_introduce_itself_and_gets_depth_and_odometry_where_asked_for() -> None:
    policy = Policy(lambda question, asked: {"actions": "<STOP>"}, metadata={"name": "tiny"})
    options = RemoteOptions(seconds=5.0, connect_seconds=1.0, depth=True, odometry=True)
    with serving(policy) as address:
        agent = RemoteAgent(address, options)
        agent.reset(Briefing("instruction"))
        assert agent.act(seen(pose=(1.0, 2.0, 0.5))) == STOP
        assert agent._line.metadata == {"name": "tiny"}
    assert policy.questions[1]["state.nav_pose"].tolist() == [1.0, 2.0, 0.5]
    assert policy.questions[1]["depth"].shape == (6, 8)


@pytest.mark.parametrize(
    ("reply", "meant"),
    [
        ({"action_type": "discrete", "actions": [1, 1, 2]}, [F, F, L]),
        ({"actions": ["<FWD>", "turn_right", b"stop"]}, [F, R, STOP]),
        ({"action.vlnce": 3}, [R]),
        ({"action": np.array([1, 0], np.int32)}, [F, STOP]),
        ({"action_format": "vlnce", "action": np.array([1.0, 2.0])}, [F, L]),
    ],
)
def test_steps_in_all_their_forms(reply: dict, meant: list[Step]) -> None:
    assert read_reply(reply) == meant


@pytest.mark.parametrize(
    "reply",
    [
        {"action_type": "nav_delta", "actions": [[0.5, 0.25, 0.0]]},
        {"actions": np.array([[0.5, 0.25, 0.0]], np.float32)},
        {"actions": [0.5, 0.25, 0.0]},
        {"action.nav_delta": [[0.5, 0.25, 0.0, 9.0]]},
        {"action": {"nav_delta": [[0.5, 0.25, 0.0]]}},
    ],
)
def test_moves_in_all_their_forms(reply: dict) -> None:
    assert np.asarray(read_reply(reply)).tolist() == [[0.5, 0.25, 0.0]]


def test_moves_become_steps() -> None:
    drive = Drive()
    assert steps_to((0.5, 0.0, 0.0), drive) == [F, F]
    assert steps_to((0.0, 0.25, 0.0), drive) == [L] * 6 + [F] + [R] * 6
    assert steps_to((0.0, 0.0, -math.radians(30)), drive) == [R, R]


def test_moves_are_followed_by_odometry_and_end_with_one_that_is_none() -> None:
    moves = [[0.5, 0.0, math.pi / 2], [0.0, 0.5, 0.0], [0.0, 0.0, 0.0]]
    with serving(Policy(lambda question, asked: {"action_type": "nav_delta", "actions": moves})) as address:
        agent = RemoteAgent(address, QUICK)
        agent.reset(Briefing("instruction"))
        x = y = yaw = 0.0
        for _ in range(60):
            action = agent.act(seen(pose=(x, y, yaw)))
            if action == STOP:
                break
            x, y = (x + 0.25 * math.cos(yaw), y + 0.25 * math.sin(yaw)) if action == F else (x, y)
            yaw += math.radians(15) * ((action == L) - (action == R))
    # Half a metre ahead, a turn to the left, and half a metre to the left of where it started.
    assert action == STOP
    assert (x, y, math.degrees(yaw)) == pytest.approx((0.5, 0.5, 90.0), abs=1e-6)


def test_a_broken_line_is_mended_once() -> None:
    policy = Policy(lambda question, asked: None if asked == 1 else {"actions": [1]})
    with serving(policy) as address:
        agent = RemoteAgent(address, QUICK)
        agent.reset(Briefing("instruction"))
        assert agent.act(seen()) == F
    assert [question["endpoint"] for question in policy.questions] == ["reset", "infer", "infer"]


def test_a_silent_server_is_not_waited_for() -> None:
    def sleep(question: dict, asked: int) -> dict:
        time.sleep(1.0)
        return {"actions": [1]}

    with serving(Policy(sleep)) as address:
        agent = RemoteAgent(address, RemoteOptions(seconds=0.2, connect_seconds=1.0))
        agent.reset(Briefing("instruction"))
        started = time.monotonic()
        with pytest.raises(EpisodeError, match="no answer within"):
            agent.act(seen())
        assert time.monotonic() - started < 0.9


def hostile(reply: object) -> object:
    with serving(Policy(lambda question, asked: reply)) as address:
        agent = RemoteAgent(address, QUICK)
        agent.reset(Briefing("instruction"))
        try:
            return agent.act(seen())
        except EpisodeError as error:
            raise EpisodeError(str(error).replace(address, "ws://…")) from None


def array(**changes: object) -> dict:
    return {b"__ndarray__": True, b"data": b"\0" * 8, b"dtype": "<f8", b"shape": [1]} | changes


def nested(depth: int) -> object:
    return [nested(depth - 1)] if depth else 1


HOSTILE = {
    "an error in plain text": "CUDA out of memory",
    "no msgpack": b"\xc1\xc1",
    "cut off": msgpack.packb({"actions": [1, 2, 3]})[:-2],
    "no map": msgpack.packb([1, 2]),
    "a pickle": array(dtype="|O"),
    "a structure": array(dtype="V8"),
    "a shape that is too large": array(shape=[1 << 40]),
    "a negative shape": array(shape=[-1]),
    "nested": {"actions": nested(60)},
    "an extension": {"actions": msgpack.ExtType(4, b"x")},
    "no actions": {"status": "ok"},
    "an action that is none": {"actions": [7]},
    "half a step": {"action_type": "discrete", "actions": [1.5]},
    "a token that is none": {"actions": ["jump"]},
    "not finite": {"action_type": "nav_delta", "actions": [[math.nan, 0.0, 0.0]]},
    "two numbers": {"action_type": "nav_delta", "actions": [[0.1, 0.2]]},
    "too many": {"actions": [1] * 5000},
}


def test_hostile_answers() -> None:
    cases = {name: lambda reply=reply: hostile(wrapped(reply)) for name, reply in HOSTILE.items()}
    free = socket.socket()
    free.bind(("127.0.0.1", 0))
    nobody = f"ws://127.0.0.1:{free.getsockname()[1]}"
    free.close()

    def call_nobody() -> None:
        try:
            RemoteAgent(nobody, RemoteOptions(connect_seconds=0.1)).reset(Briefing("instruction"))
        except EpisodeError as error:
            raise EpisodeError(str(error).replace(nobody, "ws://…")) from None

    cases["nobody"] = call_nobody
    cases["another machine"] = lambda: check_address("ws://192.0.2.7:8000", False)
    cases["another name"] = lambda: check_address("ws://localhost.example.org:8000", False)
    cases["another protocol"] = lambda: check_address("http://127.0.0.1:8000", False)
    cases["no port"] = lambda: check_address("ws://127.0.0.1:123456", False)
    check_sentences(Path(__file__).with_name("remote_errors.txt"), cases, Path("/nowhere"))


def wrapped(reply: object) -> object:
    return {"actions": reply} if isinstance(reply, dict) and b"__ndarray__" in reply else reply


def test_an_answer_that_is_too_large_is_not_even_read() -> None:
    with pytest.raises(EpisodeError, match="breaks off"):
        hostile(b"\0" * (wire.LARGEST_REPLY + 1))


def test_other_machines_only_with_leave() -> None:
    check_address("wss://policy.example.org/gn0", True)
    check_address("ws://[::1]:8000", False)
    check_address("ws://localhost:8000", False)


@pytest.mark.parametrize("seed", range(30))
def test_bytes_at_random_give_an_error_that_is_ours(seed: int) -> None:
    generator = np.random.default_rng(seed)
    good = wire.pack({"actions": np.arange(6.0).reshape(2, 3), "action_type": "nav_delta"})
    data = bytearray(good)
    for place in generator.integers(0, len(data), 3):
        data[place] = generator.integers(256)
    try:
        moves = read_reply(wire.unpack(bytes(data)))
    except EpisodeError:
        return
    assert len(moves) <= 1024


def test_a_server_plays_a_suite_of_the_benchmark(tmp_path: Path) -> None:
    """With everything that can be sent, in a room of Gaussians, up to the table of results."""
    place = ROOMS
    way = torch.tensor([[0.6, 2.0], [1.35, 2.0]], dtype=torch.float64)
    episode = Episode("e", "rooms", (0.6, 2.0, 0.0), (1.35, 2.0), 0.75, way, instruction="straight on", max_steps=9)
    suite = Suite("one", "rooms", place.content_hash, Setup(), (episode,))
    policy = Policy(lambda question, asked: {"actions": [1, 1, 1, 0]})
    options = RemoteOptions(width=16, height=12, depth=True, bev=True, seconds=30.0)
    with serving(policy) as address:
        results = run_suite(place, suite, [entrant(address, remote=options)], tmp_path / "run")
    assert [result.failure for result in results] == [""]
    assert results[0].actions == (1, 1, 1, 0)
    assert results[0].metrics["strict"]["success"] == 1
    asked = policy.questions[1]
    assert asked["images"].shape == (12, 16, 3)
    assert asked["depth"].dtype == np.float32
    assert asked["bev.cells"].shape == place.nav_map.frame.shape == asked["bev.rgb"].shape[:2]
    assert asked["bev.pose"][:2].tolist() == pytest.approx([0.6, 2.0], abs=1e-6)
    assert asked["goal.polar"].tolist() == pytest.approx([0.75, 0.0], abs=1e-6)


def test_a_program_that_forgets_to_hang_up_ends_all_the_same() -> None:
    script = (
        "import sys; from splatsim.nav.policy_line import PolicyLine, RemoteOptions; "
        "PolicyLine(sys.argv[1], RemoteOptions()).ask({'endpoint': 'reset'})"
    )
    with serving(Policy(lambda question, asked: {"status": "ok"})) as address:
        subprocess.run([sys.executable, "-c", script, address], check=True, timeout=60)
