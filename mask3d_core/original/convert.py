"""Checkpoints of the original Mask3D become weights files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
import math
from pathlib import Path
from typing import Any, Final

from mask3d_core.classes import ClassTable, load_classes
from mask3d_core.colors import instance_color
from mask3d_core.data.benchmark import Benchmark, benchmarks, find_benchmark, find_tiles
from mask3d_core.errors import InputError
from mask3d_core.files.class_table import read_class_table
from mask3d_core.model.config import ModelConfig
from mask3d_core.original.inert_pickle import entries, InertCheckpoint, is_tensor, lookup
from mask3d_core.original.names import DROPPED_TENSORS, infer_config, renames
from mask3d_core.original.settings import OriginalSettings
from mask3d_core.weights.checkpoint import SCANNET_COLOR_MEAN, SCANNET_COLOR_STD, Weights
from mask3d_core.weights.state_dict import describe, expected_state, list_faults
import torch

_PREFIX: Final = 'model.'
_DROPPED_OUTSIDE: Final = {'criterion.empty_weight': 'class weights of the loss'}
Triple = tuple[float, float, float]
AGNOSTIC: Final = 'agnostic'
"""Stands for a table whose classes are all called object."""
DEFAULT_VOXEL_SIZE: Final = 0.02
"""Metres, of the original's configuration."""


@dataclass(frozen=True)
class ConvertOptions:
    """
    What the user says about a checkpoint; None: read it from the file, or assume the default.

    Attributes
    ----------
    classes : str
        The class table of a benchmark, a .tsv file with a table, or `AGNOSTIC`.
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
    trained_on = _find_trained_on(config.num_classes, settings, options, report)
    mean, std = _color_statistics(trained_on, options, report)
    voxel_size = _voxel_size(trained_on, settings, options, report)
    tiles = find_tiles(trained_on.table, voxel_size)
    weights = Weights(
        config, trained_on.classes, voxel_size, 'first', mean, std,
        _training_facts(checkpoint, settings, trained_on.table),
        options.licence or 'as the original checkpoint; the terms of its data '
                           f'({trained_on.table}) apply',
        state, tiles=tiles)
    whose = f'those of {trained_on.table}' if trained_on.benchmark else 'for such voxels'
    report.facts.append(f'tiles: {tiles.size:g} m, with a margin of {tiles.margin:g} m ({whose})')
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


@dataclass(frozen=True)
class _TrainedOn:
    """
    The data set that a checkpoint was trained on.

    Attributes
    ----------
    classes : ClassTable
        Of the logits, in their order.
    table : str
        Name of the class table, or of the data set as the checkpoint has it.
    benchmark : Benchmark or None
        None: it is none known here.

    """

    classes: ClassTable
    table: str
    benchmark: Benchmark | None = None


def _find_trained_on(num_classes: int, settings: OriginalSettings, options: ConvertOptions,
                     report: ConversionReport) -> _TrainedOn:
    """
    Return what a checkpoint was trained on: as given, or as it says.

    Only if it says nothing, the number of its classes decides.
    """
    found = settings.read('data.train_dataset.dataset_name')
    named = found if isinstance(found, str) else ''
    benchmark = find_benchmark(options.classes or named.lower())
    origin = 'given' if options.classes else 'from the checkpoint'
    if benchmark is None or benchmark.original is None:
        if options.classes is not None:
            return _own_classes(num_classes, options.classes, named, report)
        benchmark = None if named else _benchmark_of_size(num_classes)
        if benchmark is None:
            report.warnings.append(
                f'{named or "the data set"} of the checkpoint is not known here: its '
                f'{num_classes} classes are called class 0 to class {num_classes - 1}; name '
                'them with --classes TABLE.tsv')
            report.facts.append(f'classes: {num_classes}, numbered')
            return _TrainedOn(_numbered_classes(num_classes), named or 'unknown')
        origin = f'assumed: the number of classes is {num_classes}'
        report.warnings.append(
            f'the checkpoint does not say what data it was trained on: the classes of '
            f'{benchmark.table} are assumed, as their number fits; give --classes')
    report.facts.append(f'classes: {benchmark.table} ({origin})')
    return _TrainedOn(class_table(benchmark, num_classes), benchmark.table, benchmark)


def _benchmark_of_size(num_classes: int) -> Benchmark | None:
    return next((benchmark for benchmark in benchmarks().values()
                 if benchmark.original is not None
                 and benchmark.original.num_classes == num_classes), None)


def _own_classes(num_classes: int, source: str, named: str, report: ConversionReport,
                 ) -> _TrainedOn:
    """Return the classes of a table of the user's own."""
    if source == AGNOSTIC:
        names = [f'object {number}' if number > 1 else 'object'
                 for number in range(1, num_classes + 1)]
        table = replace(_numbered_classes(num_classes), names=tuple(names))
    else:
        table = read_class_table(source)
    if len(table) != num_classes:
        raise InputError(f'the table {source} has {len(table)} classes, the checkpoint '
                         f'{num_classes}: expected one line for each class that is predicted, in '
                         'the order of the logits, without background')
    report.facts.append(f'classes: {source}, {num_classes} (given)')
    return _TrainedOn(table, named or Path(source).stem)


def _numbered_classes(count: int) -> ClassTable:
    ids = tuple(range(1, count + 1))
    return ClassTable(ids, tuple(f'class {number}' for number in range(count)),
                      tuple(map(instance_color, ids)))


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


def _voxel_size(trained_on: _TrainedOn, settings: OriginalSettings, options: ConvertOptions,
                report: ConversionReport) -> float:
    benchmark = trained_on.benchmark
    default = DEFAULT_VOXEL_SIZE
    if benchmark is not None:
        assert benchmark.original is not None
        default = benchmark.original.voxel_size or math.nan
    size = settings.choose('voxel size in metres', options.voxel_size, 'data.voxel_size', default)
    if math.isnan(size):
        raise InputError(f'the checkpoint does not say its voxel size, and {trained_on.table} has '
                         'been trained with several: give --voxel-size in metres')
    if benchmark is None and options.voxel_size is None and (
            settings.read('data.voxel_size') is None):
        report.warnings.append(f'the voxel size is not in the checkpoint: {size:g} m is assumed; '
                               'give --voxel-size in metres')
    return size


def _color_statistics(trained_on: _TrainedOn, options: ConvertOptions, report: ConversionReport
                      ) -> tuple[Triple, Triple]:
    benchmark = trained_on.benchmark
    known = (benchmark is not None and benchmark.original is not None
             and benchmark.original.scannet_colors)
    given = [options.color_mean is not None, options.color_std is not None]
    if not all(given) and not known:
        report.warnings.append(
            f'the colour statistics of {trained_on.table} are not in the checkpoint: '
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
