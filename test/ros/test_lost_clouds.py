"""Clouds that do not arrive are counted once, whoever tells of them."""

from typing import Any

from mask3d_ros.lost_clouds import LostClouds, MAX_PUBLISHERS
import pytest


def info(number: int | None, publisher: bytes = b'one') -> dict[str, Any]:
    return {'publication_sequence_number': number, 'publisher_gid': {'data': publisher}}


@pytest.fixture
def lost() -> list[int]:
    return []


@pytest.fixture
def clouds(lost: list[int]) -> LostClouds:
    return LostClouds(lost.append)


def test_gaps_are_lost_but_not_what_was_before_the_first(
        clouds: LostClouds, lost: list[int]) -> None:
    for number in (5, 6, 9, 10, 14):
        clouds.receive(info(number))
    assert lost == [2, 3]


def test_publishers_have_numbers_of_their_own(clouds: LostClouds, lost: list[int]) -> None:
    for publisher, number in ((b'one', 1), (b'two', 7), (b'one', 2), (b'two', 9), (b'one', 3)):
        clouds.receive(info(number, publisher))
    assert lost == [1]


def test_a_cloud_that_arrives_again_or_late_is_not_lost(
        clouds: LostClouds, lost: list[int]) -> None:
    for number in (3, 4, 4, 3, 5):
        clouds.receive(info(number))
    assert lost == []


@pytest.mark.parametrize('report_first', [True, False])
def test_what_is_reported_and_missing_is_one_loss(
        clouds: LostClouds, lost: list[int], report_first: bool) -> None:
    clouds.receive(info(1))
    if report_first:
        clouds.report(2)
        clouds.receive(info(5))
    else:
        clouds.receive(info(5))
        clouds.report(2)
    assert sum(lost) == 3


@pytest.mark.parametrize('unknown', [{}, info(None), {'publication_sequence_number': 3}])
def test_without_numbers_or_publishers_the_reports_count(
        clouds: LostClouds, lost: list[int], unknown: dict[str, Any]) -> None:
    clouds.receive(unknown)
    clouds.receive(unknown)
    clouds.report(4)
    assert lost == [4]


def test_publishers_that_were_not_heard_for_long_are_forgotten(
        clouds: LostClouds, lost: list[int]) -> None:
    for publisher in range(3 * MAX_PUBLISHERS):
        clouds.receive(info(1, bytes([publisher // 256, publisher % 256])))
    clouds.receive(info(50, b'\0\0'))
    assert lost == []
