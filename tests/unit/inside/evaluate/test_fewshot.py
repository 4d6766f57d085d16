from rdagent.inside.evaluate.fewshot import set_numbers


class Task:
    """As far as lm_eval's: a configuration that can be read and set."""

    def __init__(self, name, number):
        self.task_name = name
        self._config = {"num_fewshot": number}

    def get_config(self, key):
        return self._config.get(key)

    def set_config(self, key, value):
        self._config[key] = value


def numbers(tasks, by_task):
    set_numbers(tasks, by_task)
    return [task.get_config("num_fewshot") for task in tasks]


def test_each_task_gets_its_own_number_and_the_others_keep_theirs():
    tasks = [Task("a", 5), Task("b", None), Task("c", 4)]
    assert numbers(tasks, {"a": 0, "b": 3, "elsewhere": 1}) == [0, 3, 4]


def test_a_task_that_is_made_without_examples_keeps_none():
    assert numbers([Task("a", 0)], {"a": 5}) == [0]


def test_setting_the_same_numbers_again_changes_nothing():
    tasks = [Task("a", 5), Task("b", 5)]
    assert numbers(tasks, {"a": 2, "b": 0}) == numbers(tasks, {"a": 2, "b": 0}) == [2, 0]
