import pytest

from stream_server.roster.photo_names import is_picture, possible_ids


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("s-1815.jpg", ("s-1815",)),
        ("s-1815_2.jpg", ("s-1815_2", "s-1815")),
        ("s-1815 (2).JPG", ("s-1815 (2)", "s-1815")),
        ("class/u1/front.png", ("front", "u1")),
        ("u1.webp", ("u1",)),
    ],
)
def test_a_picture_is_named_for_somebody(path: str, ids: tuple[str, ...]) -> None:
    assert possible_ids(path) == ids


def test_only_pictures_count() -> None:
    listed = ["a.jpg", "a.JPEG", "b.txt", ".hidden.jpg", "__MACOSX/._a.jpg", "x/y.webp", "a"]
    assert [name for name in listed if is_picture(name)] == ["a.jpg", "a.JPEG", "x/y.webp"]
