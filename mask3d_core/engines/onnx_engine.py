"""The engine `onnxruntime`: the network as an ONNX graph, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import util
from typing import Any, ClassVar, Final, TYPE_CHECKING

from mask3d_core.device import give_back_memory
from mask3d_core.engines.engine import Engine
from mask3d_core.errors import InputError
from mask3d_core.model import Prediction
from mask3d_core.model.config import BACKBONES
from mask3d_core.model.queries import farthest_points
from mask3d_core.model.votes import choose_seeds, Votes
from mask3d_core.sparse import bucket, Pyramid
from mask3d_core.stop import interruptible
from mask3d_core.stopwatch import Stopwatch
from mask3d_core.voxels import Voxels
from mask3d_core.weights.checkpoint import Weights
from mask3d_core.weights.onnx_file import INSTALL_ONNX, read_model
import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    import onnx

PROVIDERS: Final = {
    'cuda': ('TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider'),
    'cpu': ('CPUExecutionProvider',)}
"""By type of the device, the best first; those that are not installed are left out."""
GPU_PROVIDERS: Final = set(PROVIDERS['cuda']) - set(PROVIDERS['cpu'])
INSTALL_GPU: Final = ('pip uninstall onnxruntime && pip install onnxruntime-gpu (1.27 and later '
                      'are for CUDA 13, 1.26 for CUDA 12)')
DTYPES: Final = {torch.float32: np.float32, torch.float16: np.float16}
"""Of the U-Net, by precision."""


class OnnxEngine(Engine):
    """
    Runs the U-Net and the decoder as two sessions; the tensors between them stay on the device.

    Weights that are not an ONNX file are exported in memory first, which takes a second.

    Attributes
    ----------
    in_buckets : bool
        Whether the U-Net runs with numbers of rows that are rounded up to one of few sizes. On a
        GPU the providers prepare for each shape: TensorRT builds an engine.

    """

    name: ClassVar[str] = 'onnxruntime'

    def __init__(self, weights: Weights, device: torch.device,
                 precision: torch.dtype = torch.float32) -> None:
        super().__init__(weights, device, precision)
        from mask3d_core.onnx_graph.export import decoder_outputs, unet_outputs
        from mask3d_core.onnx_graph.graph import subgraph

        self.config = weights.model
        model = self._model(weights)
        self._between, self._outputs = unet_outputs(self.config), decoder_outputs(self.config)
        providers = self._providers()
        self.in_buckets = device.type == 'cuda'
        self.unet = Session(subgraph(model, [], self._between), providers, device)
        self.decoder = Session(subgraph(model, self._between, self._outputs), providers, device)
        del model
        give_back_memory()  # of the graphs, which the sessions have read

    @classmethod
    def missing(cls) -> str | None:
        """Return which package is not installed."""
        absent = [name for name in ('onnx', 'onnxruntime') if util.find_spec(name) is None]
        return f'{" and ".join(absent)} not installed: {INSTALL_ONNX}' if absent else None

    @classmethod
    def versions(cls) -> Sequence[str]:
        """Return the version of ONNX Runtime and its execution providers."""
        import onnxruntime

        providers = onnxruntime.get_available_providers()
        hint = [] if torch.version.cuda is None or GPU_PROVIDERS & set(providers) else [
            f'no GPU: {INSTALL_GPU}']
        return [f'onnxruntime {onnxruntime.__version__}', *providers, *hint]

    @torch.inference_mode()
    def predict(self, voxels: Voxels, pyramid: Pyramid, num_queries: int, watch: Stopwatch,
                seeds: Tensor | None = None) -> Prediction:
        """Run the network on one scan, as `Engine.predict` says."""
        from mask3d_core.onnx_graph.inputs import graph_inputs

        with watch.stage('unet'):
            inputs = graph_inputs(voxels, pyramid)
            inputs |= self._encode(inputs, pyramid)
        with watch.stage('decoder'):
            votes = self._votes(pyramid, inputs)
            if self.config.queries != 'learned':
                if seeds is None:
                    seeds = (farthest_points(voxels.coords, num_queries) if votes is None
                             else choose_seeds(votes, num_queries))
                inputs['seeds'] = pyramid.rank[seeds]
            rows = len(voxels) if voxels.segment is None else len(inputs['segment_ends']) - 1
            predicted = self.decoder.run(inputs, {
                'class_logits': (num_queries, self.config.num_classes + 1),
                'mask_logits': (rows, num_queries), 'mask_iou': (num_queries,)})
        return Prediction(**predicted, objectness=None if votes is None else votes.objectness)

    def _model(self, weights: Weights) -> onnx.ModelProto:
        """Return the graph, read from its file or exported in the precision of the U-Net."""
        from mask3d_core.onnx_graph.export import export

        if weights.graph is not None:
            if self.precision != torch.float32:
                raise InputError('the precision of an ONNX file is chosen when it is exported: '
                                 'mask3d export --precision float16')
            return read_model(weights.graph)
        if self.precision not in DTYPES:
            raise InputError('the engine onnxruntime computes in float32 or float16, not in '
                             + str(self.precision).removeprefix('torch.'))
        return export(weights, DTYPES[self.precision])

    def _providers(self) -> list[str]:
        import onnxruntime

        available = onnxruntime.get_available_providers()
        if self.device.type == 'cuda' and not GPU_PROVIDERS & set(available):
            raise InputError(f'this onnxruntime {onnxruntime.__version__} has no CUDA: '
                             f'{INSTALL_GPU}, or use device cpu')
        return [name for name in PROVIDERS[self.device.type] if name in available]

    def _encode(self, inputs: Mapping[str, Tensor], pyramid: Pyramid) -> dict[str, Tensor]:
        """Run the U-Net: features of the levels [V_l, C_l], and the votes of the voxels."""
        from mask3d_core.onnx_graph.inputs import padded

        counts = sizes = [len(level) for level in pyramid.levels]
        if self.in_buckets:
            sizes = [bucket(count) for count in counts]
            inputs = padded(inputs, sizes)
        widths = BACKBONES[self.config.backbone].channels[3:]   # coarse to fine
        shapes = {f'level_{number}': (size, width) for number, (size, width)
                  in enumerate(zip(sizes[::-1], widths))}
        shapes |= {'vote_centers': (sizes[0], 3),
                   'vote_logits': (sizes[0], self.config.num_classes + 1)}
        rows = {f'level_{number}': count for number, count in enumerate(counts[::-1])}
        return {name: output[:rows.get(name, counts[0])]
                for name, output in self.unet.run(inputs, shapes).items()}

    def _votes(self, pyramid: Pyramid, values: Mapping[str, Tensor]) -> Votes | None:
        """Return the votes in the order of the voxels, if the model has any."""
        if not self.config.votes:
            return None
        return Votes(*(values[name][pyramid.rank] for name in (
            'positions', 'vote_centers', 'vote_logits')))


class Session:
    """
    One graph, ready to run on tensors of a device without copies.

    Parameters
    ----------
    model : onnx.ModelProto
    providers : list of str
        The best first.
    device : torch.device

    """

    def __init__(self, model: onnx.ModelProto, providers: Sequence[str], device: torch.device,
                 ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        # threads that wait would take the cores of superpoints and of other programs
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        self.device = device
        index = {'device_id': device.index or 0}
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=[
                name if name.startswith('CPU') else (name, index) for name in providers])
        self._inputs = {value.name for value in self._session.get_inputs()}
        self._outputs = [value.name for value in self._session.get_outputs()]
        self._run_options = onnxruntime.RunOptions

    def run(self, inputs: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]],
            ) -> dict[str, Tensor]:
        """
        Run the graph.

        Parameters
        ----------
        inputs : tensors by name
            At least those that the graph has.
        shapes : shapes by name
            Of at least the outputs, which are float32.

        Raises
        ------
        RuntimeError
            If it cannot be run, as when the memory is too small.
        Stopped
            At a request to stop.

        """
        binding = self._session.io_binding()
        used = {name: inputs[name].contiguous() for name in self._inputs}
        outputs = {name: torch.empty(shapes[name], device=self.device)
                   for name in self._outputs}
        for name, tensor in used.items():
            binding.bind_input(name, *self._place(tensor))
        for name, tensor in outputs.items():
            binding.bind_output(name, *self._place(tensor))
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)  # ONNX Runtime has a stream of its own
        options = self._run_options()
        # otherwise ONNX Runtime keeps the memory of the largest scan
        options.add_run_config_entry('memory.enable_memory_arena_shrinkage', 'cpu:0')

        def interrupt() -> None:
            options.terminate = True

        with interruptible(interrupt):
            self._run(binding, options)
        return outputs

    def _run(self, binding: Any, options: Any) -> None:
        try:
            self._session.run_with_iobinding(binding, options)
        except RuntimeError:
            raise
        except Exception as error:  # noqa: BLE001 — the classes of ONNX Runtime have no base
            raise RuntimeError(str(error)) from error

    def _place(self, tensor: Tensor) -> tuple[str, int, Any, Sequence[int], int]:
        """Return the arguments that bind a tensor: device, its number, type, shape, address."""
        dtype = np.dtype(str(tensor.dtype).removeprefix('torch.')).type
        return (self.device.type, self.device.index or 0, dtype, list(tensor.shape),
                tensor.data_ptr())
