"""How people say what homes call ``master_bedroom`` or ``fan_only``, in English and Chinese.

The generator says the first ways, retrieval understands all of them.  Chinese words are
those that the demo's model has read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """Ways to say one thing; ``understood`` are words that nobody here says."""

    en: tuple[str, ...]
    zh: tuple[str, ...]
    understood: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every way, in any language."""
        return (*self.en, *self.zh, *self.understood)


_DINING = Spoken(("dining room",), ("餐厅",), ("ding room", "diningroom", "饭厅"))

ROOMS: Mapping[str, Spoken] = {
    "master_bedroom": Spoken(
        ("master bedroom",),
        ("主卧",),
        ("main bedroom", "primary bedroom", "master room", "masterbedroom", "主人房"),
    ),
    "guest_bedroom": Spoken(
        ("guest bedroom",),
        ("次卧",),
        ("guest room", "spare bedroom", "guestbedroom", "客房", "客卧"),
    ),
    "living_room": Spoken(
        ("living room",), ("客厅",), ("lounge", "sitting room", "livingroom", "起居室")
    ),
    # The release writes ``ding_room``; people say "dining room".
    "ding_room": _DINING,
    "dining_room": _DINING,
    "study_room": Spoken(("study room",), ("书房",), ("study", "home office", "studyroom")),
    "kitchen": Spoken(("kitchen",), ("厨房",)),
    "bathroom": Spoken(("bathroom",), ("浴室",), ("bath room", "restroom", "卫生间", "洗手间")),
    "foyer": Spoken(("foyer",), ("门厅",), ("entrance hall", "entryway", "玄关")),
    "corridor": Spoken(("corridor",), ("走廊",), ("hallway", "passage", "过道")),
    "balcony": Spoken(("balcony",), ("阳台",)),
    "garage": Spoken(("garage",), ("车库",)),
    "store_room": Spoken(
        ("store room",), ("储藏室",), ("storage room", "storeroom", "storage", "储物间", "储物室")
    ),
}
DEVICES: Mapping[str, Spoken] = {
    "light": Spoken(("light", "lamp"), ("灯",), ("lights", "lighting")),
    "fan": Spoken(("fan",), ("风扇",), ("电扇",)),
    "heating": Spoken(("heating",), ("暖气",), ("heater", "heat", "加热")),
    "air_conditioner": Spoken(
        ("air conditioner", "air conditioning"), ("空调",), ("ac", "a/c", "conditioner")
    ),
    "humidifier": Spoken(("humidifier",), ("加湿器",), ("humidifiers",)),
    "dehumidifiers": Spoken(("dehumidifiers", "dehumidifier"), ("除湿器",), ("除湿机", "抽湿机")),
    "aromatherapy": Spoken(
        ("aromatherapy", "aromatherapy device"), ("香薰",), ("aroma", "diffuser", "香氛")
    ),
    "air_purifiers": Spoken(("air purifiers", "air purifier"), ("净化器",), ("purifier",)),
    "water_heater": Spoken(("water heater",), ("热水器",), ("boiler",)),
    "curtain": Spoken(("curtain", "curtains"), ("窗帘",)),
    "blinds": Spoken(("blinds",), ("百叶窗",), ("blind", "shutters")),
    "garage_door": Spoken(("garage door",), ("车库门",)),
    "media_player": Spoken(("media player",), ("播放器",), ("player", "music", "音乐")),
    "trash": Spoken(("trash", "trash bin"), ("垃圾桶",), ("garbage", "bin", "垃圾")),
    "vacuum_robot": Spoken(
        ("vacuum robot", "robot vacuum"), ("扫地机器人",), ("vacuum", "robot", "机器人", "扫地机")
    ),
}
VERBS: Mapping[str, Spoken] = {
    "turn_on": Spoken(("Turn on", "Switch on"), ("打开", "开启")),
    "turn_off": Spoken(("Turn off", "Switch off"), ("关掉", "关闭")),
    "open": Spoken(("Open",), ("拉开",)),
    "close": Spoken(("Close",), ("合上",)),
    "play": Spoken(("Play", "Start"), ("播放",)),
    "pause": Spoken(("Pause",), ("暂停",)),
    "stop": Spoken(("Stop",), ("停止",)),
    "pack": Spoken(("Pack",), ("打包",)),
}
QUALITIES: Mapping[str, Spoken] = {
    "brightness": Spoken(("brightness",), ("亮度",)),
    "speed": Spoken(("speed",), ("风速",)),
    "fan_speed": Spoken(("fan speed",), ("风速",)),
    "temperature": Spoken(("temperature",), ("温度",)),
    "intensity": Spoken(("intensity",), ("强度",)),
    "interval": Spoken(("interval",), ("间隔",)),
    "degree": Spoken(("degree",), ("开度",)),
    "volume": Spoken(("volume",), ("音量",)),
    "mode": Spoken(("mode",), ("模式",)),
    "swing": Spoken(("swing",), ("摆风",)),
}
OPTIONS: Mapping[str, Spoken] = {
    "auto": Spoken(("auto",), ("自动",)),
    "low": Spoken(("low",), ("低",)),
    "medium": Spoken(("medium",), ("中",)),
    "high": Spoken(("high",), ("高",)),
    "up": Spoken(("up",), ("上",)),
    "middle": Spoken(("middle",), ("中间",)),
    "down": Spoken(("down",), ("下",)),
    "cool": Spoken(("cool",), ("制冷",)),
    "heat": Spoken(("heat",), ("制热",)),
    "fan_only": Spoken(("fan only",), ("送风",)),
    "dry": Spoken(("dry",), ("干燥",)),
    "sleep": Spoken(("sleep",), ("睡眠",)),
    "heating": Spoken(("heating",), ("加热",)),
    "eco": Spoken(("eco",), ("节能",)),
    "strong": Spoken(("strong",), ("强力",)),
}
UNITS: Mapping[str, Spoken] = {
    "percent": Spoken((" percent", "%"), ("%",)),
    "degrees": Spoken((" degrees",), ("度",)),
    "seconds": Spoken((" seconds",), ("秒",)),
}


def ways(words: Mapping[str, Spoken], name: str, language: Language) -> tuple[str, ...]:
    """Return how to say a name in a language; a name that is not listed says itself."""
    spoken = words.get(name)
    if spoken is None:
        return (name.replace("_", " "),)
    return spoken.en if language == "en" else spoken.zh
