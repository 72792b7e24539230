"""The figures of the studies that compare label functions, and of those that vary settings: one entry each."""

from theory_sim.figures.common.by_label_function import label_function_figure
from theory_sim.figures.common.by_setting import setting_figure
from theory_sim.figures.common.figure import register

for figure in (
    label_function_figure(
        "hierarchy",
        "A meaningful hierarchy: true subclasses against labels that split the coarse classes otherwise.",
        more="Must the hierarchy of pretraining labels be meaningful? True subclasses (leaf) against as many labels that split"
        " each coarse class at random, that k-means finds in each, or that are random altogether, on a finite training set.",
        readout="a linear probe",
    ),
    label_function_figure(
        "alignment",
        "Alignment with the target: groups of subclasses inside the coarse classes against groups that cut across them.",
        more="Must pretraining labels align with the target? Groups of whole subclasses, and k-means clusters, inside the"
        " coarse classes against as many that cut across them, on a finite training set.",
        readout="a linear probe",
    ),
    setting_figure(
        "coarse_classes",
        "More than two coarse classes: errors against their number.",
        more="The paper has two coarse classes; here there are K, with eight subclasses each. Guessing has the error 1 − 1/K.",
        keys=["tree.coarse"],
    ),
    label_function_figure(
        "deep_tree",
        "A three-level tree: each level as pretraining labels, and mixed levels.",
        more="A label tree of three levels: two coarse classes of three families of three leaves each. The pretraining labels"
        " are each level in turn, and mixed levels, a different one in each coarse class.",
        readout="the coarse class of the highest head",
    ),
    setting_figure(
        "long_tail",
        "Subclasses of unequal size and number.",
        more="Unequal subclasses: the c-th of eight has a share ∝ c^−t of its class, where t is the tail exponent. Dotted, with"
        " diamonds: classes of four and of twelve equal subclasses.",
        keys=["tree.tail"],
        series="tree.subclasses",
    ),
    setting_figure(
        "hard_share",
        "Hard samples in training, from none to all of them.",
        more="A share ρ of the training samples is hard, as the hard test samples are.",
        keys=["data.hard_share"],
    ),
    setting_figure(
        "output_layer",
        "The output layer trained or frozen.",
        more="The output weights are trained with the same step size (yes), or frozen at a = 1 as in the paper (no).",
        keys=["network.train_output"],
    ),
    setting_figure(
        "finetuning",
        "Transfer to the coarse target: finetuning for an increasing number of steps, a linear probe, and summed logits.",
        more="Pretrained models are finetuned on coarse labels, all weights, for the given number of steps. A linear probe and"
        " the sum of logits do not depend on that number.",
        keys=["transfer.steps"],
        readouts=["finetuning", "linear_probe", "sum_logits"],
    ),
    setting_figure(
        "shift",
        "A target whose samples follow another law than the training samples.",
        more="Models are trained on samples of one law and tested on samples of another: with more noise, with strengths that"
        " vary more, with features of the other classes in easy samples, and with stronger ones in hard samples. Each setting"
        " is varied alone; the grey line is its value in training.",
        keys=["target.noise", "target.strength_spread", "target.feature_noise_patches", "hard.feature_noise"],
    ),
    setting_figure(
        "label_noise",
        "Wrong labels in training.",
        more="A share of the training samples has the label of a uniformly drawn leaf, which for some is still the right one.",
        keys=["data.label_noise"],
    ),
):
    register(figure)
