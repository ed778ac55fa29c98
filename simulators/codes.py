"""How does a city's paperwork look? Codes, names and divisions for made-up worlds, carrying no class. Pure.

The check digits are computed here a second time, on purpose: the census must not be tested with its own arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_CODE = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)

DIVISIONS: tuple[tuple[str, int], ...] = (
    ("330302", 15), ("330303", 10), ("330304", 14), ("330305", 2), ("330322", 1), ("330324", 9), ("330326", 8),
    ("330327", 9), ("330383", 2), ("330328", 2), ("330329", 2), ("330381", 18), ("330382", 20),
)  # fmt: skip
"""Division code (330322 and 330383 are spellings of other editions) and its weight in the city."""
INDUSTRIES: tuple[str, ...] = ("C38", "C19", "C18", "C34", "C29", "C33", "C24", "C17", "C36", "C40")
CLUSTERS: tuple[str, ...] = (
    "",
    "yueqing-electrical",
    "lucheng-footwear",
    "yongjia-valves",
    "ouhai-smart",
    "cangnan-plastics",
    "温州激光与光电产业集群",
)
"""Clusters as the policy writes them, by code or by name; some listings give none. Seven words, as ever: a seed's draws stay."""
SIZES: tuple[str, ...] = ("micro", "small", "small", "medium", "large")
_PLACES = (
    "鹿城",
    "龙湾",
    "瓯海",
    "洞头",
    "永嘉",
    "平阳",
    "苍南",
    "文成",
    "泰顺",
    "瑞安",
    "乐清",
    "柳市",
    "北白象",
    "塘下",
    "鳌江",
    "龙港",
    "桥头",
    "瓯北",
)
_WORDS = (
    "华",
    "正",
    "天",
    "德",
    "人民",
    "长城",
    "环宇",
    "兴",
    "瑞",
    "宏",
    "达",
    "丰",
    "盛",
    "泰",
    "东方",
    "南洋",
    "新",
    "亚",
    "力",
    "合",
    "信",
    "飞",
    "腾",
    "恒",
    "久",
    "昌",
    "源",
    "金",
    "大",
    "明",
)
_TRADES = (
    "电气",
    "阀门",
    "鞋业",
    "服饰",
    "汽配",
    "机械",
    "塑业",
    "仪表",
    "锁业",
    "泵业",
    "眼镜",
    "印业",
    "轴承",
    "五金",
    "开关",
    "线缆",
)


def uscc(rng: Random, *, kind: str = "91", valid: bool = True) -> str:
    """Make a unified social credit code (GB 32100-2015); with `valid=False` its last character is wrong."""
    organisation = "".join(rng.choice("0123456789ABCDEFGHJKLMNPQRTUWXY") for _ in range(8))
    total = sum(
        weight * (int(character) if character.isdigit() else ord(character) - 55)
        for character, weight in zip(organisation, _ORGANISATION_WEIGHTS, strict=True)
    )
    inner = "0123456789X0"[(11 - total % 11) % 11]
    body = f"{kind}{rng.choice(DIVISIONS)[0]}{organisation}{inner}"
    weight, total = 1, 0
    for character in body:
        total += _CODE.index(character) * weight
        weight = weight * 3 % 31
    check = (31 - total % 31) % 31
    return body + _CODE[check if valid else (check + rng.randint(1, 30)) % 31]


def company(rng: Random) -> str:
    """Make a company's name."""
    return f"温州{rng.choice(_PLACES)}{rng.choice(_WORDS)}{rng.choice(_WORDS)}{rng.choice(_TRADES)}有限公司"


def division(rng: Random) -> str:
    """Draw a division code by weight."""
    codes, weights = zip(*DIVISIONS, strict=True)
    return str(rng.choices(codes, weights)[0])


def opaque_id(rng: Random, prefix: str, taken: set[str]) -> str:
    """Make an id that tells nothing, not even its order, and add it to those taken."""
    while (name := f"{prefix}{rng.getrandbits(32):08x}") in taken:
        pass
    taken.add(name)
    return name
