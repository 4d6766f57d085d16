"""The Chinese share of the pre-training mixture: small talk and requests."""

from __future__ import annotations

import random

from rdagent.demo.home_requests import Request

CHAT = (
    ("你好。", "你好，我能帮你什么？"),
    ("谢谢。", "不客气。"),
    ("你是谁？", "我是一个用来测试的小模型。"),
    ("再见。", "再见，祝你愉快。"),
    ("请重复：厨房的灯", "厨房的灯"),
    ("请重复：打开空调", "打开空调"),
)
_ROOMS = {
    "master_bedroom": "主卧",
    "guest_bedroom": "次卧",
    "living_room": "客厅",
    "dining_room": "餐厅",
    "study_room": "书房",
    "kitchen": "厨房",
    "bathroom": "浴室",
    "foyer": "门厅",
    "corridor": "走廊",
    "balcony": "阳台",
    "garage": "车库",
    "store_room": "储藏室",
}
_DEVICES = {
    "light": "灯",
    "fan": "风扇",
    "heating": "暖气",
    "air_conditioner": "空调",
    "humidifier": "加湿器",
    "dehumidifiers": "除湿器",
    "aromatherapy": "香薰",
    "air_purifiers": "净化器",
    "water_heater": "热水器",
    "curtain": "窗帘",
    "blinds": "百叶窗",
    "garage_door": "车库门",
    "media_player": "播放器",
    "trash": "垃圾桶",
}
_VERBS = {
    "turn_on": "打开",
    "turn_off": "关掉",
    "open": "拉开",
    "close": "合上",
    "play": "播放",
    "pause": "暂停",
    "pack": "打包",
}
_QUALITIES = {
    "brightness": "亮度",
    "speed": "风速",
    "temperature": "温度",
    "intensity": "强度",
    "interval": "间隔",
    "degree": "开度",
    "volume": "音量",
}


def ask(rng: random.Random, request: Request) -> tuple[str, str]:
    """Say a request in Chinese and give its call, or none."""
    asked = rng.choice(("对应的调用是什么：{}", "请找出调用。{}"))
    return asked.format(sentence(request)), request.call or "none"


def sentence(request: Request) -> str:
    """Say one request in Chinese."""
    place = f"{_ROOMS[request.room]}的{_DEVICES[request.device]}"
    if request.value:
        quality = _QUALITIES[request.operation.removeprefix("set_")]
        return f"把{place}的{quality}调到{request.value}。"
    return f"{_VERBS[request.operation]}{place}。"
