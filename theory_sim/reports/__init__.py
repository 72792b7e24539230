"""Report pages: one self-contained HTML file for a run, for runs side by side, for a study, or for a study on real images.

The facts of each kind are plain values, which ``summary.json`` holds; `charts` and `neuron_map` have what is drawn; `page` fills
the templates. A page opens without a network: its style, its scripts and its numbers are inside, and its content security policy
forbids every request and every other script.
"""
