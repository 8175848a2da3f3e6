"""The documents of the interface: examples that run, and a page that asks nobody else."""

from __future__ import annotations

import re

import pytest

WORK = ["/v1/inpaint", "/v1/faces", "/v1/inpaint/batch", "/api/v1/inpaint"]


@pytest.fixture(scope="module")
def told(client):
    return client.get("/openapi.json").json()


def test_every_path_is_told(told):
    assert told["paths"].keys() == {*WORK, "/healthz", "/readyz", "/metrics"}
    for path in WORK:
        assert {"200", "400", "413", "415", "422", "429", "503", "504"} <= told["paths"][path]["post"][
            "responses"
        ].keys()


@pytest.mark.parametrize("path", ["/v1/inpaint", "/v1/faces", "/api/v1/inpaint"])
def test_its_examples_run(path, told, client):
    content = told["paths"][path]["post"]["requestBody"]["content"]
    answer = client.post(path, json=content["application/json"]["example"])
    assert answer.status_code == 200, answer.text


def test_fields_are_told_as_they_are_checked(told):
    schema = told["paths"]["/v1/inpaint"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["image", "hole"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["seed"]["maximum"] == pytest.approx(2**63)
    assert "hole" in {each["name"] for each in told["paths"]["/v1/inpaint/batch"]["post"]["parameters"]}


def test_the_page_asks_nobody_else(client):
    page = client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)["']""", page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/")
        assert client.get(address).status_code == 200
    assert "unsafe-inline" in page.headers["content-security-policy"]
    assert "http://" not in page.headers["content-security-policy"]
