"""CTranslate2: the Marian of ``transformers_marian.py``, one translator a core with one thread each.

``--convert`` writes its form of the model, in a process of its own: two such libraries in one slow each other down.
"""

import json
from pathlib import Path

import ctranslate2
from contender import num_cores
from marian import (
    DECODER_LAYERS,
    ENCODER_LAYERS,
    END,
    HEADS,
    PAD,
    ROWS,
    TOKENS,
    VOCAB_SIZE,
    Ids,
    arguments,
    race,
    sources,
)

WORDS = [f"w{number}" for number in range(VOCAB_SIZE)]


def convert(folder: Path) -> int:
    """Write the model; its number of parameters."""
    from ctranslate2.converters.transformers import MarianMTLoader
    from ctranslate2.specs import Activation, TransformerSpec
    from transformers_marian import network

    model = network()
    spec = TransformerSpec.from_config(
        (ENCODER_LAYERS, DECODER_LAYERS), HEADS, pre_norm=False, activation=Activation.SWISH
    )
    loader = MarianMTLoader()
    loader.set_encoder(spec.encoder, model.model.encoder)
    loader.set_decoder(spec.decoder, model.model.decoder)
    loader.set_linear(spec.decoder.projection, model.lm_head)
    for embedding in (spec.encoder.embeddings[0], spec.decoder.embeddings):
        embedding.multiply_by_sqrt_depth = True
    spec.register_source_vocabulary(WORDS)
    spec.register_target_vocabulary(WORDS)
    spec.config.bos_token = spec.config.decoder_start_token = WORDS[PAD]
    spec.config.eos_token, spec.config.unk_token = WORDS[END], WORDS[1]
    spec.validate()
    spec.optimize()
    folder.mkdir(parents=True)
    spec.save(str(folder))
    return sum(parameter.numel() for parameter in model.parameters())


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("folder", type=Path, help="of the converted model")
    parser.add_argument("--convert", action="store_true")
    parser.add_argument("--int8", action="store_true")
    given = parser.parse_args()
    if given.convert:
        print(json.dumps({"parameters": convert(given.folder)}))
        return
    translator = ctranslate2.Translator(
        str(given.folder),
        device="cpu",
        compute_type="int8" if given.int8 else "float32",
        inter_threads=num_cores(),
        intra_threads=1,
    )
    rows = [[WORDS[number] for number in row] for row in sources()]

    def translate(beam: int) -> Ids:
        found = translator.translate_batch(
            rows,
            beam_size=beam,
            min_decoding_length=TOKENS,
            max_decoding_length=TOKENS,
            max_batch_size=ROWS,
        )
        return [[int(word[1:]) for word in one.hypotheses[0]] for one in found]

    race(translate, given.seconds, {"ctranslate2": ctranslate2.__version__}, arithmetic=translator.compute_type)


if __name__ == "__main__":
    main()
