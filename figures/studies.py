"""The figures of the studies that compare label functions, that vary settings, and that decide trends: one entry each."""

from theory_sim.figures.common.by_label_function import label_function_figure
from theory_sim.figures.common.by_setting import setting_figure
from theory_sim.figures.common.by_trend import Curve, trend_figure
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
    trend_figure(
        "success",
        "The probability that a replica meets all conclusions of both theorems, against the dimension.",
        more="Share of replicas whose own numbers meet the bounds of all nine claims, against the dimension d, with k = ⌊d^0.4⌋"
        " subclasses per coarse class.",
        key="data.dim",
        curves={"success": Curve("meets all conclusions", "fine", share=True)},
        bounds=[0.9],
        ylabel="share of replicas",
    ),
    trend_figure(
        "lucky_growth",
        "The law 1/k: growth of lucky neurons for rare features against those for common ones.",
        more="Growth for rare features ÷ growth for common ones, times the number k of subclasses, against k, in the coarse"
        " model: of the correlations of lucky neurons (those that the feature fires at initialisation), and of the response of"
        " the head, to which newcomers (neurons that start to fire later) add.",
        key="tree.subclasses",
        curves={"lucky-growth": Curve("lucky neurons", "common"), "response-growth": Curve("response", "rare")},
        bounds=[0.8, 1.2],
        ylabel="k · rare ÷ common growth",
        log=True,
    ),
    trend_figure(
        "kept_sets",
        "Lucky sets in training: neurons that stop firing, and newcomers, against the threshold.",
        more="Kept: smallest share, over recorded steps, of the lucky neurons (those that a feature fires at initialisation) that"
        " it still fires. Newcomers: number of neurons that it fires only at the end, for each lucky neuron. Both are against"
        " the threshold τ, for each leaf's own head with its rare and its common feature; the width rises with τ.",
        key="network.threshold",
        curves={
            "coarse-kept": Curve("kept, coarse", "coarse"),
            "fine-kept": Curve("kept, fine", "fine"),
            "coarse-newcomers": Curve("newcomers, coarse", "noise"),
            "fine-newcomers": Curve("newcomers, fine", "rare"),
        },
        bounds=[0.05, 0.99],
        ylabel="per lucky neuron",
    ),
    trend_figure(
        "theory_sets",
        "Lucky sets at the theory's threshold and width: neurons that stop firing, and newcomers, against the dimension.",
        more="As in the figure kept_sets, at the theory's own threshold τ = √((4 + 2c₀) ln d) and width m = d^(2 + 2c₀), by the"
        " engine lucky, which holds all neurons that can ever fire.",
        key="data.dim",
        curves={
            "coarse-kept": Curve("kept, coarse", "coarse"),
            "fine-kept": Curve("kept, fine", "fine"),
            "coarse-newcomers": Curve("newcomers, coarse", "noise"),
            "fine-newcomers": Curve("newcomers, fine", "rare"),
        },
        bounds=[0.05, 0.99],
        ylabel="per lucky neuron",
    ),
    trend_figure(
        "leaf_coverage",
        "Leaves without a lucky neuron: how often they occur, and the fine model's failures.",
        more="Share of replicas in which some leaf is uncovered (its head has no lucky neuron for its rare feature), as drawn and"
        " as the law of the initial weights predicts, 1 − (1 − (1 − Q(τ))^m)^n with n leaves, and the fine model's hard error,"
        " against the width m.",
        key="network.neurons",
        curves={
            "uncovered": Curve("some leaf uncovered", "fine", share=True),
            "uncovered-predicted": Curve("predicted", "fine", predicted=True),
            "fine-hard-error": Curve("hard error, fine", "rare"),
        },
        bounds=[],
        ylabel="share",
        height=4.6,
    ),
    trend_figure(
        "dominant_noise",
        "The response to a patch of dominant noise, against its norm.",
        more="Expected response to a fresh patch of dominant noise at the end of training, mean over heads, and the part of this"
        " response that training added, against the norm σ*√d of the noise, for the coarse and the fine model.",
        key="hard.noise",
        curves={
            "coarse-dominant": Curve("coarse", "coarse"),
            "fine-dominant": Curve("fine", "fine"),
            "coarse-dominant-grown": Curve("coarse, trained part", "noise"),
            "fine-dominant-grown": Curve("fine, trained part", "rare"),
        },
        bounds=[],
        ylabel="response",
        log=True,
    ),
):
    register(figure)
