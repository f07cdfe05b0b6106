"""Superpoints of clouds and meshes."""


from hypothesis import given, settings, strategies
from mask3d_core.errors import InputError
from mask3d_core.files import read_scan
from mask3d_core.scan import Scan
from mask3d_core.sparse.grid import Grid
from mask3d_core.superpoints.superpoints import (
    _edges,
    find_superpoints,
    group_mesh,
    SuperpointSettings,
    voxel_normals,
)
from mask3d_core.voxels import Voxelization, voxelize
import numpy as np
from numpy.typing import NDArray
import pytest
from shared import find_shared
from table_tops import can_on_a_floor, labels_of_each_point
import torch
from torch.nn import functional


def plane(width: float, height: float, step: float = 0.02) -> NDArray:
    """Return points of a plane of constant z, one per voxel."""
    x, y = np.meshgrid(np.arange(step / 2, width, step), np.arange(step / 2, height, step))
    return np.stack([x.ravel(), y.ravel(), np.full(x.size, step / 2)], axis=1)


def is_same_division(one: NDArray, two: NDArray) -> bool:
    """Tell whether two labellings are equal up to renumbering."""
    pairs = len(np.unique(np.stack([one, two]), axis=1).T)
    return pairs == len(np.unique(one)) == len(np.unique(two))


def test_floor_and_wall() -> None:
    floor = plane(1, 1)
    wall = plane(1, 1)[:, [2, 0, 1]]
    xyz = np.concatenate([floor, wall + [-0.02, 0, 0.02]])
    superpoint = find_superpoints(Scan.from_points(xyz))
    inside = np.concatenate([floor[:, 0] > 0.08, wall[:, 2] > 0.08])  # beyond the rounded crease
    on_wall = np.arange(len(superpoint)) >= len(floor)
    found = [np.unique(superpoint[inside & side]) for side in (on_wall, ~on_wall)]
    assert [len(each) for each in found] == [1, 1]
    assert found[0] != found[1]


def test_box_on_a_table() -> None:
    sides = [plane(0.4, 0.4) + [0, 0, 0.4], plane(0.4, 0.4)[:, [2, 0, 1]] + [-0.02, 0, 0.02],
             plane(0.4, 0.4)[:, [0, 2, 1]] + [0, -0.02, 0.02]]
    box = np.concatenate(sides) + [0.3, 0.3, 0]
    table = plane(1, 1)
    table = table[~((table[:, :2] > 0.28) & (table[:, :2] < 0.7)).all(axis=1)]
    is_box = np.arange(len(table) + len(box)) >= len(table)
    superpoint = find_superpoints(Scan.from_points(np.concatenate([table, box])))
    share = np.bincount(superpoint, is_box) / np.bincount(superpoint)
    assert 4 <= len(share) < 30
    assert (is_box == (share[superpoint] > 0.5)).mean() > 0.97


def test_colour_separates_parts_of_a_plane() -> None:
    xyz = plane(1, 1)
    color = np.where(xyz[:, :1] < 0.5, [0.8, 0.2, 0.2], [0.2, 0.2, 0.8])
    scan = Scan.from_points(xyz, color)
    superpoint = find_superpoints(scan)
    assert is_same_division(superpoint, color[:, 0])
    assert not find_superpoints(scan, 0.02, SuperpointSettings(color_weight=1e-5)).any()
    assert not find_superpoints(scan, 0.02, SuperpointSettings(color_weight=0)).any()
    assert not find_superpoints(Scan.from_points(xyz)).any()


def test_separate_surfaces_stay_separate_and_small_ones_are_merged() -> None:
    table = plane(0.5, 0.5)
    crumb = plane(0.04, 0.04)[:, [2, 0, 1]] + [0.2, 0.2, 0.02]
    xyz = np.concatenate([table, table + [0, 0, 1], crumb])
    superpoint = find_superpoints(Scan.from_points(xyz))
    below, above, crumb_on_it = np.split(superpoint, [len(table), 2 * len(table)])
    assert len(np.unique(above)) == 1 and above[0] not in below
    assert np.isin(crumb_on_it, below).all()


@pytest.mark.parametrize('spacing', [1, 1.2, 1.4, 1.6, 2, 2.5, 3, 4])
def test_a_thinned_plane_is_one_superpoint(spacing: float) -> None:
    random, leaf = np.random.default_rng(0), 0.02 * spacing
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    xyz = (random.uniform(0, 2, (200_000, 3)) * [1, 1, 0] + [0, 0, leaf / 2]) @ turn
    cell = np.unique(np.floor(xyz / leaf), axis=0, return_inverse=True)[1].reshape(-1)
    means = np.stack([np.bincount(cell, axis) for axis in xyz.T], 1) / np.bincount(cell)[:, None]
    superpoint = find_superpoints(Scan.from_points(means))
    assert np.bincount(superpoint).max() > 0.99 * len(means)


