"""The simulated data set: baseline, subjects, and the confound it can show."""

import time

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from registry import BadParameters
from zoo.contracts import DataError
from zoo.datasets.pocket import Pocket


def pooled(eeg_NCT, step):
    """Means over `step` samples, flattened: what a linear classifier gets."""
    n_times = eeg_NCT.shape[2] // step * step
    pieces = eeg_NCT[:, :, :n_times].reshape(*eeg_NCT.shape[:2], -1, step)
    return pieces.mean(axis=3).reshape(len(eeg_NCT), -1)


def log_covariances(eeg_NCT):
    """Matrix logarithm of each trial's covariance: a Riemannian view, blind to phase."""
    centred = eeg_NCT - eeg_NCT.mean(axis=2, keepdims=True)
    covariance = np.einsum("nct,ndt->ncd", centred, centred) / eeg_NCT.shape[2]
    values, vectors = np.linalg.eigh(covariance + 0.5 * np.eye(eeg_NCT.shape[1]))
    logs = np.einsum("nck,nk,ndk->ncd", vectors, np.log(values), vectors)
    return logs[:, *np.triu_indices(eeg_NCT.shape[1])]


def lda(features, label, part):
    """Test accuracy of shrinkage LDA trained on the training trials."""
    train, test = part == "train", part == "test"
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return model.fit(features[train], label[train]).score(features[test], label[test])


def linear_baseline(dataset):
    """The baseline that fixes the signal-to-noise ratio: 50 Hz means of 32 channels, LDA."""
    trials = dataset.load()
    part = dataset.split_of(trials.table)
    return lda(pooled(trials.eeg, 5), trials.table.label.to_numpy(), part), (part == "test").sum()


def test_linear_baseline_leaves_room_on_both_sides():
    started = time.process_time()
    accuracy, n_test = linear_baseline(Pocket(subjects=[1], band=[5, 95]))
    assert n_test >= 300
    assert 0.78 <= accuracy <= 0.92
    assert time.process_time() - started < 60  # about 5 s on one idle core


def quick(**params):
    """A smaller data set: five classes, 60 pictures each, one subject."""
    return Pocket(**{"subjects": [1], "n_classes": 5, "images_per_class": 60, **params})


def decoded(features, **params):
    dataset = quick(**params)
    trials = dataset.load()
    label = trials.table.label.to_numpy()
    return lda(features(trials.eeg), label, dataset.split_of(trials.table))


def test_without_responses_nothing_is_decoded():
    assert decoded(lambda eeg: pooled(eeg, 5), snr=0, band=[5, 95]) < 0.4
    assert decoded(log_covariances, snr=0, band=[1, 70]) < 0.4


def test_drift_by_block_betrays_the_class_below_5_hz_only():
    """No response at all, one block per class: 1-70 Hz 'decodes' the block, 5-95 Hz cannot."""
    assert decoded(log_covariances, snr=0, drift=1, band=[1, 70]) > 0.8
    assert decoded(log_covariances, snr=0, drift=1, band=[5, 95]) < 0.4


def test_another_block_does_not_help():
    """With several blocks per class and a whole run held out, drift says nothing."""
    held_out = {"by": "run", "test": ["3"], "val": ["2"]}
    params = {"snr": 0, "drift": 1, "band": [1, 70], "blocks_per_class": 3, "split": held_out}
    assert decoded(log_covariances, **params) < 0.4


def test_subjects_differ_and_do_not_depend_on_each_other():
    both, second = quick(subjects=[1, 2]).load(), quick(subjects=[2]).load()
    mine = both.table.subject == 1
    assert np.array_equal(both.eeg[mine], second.eeg)
    assert both.signal.n_subjects == 6
    assert set(both.table.image_id[mine]) == set(both.table.image_id[~mine])
    assert not np.allclose(both.eeg[mine][:50].std(axis=2), both.eeg[~mine][:50].std(axis=2))
    part = quick(subjects=[1, 2], split="all").split_of(both.table)
    images = [set(both.table.image_id[part == p]) for p in ("train", "val", "test")]
    assert not images[0] & images[1] | images[0] & images[2] | images[1] & images[2]


def test_seed_decides_everything():
    one, other = quick(seed=1, images_per_class=6).load(), quick(seed=2, images_per_class=6).load()
    assert not np.allclose(one.eeg, other.eeg)
    ids = list(one.table.image_id[:3])
    assert not np.array_equal(quick(seed=1).images(ids), quick(seed=2).images(ids))


