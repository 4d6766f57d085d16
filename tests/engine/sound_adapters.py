"""Make sound adapters with real peft: run in an image as ``python FILE FOLDER``.

Small models of seven architectures with random weights, an adapter on each that changes
something; the last one's weights also as pickles, one of which runs code when it is read.
"""

import sys
from pathlib import Path

SIZES = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
GPT2 = {"vocab_size": 128, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
#: Architecture → what its configuration has beside the sizes, and what is adapted.
KINDS = {
    "Llama": ({"tie_word_embeddings": True}, "all-linear"),
    "Qwen2": ({}, "all-linear"),
    "Mistral": ({}, ["q_proj", "v_proj", "down_proj"]),
    "Gemma": ({"head_dim": 16}, "all-linear"),
    "GPT2": (GPT2, ["c_attn", "c_proj"]),
    "Phi3": ({"pad_token_id": 0}, ["qkv_proj", "gate_up_proj"]),
    "Mixtral": ({"num_local_experts": 4}, ["q_proj", "v_proj"]),
}
PICKLED = "Qwen2"


class RunsCode:
    def __reduce__(self):
        return (print, ("this must never be printed on the host",))


def main(folder: str) -> None:
    import torch
    import transformers
    from peft import LoraConfig, get_peft_model
    from safetensors.torch import load_file

    for name, (changes, targets) in KINDS.items():
        torch.manual_seed(0)
        values = changes if name == "GPT2" else {**SIZES, **changes}
        config = getattr(transformers, f"{name}Config")(**values)
        kind = "LMHeadModel" if name == "GPT2" else "ForCausalLM"
        base = Path(folder) / name / "base"
        getattr(transformers, f"{name}{kind}")(config).save_pretrained(base)
        model = transformers.AutoModelForCausalLM.from_pretrained(base)
        lora = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, target_modules=targets)
        model = get_peft_model(model, lora)
        for title, weights in model.named_parameters():
            if "lora_B" in title:
                torch.nn.init.normal_(weights, std=0.05)
        model.save_pretrained(Path(folder) / name / "adapter")
    weights = load_file(Path(folder) / PICKLED / "adapter" / "adapter_model.safetensors")
    for title, content in (("pickled", weights), ("hostile", {**weights, "x": RunsCode()})):
        place = Path(folder) / title
        place.mkdir()
        torch.save(content, place / "adapter_model.bin")
        text = (Path(folder) / PICKLED / "adapter" / "adapter_config.json").read_text()
        (place / "adapter_config.json").write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
