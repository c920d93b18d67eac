"""agent.toml: every mistake with its line and in words, secrets unseen, options documented."""

from __future__ import annotations

from datetime import time
from pathlib import Path

import pytest

from agents.site import config, options
from agents.site.secret import Secret

PIN = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
GOOD = """\
[agent]
state_dir = "/var/lib/lightbox-agent"

[portal]
url = "https://pacs.example.org"
api_key_env = "AGENT_KEY"
"""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_KEY", "very-secret")


def mistakes(text: str, **options: bool) -> list[str]:
    with pytest.raises(config.ConfigError) as caught:
        config.parse(text, **options)
    return list(caught.value.lines)


def test_smallest() -> None:
    read = config.parse(GOOD)
    assert read.portal.url == "https://pacs.example.org"
    assert read.portal.api_key.reveal() == "very-secret"
    assert read.commands.allow == options.COMMANDS
    assert read.folders == ()
    assert "very-secret" not in repr(read)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GOOD + "sit = 'x'\n", 7, "no option 'sit'; did you mean 'site'"),
        (GOOD + "\n[uploads]\nin_flight = 2\n", 8, "no section 'uploads'; did you mean 'upload'"),
        (GOOD + "\n[upload]\nin_flight = 200\n", 9, "in_flight must be between 1 and 32"),
        (GOOD + "\n[upload]\nin_flight = '2'\n", 9, "in_flight must be a whole number"),
        (GOOD + "\n[upload]\nin_flight = true\n", 9, "in_flight must be a whole number"),
        (GOOD + "\n[upload]\nnight = '25:00-06:00'\n", 9, "night must be two times of day"),
        (GOOD + "\n[upload\n", 8, "not valid TOML"),
        (GOOD + "\n[folders]\nname = 'a'\n", 8, "two brackets"),
        (GOOD + "\n[[folders]]\nname = 'a'\n", 8, "[[folders]] needs path"),
        (GOOD + "\n[[folders]]\nname='a'\npath='in'\n", 10, "path must be a full path"),
        (GOOD + "\n[[folders]]\nname='a'\npath='/a/../b'\n", 10, "path must be a full path"),
        (
            GOOD + "\n[[folders]]\nname='a'\npath='/a'\n[[folders]]\n# next\nname='a'\npath='/b'\n",
            13,
            "name 'a' is used twice",
        ),
        (
            GOOD + "\n[[folders]]\nname='a'\npath='/a'\nafter='delete'\n",
            11,
            "does not yet confirm",
        ),
        (GOOD + "\n[[folders]]\nname='a'\npath='/a'\nafter='move'\n", 11, "needs done_dir"),
        (
            GOOD + "\n[[folders]]\nname='a'\npath='/a'\nafter='move'\ndone_dir='/a/done'\n",
            12,
            "outside the folder",
        ),
        (
            GOOD + "\n[[folders]]\nname='a'\npath='/a'\npatterns = [\n  '*.dcm',\n  'x/*',\n]\n",
            11,
            "hold no '/'",
        ),
        (GOOD + f"pins = ['{PIN}']\n", 7, "second key"),
        (GOOD + "pins = ['abc', 'def']\n", 7, "Base64 of a SHA-256"),
        (GOOD.replace("https:", "http:"), 5, "url must begin with https://"),
        (GOOD.replace("pacs.", "u:p@pacs."), 5, "must not hold a user"),
        (GOOD.replace("AGENT_KEY", "NOT_SET"), 6, "NOT_SET is not set"),
        (GOOD.replace("api_key_env", "api_key"), 6, "no option 'api_key'"),
        (GOOD + "api_key_file = '/k'\n", 6, "not both"),
        (GOOD + "\n[commands]\nallow = ['ping', 'shell']\n", 9, "knows only these commands"),
    ],
)
def test_mistake_with_its_line(text: str, line: int, words: str) -> None:
    found = mistakes(text)
    assert any(f"agent.toml, line {line}: " in each and words in each for each in found), found


def test_all_mistakes_at_once_in_order() -> None:
    found = mistakes(GOOD + "x = 1\n\n[upload]\nin_flight = 0\nrate_kb = -1\n")
    assert [each.split(":")[0] for each in found] == [
        "agent.toml, line 7",
        "agent.toml, line 10",
        "agent.toml, line 11",
    ]


def test_nothing_of_a_secret_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("geheim")
    text = GOOD.replace('api_key_env = "AGENT_KEY"', f'api_key_file = "{file}"')
    file.chmod(0o644)
    assert "can be read by everybody" in mistakes(text)[0]
    file.chmod(0o600)
    assert config.parse(text).portal.api_key.reveal() == "geheim"
    file.write_text("two\nlines")
    found = mistakes(text)
    assert "not one line" in found[0]
    assert "two" not in found[0]
    assert "geheim" not in f"{Secret('geheim')} {Secret('geheim')!r}"


def test_plain_http_to_this_machine_only() -> None:
    local = GOOD.replace("https://pacs.example.org", "http://127.0.0.1:8000")
    assert config.parse(local, insecure_localhost=True).portal.url == "http://127.0.0.1:8000"
    assert "must begin with https" in mistakes(local)[0]
    far = GOOD.replace("https:", "http:")
    assert "this machine only" in mistakes(far, insecure_localhost=True)[0]


def test_night_passes_midnight() -> None:
    night = options.window("20:00-06:00")
    assert [time(hour) in night for hour in (19, 20, 23, 5, 6, 12)] == [
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert time(13) in options.window("12:00-14:00")


def test_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="cannot be read"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(GOOD.encode() + b"# gr\xfc\xdfe\n")
    with pytest.raises(config.ConfigError, match="line 7: not UTF-8"):
        config.load(tmp_path / "latin.toml")


def test_every_option_is_documented_as_the_code_has_it() -> None:
    page = (Path(__file__).parents[2] / "docs" / "agent.md").read_text()
    rows = {
        (cells[1], cells[2]): tuple(cells[3:6])
        for line in page.splitlines()
        if line.startswith("| `[")
        and len(cells := [cell.strip().strip("`") for cell in line.split("|")]) == 7
    }
    assert rows == {
        (each.section, each.name): (each.kind, each.default.strip("`"), each.words.strip("`"))
        for each in options.described()
    }
