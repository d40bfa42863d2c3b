"""Formats values and numbers as text."""

from __future__ import annotations

from .answer import Answer, Series, Summary

# Digits of greater numbers do not matter to a reader.
_MAX_WRITTEN_OUT = 1e15


def format_number(value: float | None) -> str:
    """A number for people, with three significant digits; ``-`` for ``None``."""
    if value is None:
        return "-"
    if abs(value) >= _MAX_WRITTEN_OUT:
        return f"{value:.3g}"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 1 else f"{value:.3g}"


def count_text(summary: Summary) -> str:
    """The count of a group, with the margin of an estimate: ``1,200 ±130``."""
    text = format_number(round(summary.count))
    return text if summary.margin is None else f"{text} ±{format_number(round(summary.margin))}"


def percentile_texts(summary: Summary) -> list[str]:
    """p50, p95 and p99 of a group."""
    if summary.has_too_few_rows:
        return ["too few" for _ in summary.percentiles]
    return [format_number(each) for each in summary.percentiles]


def estimate_text(answer: Answer | Series) -> str:
    """Of how many records an estimate is made; empty if the answer is exact."""
    if answer.fraction >= 1:
        return ""
    if answer.records is None:
        return "estimated from a sample of the records, spread evenly over the range"
    total = float(f"{answer.records / answer.fraction:.3g}")
    return (
        f"estimated from {answer.records:,} of about {total:,.0f} records, spread evenly over the "
        "range; in 19 of 20 cases the true count is within the margin (±)"
    )
