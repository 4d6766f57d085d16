"""How far an evaluation is, as its log tells."""

from rdagent.evaluation.progress import EvaluationProgress

STARTS = "evaluate: variant 'tuned' starts\n"
BAR = "Running generate_until requests:  42%|████▏     | 5/12 [00:03<00:03,  1.76it/s]"


def test_a_bar_is_told_in_words_with_its_model():
    assert EvaluationProgress().read(STARTS + BAR) == "tuned: generate_until 5 of 12"


def test_the_last_of_bars_that_were_drawn_over_each_other_counts():
    later = BAR.replace("5/12", "11/12")
    assert EvaluationProgress().read(f"{STARTS}{BAR}\r{later}").endswith("11 of 12")


def test_the_models_name_is_kept_when_it_has_scrolled_away():
    progress = EvaluationProgress()
    progress.read(STARTS)
    assert progress.read(BAR) == "tuned: generate_until 5 of 12"


def test_a_bar_of_the_model_before_is_not_the_next_ones():
    text = STARTS + BAR + "\nevaluate: variant 'base' starts\n"
    assert EvaluationProgress().read(text) == "base: starting"


def test_warnings_and_escapes_of_the_log_are_not_shown():
    noise = "\x1b]0;title\x07 Traceback: 7%| evil\nwarnings.warn(\n"
    assert EvaluationProgress().read(STARTS + BAR + "\n" + noise).endswith("5 of 12")
    assert EvaluationProgress().read(noise) == ""
