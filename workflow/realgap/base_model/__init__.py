"""The frozen base model, part by part, behind one small interface: the only package that imports diffusers.

A base model is a folder in diffusers' layout. What its parts are follows from its family (families.py); the rest of the
project knows five things of it: autoencoder.encode and .decode, denoiser.predictor, schedules.noise and .sampler,
and prompting.embed. samplers.py lists the samplers that a study may name. Weights are read from safetensors only, and
no code comes with a model.
"""
