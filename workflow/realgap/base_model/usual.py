"""What the other keys of a part's config may be: the defaults of the libraries, and what Stable Diffusion's own have.

Whatever else they allow is another network, or one that takes weeks or all memory to build.
"""

from typing import Any

_NO = (False,)
_NONE = (None,)
_YES = (True,)

ALLOWED: dict[str, dict[str, tuple[Any, ...]]] = {
    "unet": {
        **dict.fromkeys(("center_input_sample", "only_cross_attention", "dual_cross_attention"), _NO),
        **dict.fromkeys(("resnet_skip_time_act", "class_embeddings_concat"), _NO),
        **dict.fromkeys(("reverse_transformer_layers_per_block", "num_attention_heads", "time_embedding_dim"), _NONE),
        **dict.fromkeys(("addition_time_embed_dim", "projection_class_embeddings_input_dim"), _NONE),
        **dict.fromkeys(("time_embedding_act_fn", "timestep_post_act", "cross_attention_norm"), _NONE),
        "use_linear_projection": (False, True),
        "upcast_attention": (False, True, None),  # null as diffusers writes it of models that it converted
        **dict.fromkeys(("resnet_time_scale_shift", "attention_type"), ("default",)),
        **dict.fromkeys(("conv_in_kernel", "conv_out_kernel"), (3,)),
        **dict.fromkeys(("downsample_padding", "mid_block_scale_factor", "resnet_out_scale_factor"), (1,)),
        "transformer_layers_per_block": (1,),
        "flip_sin_to_cos": _YES,
        "freq_shift": (0,),
        "dropout": (0,),
        "act_fn": ("silu",),
        "norm_eps": (1e-5, 1e-6),
        "time_embedding_type": ("positional",),
        "mid_block_only_cross_attention": (None, False),
        "addition_embed_type_num_heads": (64,),
    },
    "vae": {
        **dict.fromkeys(("use_quant_conv", "use_post_quant_conv", "mid_block_add_attention"), _YES),
        "force_upcast": (True, False),
        "act_fn": ("silu",),
    },
    "text_encoder": {"hidden_act": ("quick_gelu", "gelu"), "layer_norm_eps": (1e-5,), "attention_dropout": (0,)},
    "tokenizer": {
        "padding_side": ("right",),
        "truncation_side": ("right",),
    },
    "scheduler": {
        **dict.fromkeys(("thresholding", "rescale_betas_zero_snr", "euler_at_final", "use_karras_sigmas"), _NO),
        **dict.fromkeys(("use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas"), _NO),
        **dict.fromkeys(("use_dynamic_shifting",), _NO),
        **dict.fromkeys(("solver_p", "sigma_min", "sigma_max", "shift_terminal"), _NONE),
        **dict.fromkeys(("lower_order_final", "predict_x0"), _YES),
        **dict.fromkeys(("clip_sample", "skip_prk_steps", "set_alpha_to_one"), (True, False)),
        **dict.fromkeys(("clip_sample_range", "sample_max_value", "flow_shift"), (1,)),
        "variance_type": ("fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log", None),
        "dynamic_thresholding_ratio": (0.995,),
        "timestep_spacing": ("leading", "linspace", "trailing"),
        "steps_offset": (0, 1),
        "solver_order": (1, 2, 3),
        "algorithm_type": ("dpmsolver++", "dpmsolver", "sde-dpmsolver++", "sde-dpmsolver"),
        "solver_type": ("midpoint", "heun", "bh1", "bh2"),
        "final_sigmas_type": ("zero", "sigma_min"),
        "lambda_min_clipped": (float("-inf"), -5.1),
        "time_shift_type": ("exponential",),
        "disable_corrector": ([],),
    },
}


def wrong(part: str, config: dict[str, Any]) -> tuple[str, tuple[Any, ...]] | None:
    """The first key of a part's config that is none of what it may be, and what that is."""
    for key, allowed in ALLOWED[part].items():
        if key in config and not any(_same(config[key], one) for one in allowed):
            return key, allowed
    return None


def _same(value: Any, one: Any) -> bool:
    """Equal as JSON sees it: true is no 1."""
    return isinstance(value, bool) == isinstance(one, bool) and type(value) in (type(one), float, int) and value == one
