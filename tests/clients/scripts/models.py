"""What ``transformers`` does with a hub; run with the name of a user."""

import sys
import tempfile

import steps

USER = sys.argv[1] if len(sys.argv) > 1 else "ann"

if __name__ == "__main__":
    import torch
    from huggingface_hub import HfApi
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerFast

    torch.manual_seed(0)
    tiny = LlamaConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=8,
        max_position_embeddings=32,
    )
    words = {"<unk>": 0, "a": 1, "b": 2, "c": 3, "<s>": 4, "</s>": 5}
    plain = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()


def step_push():
    model = AutoModelForCausalLM.from_config(tiny)
    model.push_to_hub(f"{USER}/llama")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    tokenizer.push_to_hub(f"{USER}/llama")
    files = set(HfApi().list_repo_files(f"{USER}/llama"))
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= files, files


def step_load():
    assert AutoConfig.from_pretrained(f"{USER}/llama").hidden_size == 16
    model = AutoModelForCausalLM.from_pretrained(f"{USER}/llama")
    tokenizer = AutoTokenizer.from_pretrained(f"{USER}/llama")
    ids = tokenizer("a b c", return_tensors="pt")["input_ids"]
    assert ids.tolist()[0][-3:] == [1, 2, 3], ids
    torch.manual_seed(0)
    fresh = AutoModelForCausalLM.from_config(tiny)
    assert torch.equal(model(ids).logits, fresh.eval()(ids).logits)
    assert model.generate(ids, max_new_tokens=3, do_sample=False).shape[1] > ids.shape[1]


def step_revisions():
    api = HfApi()
    api.create_tag(f"{USER}/llama", tag="v1")
    model = AutoModelForCausalLM.from_pretrained(f"{USER}/llama")
    with torch.no_grad():
        model.lm_head.weight.zero_()
    model.push_to_hub(f"{USER}/llama", commit_message="zeroed")
    fetch = tempfile.mkdtemp()
    assert AutoModelForCausalLM.from_pretrained(f"{USER}/llama", cache_dir=fetch).lm_head.weight.abs().sum() == 0
    before = AutoModelForCausalLM.from_pretrained(f"{USER}/llama", revision="v1", cache_dir=fetch)
    assert before.lm_head.weight.abs().sum() > 0


def step_safetensors_metadata():
    info = HfApi().get_safetensors_metadata(f"{USER}/llama")
    assert "model.embed_tokens.weight" in info.weight_map
    assert HfApi().model_info(f"{USER}/llama").safetensors.total > 0


if __name__ == "__main__":
    steps.run(sys.modules["__main__"])