def test_a_picture_shapes_its_trial():
    """The response depends, weakly, on colour and pose, not on the class alone."""
    dataset = Pocket(subjects=[1], n_classes=2, images_per_class=300, snr=3, band=[5, 40])
    trials = dataset.load()
    # sixth factor of the picture: flipped left to right
    flipped = np.array([dataset._factors(i).flip for i in trials.table.image_id])
    part = np.where(np.arange(len(flipped)) % 3 == 0, "test", "train")
    mine = trials.table.label.to_numpy() == 0
    assert lda(pooled(trials.eeg[mine], 5), flipped[mine], part[mine]) > 0.7


def test_blocks_runs_and_onsets():
    table = quick(blocks_per_class=4, images_per_class=8).load().table
    assert table.groupby("block").label.nunique().eq(1).all()
    assert table.block.nunique() == 20
    assert table.groupby("run").label.nunique().eq(5).all()
    assert sorted(table.session.unique()) == ["1", "2"]
    for _, run in table.groupby("run"):
        assert (run.onset.diff().dropna() > 0.64).all()  # a response is over before the next


def test_window_before_onset_holds_no_class():
    """Unfiltered, because a filter without phase shift rings backwards too."""
    assert decoded(lambda eeg: pooled(eeg, 5), window=[-0.1, 0.04], snr=2) < 0.4
    assert decoded(lambda eeg: pooled(eeg, 5), window=[0.04, 0.46], snr=2) > 0.9


def test_resampling_keeps_time():
    params = {"images_per_class": 6, "band": [5, 40], "window": [0.0, 0.44]}
    slow, fast = quick(resample=125.0, **params), quick(**params).load()
    assert slow.signal().n_times == 55
    on_both_grids = np.round(fast.table.onset * 250) % 2 == 0
    one, other = slow.load().eeg[on_both_grids], fast.eeg[on_both_grids, :, ::2]
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"subjects": [7]}, "there is no subject '7'; there are: 1, 2, 3, 4, 5, 6"),
        ({"subjects": []}, "'subjects' is empty; leave it out for all"),
        ({"n_classes": 11}, "'n_classes' is 11; it takes 2 to 10"),
        ({"split": "singel"}, "'split' is 'singel'. Did you mean 'single'?"),
        ({"split": {"by": "rnu", "test": ["1"]}}, "split.by is 'rnu'. Did you mean 'run'?"),
        ({"split": {"by": "run", "tset": ["1"]}}, "no key 'tset'. Did you mean 'test'?"),
        ({"split": {"by": "run", "test": []}}, "split.test is missing or empty"),
        ({"normalise": "chanel"}, "'normalise' is 'chanel'. Did you mean 'channel'?"),
        ({"limit": 0}, "'limit' is 0; it takes a number of trials, at least 1"),
    ],
)
def test_wrong_parameters(params, message):
    with pytest.raises(BadParameters, match=r"dataset 'pocket'") as caught:
        Pocket(**params)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"band": [5, 125]}, "band is [5, 125] Hz, but the EEG is sampled at 250 Hz"),
        ({"band": [1, 60], "resample": 100}, "the EEG is resampled to 100 Hz and holds nothing"),
        ({"band": [95, 5]}, "band is [95, 5]; it takes [low, high] in Hz"),
        ({"window": [0.1, 0.9]}, "window is [0.1, 0.9]; the pocket data reach from -0.5 to 0.6 s"),
        ({"window": [0.2, 0.1]}, "window is [0.2, 0.1]; it takes [start, stop]"),
    ],
)
def test_wrong_signal(params, message):
    with pytest.raises(DataError) as caught:
        Pocket(**params).signal()
    assert message in str(caught.value)


def test_a_split_that_cannot_be_is_refused():
    table = quick(images_per_class=6).load().table
    for split, message in [
        ({"by": "run", "test": ["2"]}, "split.test: there is no run '2'; there are: 1"),
        ({"by": "run", "test": ["1"]}, "split leaves no run to train on"),
        ({"by": "block", "test": [1], "val": [1]}, "block '1' is in both split.val and split.test"),
    ]:
        with pytest.raises(DataError) as caught:
            quick(split=split).split_of(table)
        assert message in str(caught.value)
