"""Checkpoints of the original Mask3D become weights files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import math
from pathlib import Path
from typing import Any, Final

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.data.benchmark import Benchmark, benchmarks, find_benchmark
from mask3d_core.errors import InputError
from mask3d_core.model.config import ModelConfig
from mask3d_core.original.inert_pickle import entries, InertCheckpoint, is_tensor, lookup
from mask3d_core.original.names import DROPPED_TENSORS, infer_config, renames
from mask3d_core.original.settings import OriginalSettings
from mask3d_core.weights.checkpoint import (
    describe,
    expected_state,
    list_faults,
    SCANNET_COLOR_MEAN,
    SCANNET_COLOR_STD,
    Weights,
)
import torch

_PREFIX: Final = 'model.'
_DROPPED_OUTSIDE: Final = {'criterion.empty_weight': 'class weights of the loss'}
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class ConvertOptions:
    """
    What the user says about a checkpoint; None: read it from the file, or assume the default.

    Attributes
    ----------
    classes : str
        The class table of a benchmark.
    voxel_size : float
        Metres.
    num_heads, num_rounds, num_queries : int
    on_segments : bool
        Whether masks are predicted on superpoints.
    color_mean, color_std : 3 floats
    licence : str

    """

    classes: str | None = None
    voxel_size: float | None = None
    num_heads: int | None = None
    num_rounds: int | None = None
    num_queries: int | None = None
    on_segments: bool | None = None
    color_mean: Triple | None = None
    color_std: Triple | None = None
    licence: str | None = None


@dataclass
class ConversionReport:
    """
    What became of a checkpoint.

    Attributes
    ----------
    tensors : list of (original name, our name or why it was dropped, shape)
    facts : list of str
        Each setting and where it came from.
    warnings : list of str

    """

    tensors: list[tuple[str, str, str]] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def convert_state(original: Mapping[str, torch.Tensor],
                  config: ModelConfig | None = None) -> dict[str, torch.Tensor]:
    """
    Rename and reshape the original's tensors.

    Parameters
    ----------
    original : mapping of str to tensor
        The original's state dict, names without `model.`.
    config : ModelConfig
        The model they belong to; read off their shapes when not given.

    Returns
    -------
    dict of our names to tensors, fit for `Mask3D(config).load_state_dict`

    Raises
    ------
    InputError
        Names every tensor that is missing, unknown or misshapen.

    """
    if config is None:
        config = infer_config({name: tuple(tensor.shape) for name, tensor in original.items()})
    expected = expected_state(config)
    state: dict[str, torch.Tensor] = {}
    table = renames(config)
    wanted = dict.fromkeys(rename.original for rename in table)
    faults = [f'{name} is missing' for name in wanted if name not in original]
    faults += [f'{name} is unknown' for name in original
               if name not in wanted and name not in DROPPED_TENSORS]
    for rename in table:
        if rename.original not in original:
            continue
        tensor, target = original[rename.original], expected[rename.ours]
        ours = rename.reshape(tensor) if tensor.dim() else tensor
        if ours.shape != target.shape or ours.is_floating_point() != target.is_floating_point():
            faults.append(f'{rename.original} is {describe(tensor)}, which cannot become '
                          f'{rename.ours} {describe(target)}')
        state[rename.ours] = ours.to(target.dtype)
    if faults:
        raise InputError(list_faults('the checkpoint', faults))
    return state


def convert_checkpoint(path: str | Path, options: ConvertOptions | None = None
                       ) -> tuple[Weights, ConversionReport]:
    """
    Read a Lightning checkpoint of the original.

    Nothing the file contains is run, and none of the original's packages is needed.

    Raises
    ------
    InputError
        When the file is broken, its model is not supported, or a tensor is missing, unknown or
        misshapen.

    """
    options = options or ConvertOptions()
    checkpoint = InertCheckpoint(path)
    report = ConversionReport()
    original = _model_tensors(checkpoint, report)
    settings = OriginalSettings(checkpoint.content, report.facts)
    settings.refuse_unsupported()
    config = _config(original, settings, options)
    state = convert_state(original, config)
    _report_tensors(original, config, report)
    benchmark = _find_trained_on(config.num_classes, settings, options)
    mean, std = _color_statistics(benchmark, options, report)
    weights = Weights(
        config, class_table(benchmark, config.num_classes),
        _voxel_size(benchmark, settings, options), 'first', mean, std,
        _training_facts(checkpoint, settings, benchmark.table),
        options.licence or 'as the original checkpoint; the terms of its data '
                           f'({benchmark.table}) apply',
        state, tiles=benchmark.tiles)
    report.facts.append(f'tiles: {benchmark.tiles.size:g} m, with a margin of '
                        f'{benchmark.tiles.margin:g} m (those of {benchmark.table})')
    return weights, report


def _model_tensors(checkpoint: InertCheckpoint, report: ConversionReport
                   ) -> dict[str, torch.Tensor]:
    records = entries(entries(checkpoint.content).get('state_dict'))
    if not any(isinstance(name, str) and name.startswith(_PREFIX) for name in records):
        raise InputError(f'{checkpoint.path.name} has no state_dict with names that start with '
                         '`model.`: expected a Lightning checkpoint of the original Mask3D')
    tensors, faults = {}, []
    for name, record in records.items():
        if name in _DROPPED_OUTSIDE:
            report.tensors.append((name, f'dropped: {_DROPPED_OUTSIDE[name]}', ''))
        elif not (isinstance(name, str) and name.startswith(_PREFIX) and is_tensor(record)):
            faults.append(f'{name} is unknown')
        else:
            tensors[name.removeprefix(_PREFIX)] = checkpoint.tensor(record)
    if faults:
        raise InputError(list_faults(checkpoint.path.name, faults))
    return tensors


def _config(original: Mapping[str, torch.Tensor], settings: OriginalSettings,
            options: ConvertOptions) -> ModelConfig:
    config = infer_config(
        {name: tuple(tensor.shape) for name, tensor in original.items()},
        num_heads=settings.choose('attention heads', options.num_heads, 'model.num_heads', 8),
        on_segments=settings.choose('masks on segments', options.on_segments,
                                    'model.train_on_segments', False),
        levels=settings.read_levels())
    rounds = (settings.choose('decoder rounds', options.num_rounds, 'model.num_decoders', 3)
              if config.shared_rounds else
              settings.inferred('decoder rounds', options.num_rounds, config.num_rounds))
    queries = (settings.inferred('queries', options.num_queries, config.num_queries)
               if config.queries == 'learned' else
               settings.choose('queries', options.num_queries, 'model.num_queries', 100))
    config = replace(config, num_rounds=rounds, num_queries=queries)
    if config.in_channels != 3:
        raise InputError(f'the checkpoint needs {config.in_channels} features a point; this '
                         'program has the 3 colours only')
    settings.facts.insert(0, f'model: {config.backbone}, {config.num_classes} classes, '
                                 f'{config.hidden_dim} channels, queries {config.queries} '
                                 '(from the shapes)')
    return config


def _report_tensors(original: Mapping[str, torch.Tensor], config: ModelConfig,
                    report: ConversionReport) -> None:
    ours: dict[str, str] = {}
    for rename in renames(config):
        before = ours.get(rename.original)
        ours[rename.original] = f'{before}, {rename.ours}' if before else rename.ours
    ours |= {name: f'dropped: {why}' for name, why in DROPPED_TENSORS.items()}
    rows = [(_PREFIX + name, ours[name], describe(tensor)) for name, tensor in original.items()]
    report.tensors[:0] = rows


def _find_trained_on(num_classes: int, settings: OriginalSettings, options: ConvertOptions,
                     ) -> Benchmark:
    """Return the benchmark a checkpoint was trained on: as given, as it says, or by its size."""
    by_size = {benchmark.original.num_classes: benchmark for benchmark in benchmarks().values()
               if benchmark.original is not None}
    named = settings.read('data.train_dataset.dataset_name')
    benchmark = find_benchmark(options.classes or (named if isinstance(named, str) else ''))
    if benchmark is None or benchmark.original is None:
        benchmark = by_size.get(num_classes)
    if benchmark is None:
        raise InputError(f'the checkpoint has {num_classes} classes, which is no table known '
                         'here: give --classes')
    origin = 'given' if options.classes else 'from the checkpoint'
    settings.facts.append(f'classes: {benchmark.table} ({origin})')
    return benchmark


def class_table(benchmark: Benchmark, num_classes: int) -> ClassTable:
    """
    Return the classes of the original's logits, in their order.

    Logits that stand for no class, as the last two of ScanNet200's models, stay for exactness,
    under ids that no data set uses.

    Parameters
    ----------
    benchmark : Benchmark
        What the model was trained on; the original has models of it.
    num_classes : int
        Class logits of the model without "no object".

    Raises
    ------
    InputError
        When the model has another number of them.

    """
    assert benchmark.original is not None
    table = load_classes(benchmark.table).without(benchmark.protocol.background)
    unused = range(1, 1 + benchmark.original.num_classes - len(table))
    table = ClassTable((*table.ids, *(max(table.ids) + number for number in unused)),
                       (*table.names, *(f'unused {number}' if number > 1 else 'unused'
                                        for number in unused)),
                       (*table.colors, *((0, 0, 0) for _ in unused)))
    if len(table) != num_classes:
        raise InputError(f'the table {benchmark.table} has {len(table)} classes, the checkpoint '
                         f'{num_classes}: give another --classes')
    return table


def _voxel_size(benchmark: Benchmark, settings: OriginalSettings, options: ConvertOptions,
                ) -> float:
    assert benchmark.original is not None
    default = benchmark.original.voxel_size or math.nan
    size = settings.choose('voxel size in metres', options.voxel_size, 'data.voxel_size', default)
    if math.isnan(size):
        raise InputError(f'the checkpoint does not say its voxel size, and {benchmark.table} has '
                         'been trained with several: give --voxel-size in metres')
    return size


def _color_statistics(benchmark: Benchmark, options: ConvertOptions, report: ConversionReport
                      ) -> tuple[Triple, Triple]:
    assert benchmark.original is not None
    given = [options.color_mean is not None, options.color_std is not None]
    if not all(given) and not benchmark.original.scannet_colors:
        report.warnings.append(
            f'the colour statistics of {benchmark.table} are not in the checkpoint: '
            "ScanNet's are assumed; give --color-mean and --color-std from its "
            'color_mean_std.yaml')
    mean = options.color_mean or SCANNET_COLOR_MEAN
    std = options.color_std or SCANNET_COLOR_STD
    for name, values, own in zip(('mean', 'deviation'), (mean, std), given):
        report.facts.append(f'colour {name}: {values} ({"given" if own else "that of ScanNet"})')
    return mean, std


def _training_facts(checkpoint: InertCheckpoint, settings: OriginalSettings, table: str
                    ) -> dict[str, Any]:
    """Return what the file says of its training, as plain values."""
    found = {
        'data': settings.read('data.train_dataset.dataset_name') or table,
        'converted_from': checkpoint.path.name,
        'epoch': lookup(checkpoint.content, 'epoch'),
        'steps': lookup(checkpoint.content, 'global_step'),
        'seed': settings.read('general.seed'),
        'experiment': settings.read('general.experiment_name')}
    return {name: value for name, value in found.items() if value is not None}
