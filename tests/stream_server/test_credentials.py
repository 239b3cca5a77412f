import pytest

from stream_server.credentials import MANY_PINS, CredentialMaker
from stream_server.secrets import SecretBox


@pytest.fixture
def maker() -> CredentialMaker:
    return CredentialMaker(SecretBox(bytes(32)))


def test_pins_are_digits_and_longer_where_many_people_have_one(maker: CredentialMaker) -> None:
    few, many = maker.new_pin(MANY_PINS - 1), maker.new_pin(MANY_PINS)
    assert (len(few), len(many)) == (6, 8)
    assert few.isdecimal()
    assert many.isdecimal()


def test_a_digest_depends_on_the_key_and_on_what_it_is_of(maker: CredentialMaker) -> None:
    other = CredentialMaker(SecretBox(bytes([1]) * 32))
    digest = maker.digest_of_pin("123456")
    assert len(digest) == 32
    assert digest == maker.digest_of_pin("123456")
    assert digest not in (other.digest_of_pin("123456"), maker.digest_of_pin("123457"), maker.digest("qr", "123456"))


def test_a_code_is_known_again_and_only_by_its_own_site(maker: CredentialMaker) -> None:
    text = maker.new_code()
    assert maker.new_code() != text
    assert maker.digest_of_code(text) == maker.digest_of_code(text)
    assert CredentialMaker(SecretBox(bytes([1]) * 32)).digest_of_code(text) is None


@pytest.mark.parametrize(
    "change", [lambda t: "", lambda t: t[:-2], lambda t: t.lower(), lambda t: t[:12] + "é", str.title]
)
def test_a_code_that_was_changed_is_no_code(maker: CredentialMaker, change: object) -> None:
    assert callable(change)
    assert maker.digest_of_code(change(maker.new_code())) is None
