"""docs/tuning.md shows what the command says."""

from __future__ import annotations

import re

from support import tuning_page
from support.gateway import rung

OPTION = re.compile(r"--[a-z][a-z-]+")


def test_the_example_is_what_the_command_prints(tmp_path):
    renewed = "python tests/support/tuning_page.py DIR renews it"
    assert tuning_page.shown() == tuning_page.example(tmp_path), renewed


def test_every_option_the_page_names_is_one(tmp_path):
    named = set(OPTION.findall(tuning_page.PAGE.read_text("utf-8")))
    known = {
        option
        for words in (("tune",), ("probe", "run"))
        for option in OPTION.findall(rung(tmp_path, *words, "--help").stdout)
    }
    assert named - known == set()
