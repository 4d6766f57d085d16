"""Where a plain ``docker run`` of the evaluation image looks for an adapter."""

from rdagent.inside.evaluate import environment


def test_the_folder_that_the_training_image_wrote_is_found(tmp_path):
    trained = tmp_path / "output" / "adapter"
    trained.mkdir(parents=True)
    (trained / "adapter_config.json").write_text('{"r": 8}')
    plan = environment.read({"BASE_MODEL": "/m", "ADAPTER_PATH": str(tmp_path / "output")})
    assert plan.request.variants[0].adapter == str(trained)


def test_an_adapter_in_the_folder_itself_comes_first(tmp_path):
    (tmp_path / "adapter").mkdir()
    for folder in (tmp_path, tmp_path / "adapter"):
        (folder / "adapter_config.json").write_text('{"r": 8}')
    plan = environment.read({"BASE_MODEL": "/m", "ADAPTER_PATH": str(tmp_path)})
    assert plan.request.variants[0].adapter == str(tmp_path)
