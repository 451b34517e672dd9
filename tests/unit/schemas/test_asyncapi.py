"""asyncapi.yaml: its structure by AsyncAPI 3.0, and its words against the code."""

import re
from functools import cache
from typing import Any, Final, cast

import jsonschema
import pytest
import yaml

from schemas import command, digest, envelope, image, receipt, topics
from tests.conformance.vectors import VECTORS

SCHEMAS: Final = VECTORS.parent
GATEWAY: Final = "gw-north"
TOPICS: Final = {
    "envelopes": topics.up_topic,
    "receipts": topics.receipt_topic,
    "commands": topics.command_topic,
    "images": topics.image_topic,
    "status": topics.status_topic,
}
PARTIES: Final = {"gateway", "backend"}
Json = dict[str, Any]


@cache
def _document() -> Json:
    return cast("Json", yaml.safe_load((SCHEMAS / "asyncapi.yaml").read_text(encoding="utf-8")))


def _resolve(reference: str) -> Any:  # noqa: ANN401 - whatever stands there
    assert reference.startswith("#/"), f"{reference} leaves the document"
    item: Any = _document()
    for part in reference[2:].split("/"):
        item = item[part]
    return item


def _references(item: object) -> list[str]:
    match item:
        case {"$ref": str() as reference}:
            return [reference]
        case dict():
            children = list(cast("Json", item).values())
        case list():
            children = cast("list[object]", item)
        case _:
            children = []
    return [reference for child in children for reference in _references(child)]


def _fill(address: str) -> str:
    partition = str(topics.partition_of(GATEWAY))
    return address.replace("{gateway}", GATEWAY).replace("{partition}", partition)


def test_document_has_what_asyncapi_3_requires() -> None:
    """Version, title, and only the fields of the root object that the specification knows."""
    document = _document()
    allowed = {"asyncapi", "id", "info", "servers", "defaultContentType", "channels", "operations"}

    assert document["asyncapi"] == "3.0.0"
    assert set(document) <= allowed | {"components"}
    assert {"title", "version"} <= set(document["info"])
    for server in document["servers"].values():
        assert {"host", "protocol"} <= set(server)


def test_every_reference_leads_somewhere() -> None:
    """No $ref hangs."""
    references = _references(_document())

    assert references
    for reference in references:
        _resolve(reference)


def test_every_operation_is_whole() -> None:
    """Send or receive, on a channel, with messages of that very channel, at QoS 1."""
    for name, operation in _document()["operations"].items():
        channel = operation["channel"]["$ref"]
        assert operation["action"] in {"send", "receive"}, name
        assert channel.startswith("#/channels/"), name
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel}/messages/"), name
        assert operation["bindings"]["mqtt"]["qos"] == 1, name


def test_sender_of_an_operation_may_publish() -> None:
    """The document is the gateway's side: what it sends it may publish, and so on."""
    for name, operation in _document()["operations"].items():
        channel = _resolve(operation["channel"]["$ref"])
        role = "x-publishers" if operation["action"] == "send" else "x-subscribers"
        assert channel[role] == ["gateway"], name


def test_only_receipts_and_status_are_retained() -> None:
    """What a newly connected client must know at once is retained; envelopes never are."""
    retained = {
        operation["channel"]["$ref"].rpartition("/")[2]
        for operation in _document()["operations"].values()
        if operation["bindings"]["mqtt"]["retain"]
    }

    assert retained == {"receipts", "status"}


def test_each_channel_is_a_topic_of_the_code() -> None:
    """The text and topics.py name the same topics."""
    channels = _document()["channels"]

    assert {name: _fill(channel["address"]) for name, channel in channels.items()} == {
        name: topic(GATEWAY) for name, topic in TOPICS.items()
    }


@pytest.mark.parametrize("name", TOPICS)
def test_channel_declares_its_parameters_and_parties(name: str) -> None:
    """Each placeholder is described, and who may publish and subscribe is said."""
    channel = _document()["channels"][name]

    assert set(re.findall(r"{(\w+)}", channel["address"])) == set(channel["parameters"])
    for role in ("x-publishers", "x-subscribers"):
        assert channel[role]
        assert set(channel[role]) < PARTIES


def test_filter_of_a_partition_takes_its_gateways() -> None:
    """A worker's subscription is the envelope address with any gateway."""
    address = _document()["channels"]["envelopes"]["address"]

    assert topics.up_filter(7) == address.format(partition=7, gateway="+")


def test_partitions_are_as_many_as_written() -> None:
    """Every gateway lands in 0 to 63, and the partitions are all in use."""
    used = {topics.partition_of(f"gw-{index}") for index in range(2_000)}

    assert used == set(range(topics.PARTITIONS))
    assert "0 to 63" in _document()["components"]["parameters"]["partition"]["description"]


def test_payloads_name_their_grammar_and_limit() -> None:
    """Binary messages point to a CDDL file beside the document and to the codec's limit."""
    messages = _document()["components"]["messages"]
    limits = {
        "envelope": envelope.ENVELOPE_BYTES_MAX,
        "digest": digest.DIGEST_BYTES_MAX,
        "receipt": receipt.RECEIPT_BYTES_MAX,
        "command": command.COMMAND_BYTES_MAX,
        "chunk": image.MESSAGE_BYTES_MAX,
    }

    for name, bytes_max in limits.items():
        assert (SCHEMAS / messages[name]["payload"]["schema"]).is_file()
        assert f"{bytes_max:,} bytes" in messages[name]["summary"]


def test_status_example_and_last_will_fit_their_schema() -> None:
    """What the broker publishes for a lost gateway is a status message."""
    schema = _document()["components"]["messages"]["status"]
    for server in _document()["servers"].values():
        will = server["bindings"]["mqtt"]["lastWill"]
        assert will["topic"] == _document()["channels"]["status"]["address"]
        jsonschema.validate(yaml.safe_load(will["message"]), schema["payload"])
    for example in schema["examples"]:
        jsonschema.validate(example["payload"], schema["payload"])
