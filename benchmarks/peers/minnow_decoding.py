"""Minnow translating with the search of ``minnow translate``: random weights, the end of a text forbidden."""

from importlib.metadata import version

import torch
from contender import num_cores
from marian import (
    BEAMS,
    DECODER_LAYERS,
    ENCODER_LAYERS,
    END,
    GATED_INNER,
    HEADS,
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

from minnow.decoding.translating import TranslationSettings, translate_rows
from minnow.models.transformer_seq2seq import TransformerSeq2Seq, TransformerSeq2SeqConfig

NO_MORE = 1e-6  # tokens of a target for one of its source, beside those that each may have


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--precision", choices=("float32", "bfloat16", "int8"), default="float32")
    given = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(num_cores())  # the search's own workers take a core each
    model = TransformerSeq2Seq(
        TransformerSeq2SeqConfig(
            vocab_size=VOCAB_SIZE,
            start_id=PAD,
            hidden_size=WIDTH,
            encoder_layers=ENCODER_LAYERS,
            decoder_layers=DECODER_LAYERS,
            num_heads=HEADS,
            inner_size=GATED_INNER,
        )
    ).eval()
    model.eight_bits = given.precision == "int8"
    model.to(torch.bfloat16 if given.precision == "bfloat16" else torch.float32)
    rows = sources()
    settings = {beam: TranslationSettings(beam, max_ratio=NO_MORE, max_extra=TOKENS) for beam in BEAMS.values()}

    def translate(beam: int) -> Ids:
        found = translate_rows(model, rows, settings[beam], END, banned_ids=[END, PAD], rows_at_once=ROWS)
        return [list(best[0].token_ids) for best in found]

    versions = {"minnow-lm": version("minnow-lm"), "torch": torch.__version__}
    race(translate, given.seconds, versions, parameters=model.num_parameters(), arithmetic=given.precision)


if __name__ == "__main__":
    main()
