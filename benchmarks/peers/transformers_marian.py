"""transformers: Marian with random weights, in float32, on all cores at once."""

import torch
import transformers
from contender import num_cores
from marian import (
    DECODER_LAYERS,
    ENCODER_LAYERS,
    END,
    HEADS,
    INNER,
    PAD,
    ROWS,
    TOKENS,
    VOCAB_SIZE,
    WIDTH,
    Ids,
    arguments,
    race,
    sources,
)


def network() -> transformers.MarianMTModel:
    """The same weights in every process."""
    torch.manual_seed(0)
    config = transformers.MarianConfig(
        vocab_size=VOCAB_SIZE,
        d_model=WIDTH,
        encoder_layers=ENCODER_LAYERS,
        decoder_layers=DECODER_LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=INNER,
        decoder_ffn_dim=INNER,
        max_position_embeddings=256,
        pad_token_id=PAD,
        decoder_start_token_id=PAD,
        eos_token_id=END,
        forced_eos_token_id=None,
        scale_embedding=True,
        activation_function="swish",
        share_encoder_decoder_embeddings=True,
        init_std=0.1,  # smaller weights write one word whatever the source
    )
    return transformers.MarianMTModel(config).eval()


def main() -> None:
    given = arguments(__doc__).parse_args()
    torch.set_num_threads(num_cores())
    model = network()
    rows = torch.tensor(sources())

    @torch.inference_mode()
    def translate(beam: int) -> Ids:
        written: Ids = []
        for part in rows.split(ROWS):
            found = model.generate(
                part,
                attention_mask=torch.ones_like(part),
                num_beams=beam,
                do_sample=False,
                min_new_tokens=TOKENS,
                max_new_tokens=TOKENS,
            )
            written += found[:, 1:].tolist()  # without the start
        return written

    parameters = sum(parameter.numel() for parameter in model.parameters())
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    race(translate, given.seconds, versions, parameters=parameters, arithmetic="float32")


if __name__ == "__main__":
    main()
