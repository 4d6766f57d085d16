"""When a likelihood may come from a shared beginning."""

from rdagent.inside.evaluate.vllm_prefixes import has_room, is_too_much


def test_the_first_token_of_an_answer_needs_the_position_before_it():
    assert not is_too_much(cached=0, context=1)
    assert not is_too_much(cached=127, context=128)
    assert is_too_much(cached=128, context=128)
    assert is_too_much(cached=144, context=128)


def test_room_is_counted_in_whole_blocks_with_the_token_that_is_generated():
    assert has_room([[0] * 15], block_size=16, blocks=1)
    assert not has_room([[0] * 16], block_size=16, blocks=1)
    assert not has_room([[0] * 15, [0]], block_size=16, blocks=1)
    assert has_room([[0] * 15, [0]], block_size=16, blocks=2)


def test_an_engine_that_does_not_say_how_many_blocks_it_has_shares_nothing():
    assert not has_room([[0]], block_size=16, blocks=None)
