"""Which joint is the left knee: the joints that motions and fits speak of, found in rigs of several makers."""

from splatsim.avatar.skeleton import Skeleton

ROLES = (
    "pelvis",
    "spine",
    "chest",
    "neck",
    "head",
    *(
        f"{side}_{part}"
        for side in ("left", "right")
        for part in ("clavicle", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "toe")
    ),
)
"""The 21 joints that every rig of a person is asked for."""

_GAME_ENGINE = {
    "pelvis": "pelvis",
    "spine": "spine_01",
    "chest": "spine_03",
    "neck": "neck_01",
    "head": "head",
    "clavicle": "clavicle_{s}",
    "shoulder": "upperarm_{s}",
    "elbow": "lowerarm_{s}",
    "wrist": "hand_{s}",
    "hip": "thigh_{s}",
    "knee": "calf_{s}",
    "ankle": "foot_{s}",
    "toe": "ball_{s}",
}
_SMPL = {
    "pelvis": "pelvis",
    "spine": "spine1",
    "chest": "spine3",
    "neck": "neck",
    "head": "head",
    "clavicle": "{side}_collar",
    "shoulder": "{side}_shoulder",
    "elbow": "{side}_elbow",
    "wrist": "{side}_wrist",
    "hip": "{side}_hip",
    "knee": "{side}_knee",
    "ankle": "{side}_ankle",
    "toe": "{side}_foot",
}
_MIXAMO = {
    "pelvis": "Hips",
    "spine": "Spine",
    "chest": "Spine2",
    "neck": "Neck",
    "head": "Head",
    "clavicle": "{Side}Shoulder",
    "shoulder": "{Side}Arm",
    "elbow": "{Side}ForeArm",
    "wrist": "{Side}Hand",
    "hip": "{Side}UpLeg",
    "knee": "{Side}Leg",
    "ankle": "{Side}Foot",
    "toe": "{Side}ToeBase",
}
_CMU = _MIXAMO | {"pelvis": "Hips", "spine": "LowerBack", "chest": "Spine1"}
_POSER = {
    "pelvis": "Hips",
    "spine": "Chest",
    "chest": "Chest2",
    "neck": "Neck",
    "head": "Head",
    "clavicle": "{Side}Collar",
    "shoulder": "{Side}Shoulder",
    "elbow": "{Side}Elbow",
    "wrist": "{Side}Wrist",
    "hip": "{Side}Hip",
    "knee": "{Side}Knee",
    "ankle": "{Side}Ankle",
    "toe": "{Side}Toe",
}
TABLES = {"game engine": _GAME_ENGINE, "SMPL": _SMPL, "Mixamo": _MIXAMO, "CMU": _CMU, "Poser": _POSER}
"""Names of the roles' joints, by maker; {s}, {side} and {Side} stand for l, left and Left."""


def joint_roles(skeleton: Skeleton) -> dict[str, int]:
    """The joint of each of `ROLES`, by the naming table that fits.

    Raises:
        ValueError: no table fits; says which names the best one misses.
    """
    bare = {name.rsplit(":", 1)[-1].lower(): joint for joint, name in reversed(list(enumerate(skeleton.names)))}
    missing: dict[str, list[str]] = {}
    for maker, table in TABLES.items():
        wanted = {role: _name(table, role) for role in ROLES}
        missing[maker] = [name for name in wanted.values() if name.lower() not in bare]
        if not missing[maker]:
            return {role: bare[name.lower()] for role, name in wanted.items()}
    best = min(missing, key=lambda maker: len(missing[maker]))
    raise ValueError(
        f"the rig's joints fit no naming table; closest is {best}'s, without {', '.join(missing[best])}. "
        f"Expected the names of one of: {', '.join(TABLES)}."
    )


def _name(table: dict[str, str], role: str) -> str:
    side, _, part = role.rpartition("_")
    return table[part].format(s=side[:1], side=side, Side=side.capitalize())
