"""A made-up home in the released format, quirks included, and records that ask it things."""

import copy
import json

from rdagent.suites.homebench.data.homes import read_home
from rdagent.suites.homebench.data.lines import Place
from rdagent.suites.homebench.data.records import read_records


def method(room, device, operation, **parameters):
    listed = [{"name": name, "type": type_} for name, type_ in parameters.items()]
    return {
        "room_name": room,
        "device_name": device,
        "operation": operation,
        "parameters": listed,
    }


HOME = {
    "home_id": 7,
    "method": [
        method("kitchen", "light", "turn_on"),
        method("kitchen", "light", "turn_off"),
        method("kitchen", "light", "set_brightness", brightness="int"),
        method("kitchen", "light", "set_color", color="typing.Tuple[int, int, int]"),
        method("ding_room", "curtain", "open"),
        method("ding_room", "curtain", "set_degree", degree="int"),
        method("ding_room", "fan", "turn_on"),
        method("store_room", "fan", "set_speed", speed="str"),
        method("None", "vacuum_robot", "set_mode", mode="str"),
        method("None", "vacuum_robot", "set_cleaning_area", area="str"),
    ],
    "home_status": {
        "kitchen": {
            "room_name": "kitchen",
            "light": {
                "state": "on",
                "attributes": {
                    "brightness": {"value": 40, "lowest": "0", "highest": "100"},
                    "color": {"value": [25, 0, 52]},
                },
            },
        },
        "ding_room": {
            "room_name": "ding_room",
            "curtain": {
                "state": "closed",
                "attributes": {" degree": {"value": 3, "lowest": 0, "highest": "100"}},
            },
            "fan": {"state": "off", "attributes": {}},
        },
        "store_room": {
            "room_name": "store_room",
            "fan": {
                "state": "on",
                "attributes": {"speed": {"value": "low", "options": ["low", "high"]}},
            },
        },
        "VacuumRobot": {
            "state": "on",
            "attributes": {
                "battery": {"value": 9, "lowest": 0, "highest": 100},
                "mode": {"value": "auto", "options": ["auto", "strong"]},
            },
        },
    },
}


def home_document():
    return copy.deepcopy(HOME)


def home(document=HOME):
    return read_home(Place("homes.jsonl", 1), document)


def asked(id_, text, output, type_="normal", home_id=7):
    return {"id": id_, "input": text, "output": output, "home_id": home_id, "type": type_}


RECORDS = [
    asked("home7_one_0", "Dim the kitchen light to 20.", "''' kitchen.light.set_brightness(20)'''"),
    asked(
        "home7_one_1", "Turn on the heating in the kitchen.", "'''error_input'''", "unexist_device"
    ),
    asked(
        "home7_multi_0",
        "Open the dining room curtain and turn off the kitchen light.",
        "'''ding_room.curtain.open(),kitchen.light.turn_off(),'''",
        "multi2_normal",
    ),
    asked(
        "home7_multi_1",
        "Swing the fan in the store room and cool the kitchen down.",
        "'''error_input,error_input,'''",
        "multi2_unexist_attribute",
    ),
    asked(
        "home7_multi_2",
        "Set the vacuum robot to strong, open the garage, and turn on the fan in the dining room.",
        "'''vacuum_robot.set_mode(strong),error_input,ding_room.fan.turn_on(),'''",
        "multi3_mix",
    ),
]


def write_lines(path, documents):
    path.write_text("".join(f"{json.dumps(d, ensure_ascii=False)}\n" for d in documents), "utf-8")
    return path


def records(folder, documents=RECORDS):
    return read_records(write_lines(folder / "some.jsonl", documents))


def write_folder(folder, **splits):
    """Write a data folder with one home: ``test=[...]`` and so on."""
    folder.mkdir(exist_ok=True)
    write_lines(folder / "home_status_method.jsonl", [HOME])
    for split, documents in splits.items():
        write_lines(folder / f"{split}_data.jsonl", documents)
    return folder
