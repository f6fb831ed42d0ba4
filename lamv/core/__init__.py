"""Floor 0: pure functions of arrays. No config, no files, no flax; anything here can be lifted into another project.

Vocabulary and axis letters, used all over lamv:

label (int, B) · target (probabilities, B x K) · features (penultimate activations, B x D) · attribute a (what the cue
says, int) · group g = y * A + a · lam (mixing weight) · partner (the example that is mixed in) · cue (planted feature)

B examples of a batch, N of a data set · K classes · D features · G groups · R replicas (seeds x settings) · H W C image
"""