@pytest.mark.parametrize('seed', range(200))
def test_few_points_have_superpoints(seed: int) -> None:
    """Voxels grow only as long as there is more than one."""
    random = np.random.default_rng(seed)
    xyz = random.uniform(0, random.uniform(0.02, 0.06), (20, 3)) + random.uniform(-1, 1, 3)
    scan = Scan.from_points(xyz)
    if len(voxelize(scan, Voxelization(0.02, color_mean=None, color_std=None))) > 1:
        assert len(find_superpoints(scan, 0.02)) == 20


def test_isolated_points_are_superpoints() -> None:
    assert sorted(find_superpoints(Scan.from_points(plane(1, 1, 0.1)))) == list(range(100))


def test_graph_edges_connect_voxels_that_share_a_face_or_an_edge() -> None:
    cube = torch.tensor([[0, x, y, z] for x in range(3) for y in range(3) for z in range(3)])
    grid, rows = Grid.sort(cube)
    places = grid.coords[:, 1:]
    near = (places[:, None] - places[None]).abs().sum(-1)
    chebyshev = (places[:, None] - places[None]).abs().amax(-1)
    wanted = ((near <= 2) & (chebyshev == 1)).triu().nonzero()
    found = _edges(grid.neighbors()).sort(1).values
    assert sorted(found.tolist()) == wanted.tolist()


@pytest.mark.parametrize('kind, tolerance', [(torch.float64, 1e-5), (torch.float32, 1e-4)])
def test_voxel_normals_are_those_of_a_weighted_fit(kind: torch.dtype, tolerance: float,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mask3d_core.superpoints.superpoints.VOXELS_PER_FIT', 16)
    draw = torch.Generator().manual_seed(0)
    coords = torch.unique(torch.randint(0, 5, (60, 3), generator=draw), dim=0)
    alone = torch.tensor([[20, 20, 20]])
    grid, _ = Grid.sort(functional.pad(torch.cat([coords, alone]), (1, 0)))
    places = grid.coords[:, 1:].double()
    centers = places + torch.rand(places.shape, generator=draw, dtype=torch.float64)
    found = voxel_normals(centers.to(kind), grid.neighbors()).double()
    steps = (places[:, None] - places[None]).abs()
    weight = (-steps.sum(-1)).exp() * (steps.amax(-1) <= 1)
    mean = weight @ centers / weight.sum(1, keepdim=True)
    apart = centers[None] - mean[:, None]
    values, vectors = torch.linalg.eigh(
        torch.einsum('ij,ijk,ijl->ikl', weight, apart, apart))
    clear = values[:, 1] > 1.05 * values[:, 0] + 1e-9
    assert clear.double().mean() > 0.8 and not clear[-1]
    cosine = (found * vectors[:, :, 0]).sum(1).abs()
    torch.testing.assert_close(cosine[clear], torch.ones_like(cosine[clear]), atol=tolerance,
                               rtol=0)
    torch.testing.assert_close(found.norm(dim=1), torch.ones_like(cosine), atol=1e-6, rtol=0)


@settings(max_examples=60, deadline=None)
@given(size=strategies.integers(8, 200), spread=strategies.sampled_from([0.03, 0.1, 1.0, 50.0]),
       lattice=strategies.booleans(), colored=strategies.booleans(),
       seed=strategies.integers(0, 2 ** 32 - 1))
def test_the_order_of_the_points_does_not_matter(size: int, spread: float, lattice: bool,
                                                 colored: bool, seed: int) -> None:
    random = np.random.default_rng(seed)
    xyz = random.uniform(0, spread, (size, 3)) * (1, 1, random.uniform(0, 1))
    if lattice:                                                  # ties between neighbors
        xyz = np.floor(xyz / 0.04) * 0.04
    xyz[:1] += 0.1                                               # more than one voxel
    color = random.uniform(0, 1, (size, 3)) if colored else None
    shuffled = random.permutation(size)
    one = find_superpoints(Scan.from_points(xyz, color))
    two = find_superpoints(Scan.from_points(xyz[shuffled],
                                            None if color is None else color[shuffled]))
    np.testing.assert_array_equal(two, one[shuffled])
    assert np.unique(one).tolist() == list(range(one.max() + 1))


def test_points_of_a_voxel_share_a_superpoint() -> None:
    random = np.random.default_rng(0)
    xyz = random.uniform(0, 0.5, (20000, 3)) * (1, 1, 0.1)
    superpoint = find_superpoints(Scan.from_points(xyz), 0.05)
    voxel = np.unique(np.floor(xyz / 0.05), axis=0, return_inverse=True)[1].reshape(-1)
    assert len(np.unique(np.stack([voxel, superpoint]), axis=1).T) == len(np.unique(voxel))


def test_invalid_settings_are_errors() -> None:
    for name, value in (('scale', 0), ('min_size', 0), ('color_weight', -1)):
        with pytest.raises(InputError, match=f'expected {name} .* got {value}'):
            SuperpointSettings(**{name: value})


def segment_mesh(vertices: NDArray, faces: NDArray, scale: float, min_size: int) -> list[int]:
    """Segment a mesh as ScanNet's segmentator does, one number at a time, in its precision."""
    single = np.float32
    points = [np.array(vertex, single) for vertex in vertices]
    normals, counts = np.zeros((len(points), 3), single), [0] * len(points)
    edges = []
    for i, j, k in faces:
        (ax, ay, az), (bx, by, bz) = points[j] - points[i], points[k] - points[i]
        normal = np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], single)
        x, y, z = normal
        length = np.sqrt(x * x + y * y + z * z)
        normal = normal / length if length > 0 else normal
        for corner in (i, j, k):
            part = single(1) / single(counts[corner] + 1)
            normals[corner] = part * normal + (single(1) - part) * normals[corner]
            counts[corner] += 1
        edges += [(i, j), (i, k), (k, j)]
    weighed = []
    for number, (a, b) in enumerate(edges):
        x, y, z = normals[a] * normals[b]
        weight = single(1) - (x + y + z)
        along = points[b] - points[a]
        x, y, z = along * along
        length = np.sqrt(x + y + z)
        x, y, z = normals[b] * (along / length if length > 0 else along)
        weighed.append((weight * weight if x + y + z > 0 else weight, number, a, b))
    members = [{vertex} for vertex in range(len(points))]
    threshold = {id(group): scale for group in members}
    for small in (False, True):
        for weight, _, a, b in sorted(weighed):
            one, two = members[a], members[b]
            if one is two or (min(len(one), len(two)) >= min_size if small else
                              weight > min(threshold[id(one)], threshold[id(two)])):
                continue
            one |= two
            threshold[id(one)] = float(weight) + scale / len(one)
            for vertex in two:
                members[vertex] = one
    return [min(group) for group in members]


