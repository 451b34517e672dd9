"""Bytes are scored by valid frames against faults; chance is not enough."""

from random import Random

import pytest

from gateway.cli.scan.score import equals, rank, score_family, serial_families
from gateway.decode.families import family

AD = b"ST,GS,+0012.34kg\r\n" * 5


def gga(second: int) -> bytes:
    """Return one epoch of a receiver, with its checksum."""
    body = b"GPGGA,0927%02d.000,5321.6802,N,00630.3372,W,1,8,1.03,61.7,M,55.2,M,," % second
    checksum = 0
    for byte in body:
        checksum ^= byte
    return b"$%b*%02X\r\n" % (body, checksum)


NMEA = b"".join(gga(second) for second in range(6))


def best(*chunks: bytes) -> str:
    """Return the family that fits best; empty where none does."""
    scores = rank(chunks)
    return scores[0].family if scores else ""


def test_a_stream_that_begins_in_the_middle_is_known() -> None:
    """The rest of a line before the first whole one costs confidence, not recognition."""
    score = rank([AD[7:]])[0]

    assert (score.family, score.frames) == ("scale-ad", 4)
    assert 0.5 < score.confidence < 1


def test_foreign_lines_between_do_not_hide_a_device() -> None:
    """A receiver that mostly speaks of what no decoder needs is still a receiver."""
    assert best(NMEA + b"$PSTM,some,thing*00\r\n" * 8) == "nmea"


def test_families_that_fit_as_well_are_named() -> None:
    """NMEA alone is also what a u-blox receiver says; two makers' scales may look alike."""
    gnss, scales = rank([NMEA]), rank([AD])
    assert (gnss[0].family, equals(gnss[0], gnss)) == ("nmea", ["ubx"])
    assert (scales[0].family, equals(scales[0], scales)) == ("scale-ad", ["scale-tscale"])


def test_a_device_that_says_it_cannot_is_itself() -> None:
    """Overload, and a reader's error, are the family's own voice, though no reading."""
    score = score_family(family("scale-sics"), [b"S +\r\n", b"S I\r\n", b"S S     100.00 g\r\n"])
    assert (score.frames, score.faults) == (3, 0)


def test_one_frame_is_chance() -> None:
    """A single valid frame recognises nothing."""
    assert best(AD[: len(AD) // 5]) == ""


@pytest.mark.parametrize("seed", range(8))
def test_noise_fits_nothing(seed: int) -> None:
    """Random bytes, and random text of the letters that scales use, are no family's."""
    random = Random(seed)
    assert best(random.randbytes(20_000)) == ""
    assert best(bytes(random.choices(b"0123456789.,+-STGNUOLkg \r\n", k=20_000))) == ""


def test_only_what_a_line_can_carry_is_tried() -> None:
    """Families of brokers and networks are not looked for on a serial line."""
    names = {known.name for known in serial_families()}
    assert names >= {"nmea", "ubx", "scale-ad", "rfid-yrm100", "rfid-yr903", "rfid-chafon"}
    assert not names & {"frigate", "onvif-mqtt", "llrp", "gpsd"}
