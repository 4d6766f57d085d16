"""Make adapters with real peft: run in an image as ``python FILE BASE FOLDER``.

What vLLM cannot serve as it is, one folder each.  Their weights are random, and large
enough to change what the base answers.
"""

import sys
from pathlib import Path

ATTENTION = ["q_proj", "v_proj"]
KINDS = {
    "dora": {"target_modules": ATTENTION, "use_dora": True},
    # On a base whose embeddings are its output layer as well: only one end is adapted.
    "rank_pattern": {
        "target_modules": [*ATTENTION, "embed_tokens"],
        "rank_pattern": {"q_proj": 4},
        "alpha_pattern": {"v_proj": 32},
    },
    # With two more tokens than the base.
    "saved": {"target_modules": ATTENTION, "modules_to_save": ["embed_tokens"]},
}


def main(base: str, folder: str) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for name, options in KINDS.items():
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_pretrained(base)
        tokenizer = AutoTokenizer.from_pretrained(base)
        if name == "saved":
            tokenizer.add_tokens(["<new-one>", "<new-two>"])
            model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
        config = LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, **options)
        model = get_peft_model(model, config)
        for title, weights in model.named_parameters():
            if "lora_B" in title or "lora_embedding_A" in title:
                torch.nn.init.normal_(weights, std=0.25)
            elif "modules_to_save" in title:
                weights.data += 0.05 * torch.randn_like(weights)
        model.save_pretrained(Path(folder) / name)
        tokenizer.save_pretrained(Path(folder) / name)


if __name__ == "__main__":
    main(*sys.argv[1:])
