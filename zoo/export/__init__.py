"""What leaves the zoo: a run's encoder, conditioner and denoiser as a pipeline of diffusers."""
