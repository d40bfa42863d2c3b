"""The settings of an app and its rules, validated, and the plans that rules compile to."""
