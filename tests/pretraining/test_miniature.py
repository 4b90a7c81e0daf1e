"""realgap.pretraining.miniature: the parts of a miniature Stable Diffusion, before any training."""

import torch

from realgap.pretraining import fitting, miniature, typeset

CAPTIONS = [t.format(name) for t in typeset.TEMPLATES for name in typeset.CLASS_NAMES]


def test_known_words_are_one_token_and_any_prompt_survives_the_round_trip():
    tokenizer = miniature.make_tokenizer(CAPTIONS, max_tokens=12)
    assert tokenizer.tokenize("a photo of the digit seven") == [
        f"{w}</w>" for w in ["a", "photo", "of", "the", "digit", "seven"]
    ]
    ids = fitting.token_ids(tokenizer, ["the digit seven", "sphinx of quartz, 42!", ""])
    assert ids.shape == (3, 12)
    assert (ids[:, 0] == tokenizer.bos_token_id).all()
    assert tokenizer.decode(ids[0], skip_special_tokens=True) == "the digit seven"
    spelt = tokenizer("quartz, 42!", add_special_tokens=False).input_ids
    assert tokenizer.unk_token_id not in spelt
    assert tokenizer.decode(spelt) == "quartz , 4 2 !"  # CLIP sets punctuation and each digit apart


def test_initial_weights_depend_on_the_seed_and_leave_the_global_stream_alone():
    before = torch.get_rng_state()
    one, same, other = (miniature.make_vae(16, (8, 8), seed).state_dict() for seed in (0, 0, 1))
    torch.testing.assert_close(one, same, rtol=0, atol=0)
    assert not torch.equal(one["encoder.conv_in.weight"], other["encoder.conv_in.weight"])
    assert torch.equal(torch.get_rng_state(), before)