@settings(max_examples=60, deadline=None)
@given(columns=strategies.integers(2, 8), rows=strategies.integers(2, 8),
       noise=strategies.sampled_from([0, 0.1, 0.3, 1.0]), drop=strategies.floats(0, 0.5),
       scale=strategies.sampled_from([0.01, 0.1, 1.0]), seed=strategies.integers(0, 2 ** 32 - 1))
def test_mesh_equals_the_segmentator(columns: int, rows: int, noise: float, drop: float,
                                     scale: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    number = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = (corner.ravel() for corner in (number[:-1, :-1], number[1:, :-1],
                                                number[:-1, 1:], number[1:, 1:]))
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    faces = random.permutation(faces)[:round(len(faces) * (1 - drop))]
    vertices = np.stack([*np.divmod(number.ravel(), columns), 0 * number.ravel()], 1)
    vertices = vertices + noise * random.normal(size=vertices.shape)
    min_size = int(random.integers(1, 12))
    found = group_mesh(vertices, faces, scale, min_size)
    assert is_same_division(found, np.array(segment_mesh(vertices, faces.tolist(), scale,
                                                         min_size)))


@pytest.mark.parametrize('vertices, faces, message', [
    (np.zeros((3, 2)), np.zeros((1, 3), int), r'\[3, 2\] and \[1, 3\]'),
    (np.zeros((3, 3)), np.zeros((1, 4), int), r'triangles \[F, 3\], got .* \[1, 4\]'),
    (np.zeros((3, 3)), np.array([[0, 1, 3]]), r'vertices 0\.\.2, got 0\.\.3')])
def test_invalid_meshes_are_errors(vertices: NDArray, faces: NDArray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        group_mesh(vertices, faces)


@pytest.mark.parametrize('name, voxel_size, most, least', [
    ('test55', 0.01, 180, 0.985), ('test55', 0.02, 75, 0.97), ('test10', 0.01, 80, 0.995),
    ('learn13', 0.02, 25, 0.993)])
def test_superpoints_of_a_table_top_do_not_cross_its_objects(
        name: str, voxel_size: float, most: int, least: float) -> None:
    path = find_shared(f'data/clouds/{name}.pcd')
    target = labels_of_each_point(path) // 10                    # 0: the table
    superpoint = find_superpoints(read_scan(path), voxel_size)
    votes = np.zeros((superpoint.max() + 1, target.max() + 1), np.int64)
    np.add.at(votes, (superpoint, target), 1)
    assert len(np.unique(votes.argmax(axis=1))) == len(np.unique(target))  # no object is lost
    assert len(votes) <= most
    assert (votes.argmax(axis=1)[superpoint] == target).mean() > least


def test_superpoints_of_a_real_floor_keep_to_the_can_on_it() -> None:
    pytest.importorskip('rosbags', reason='needs the extra bags')
    scan, label = can_on_a_floor()
    for voxel_size in (0.01, 0.02):
        superpoint = find_superpoints(scan, voxel_size)
        votes = np.zeros((superpoint.max() + 1, 2), np.int64)
        np.add.at(votes, (superpoint, (label == 20).astype(int)), 1)
        assert len(np.unique(votes.argmax(axis=1))) == 2
        assert (votes.argmax(axis=1)[superpoint] == (label == 20)).mean() > 0.999
    assert len(votes) <= 40
