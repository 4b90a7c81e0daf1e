"""The frozen diffusion model, the inversion of images into its conditioning, and sampling from it."""
