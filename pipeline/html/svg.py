"""Elements of SVG and HTML as escaped text; colours are classes, so that light and dark both fit."""

from markupsafe import Markup, escape


def tag(name: str, *inside: object, **attributes: object) -> Markup:
    """Make one element. `class_` is class, other underscores are dashes, None leaves one out.

    Everything is escaped but what is Markup already.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(Markup(key.rstrip("_").replace("_", "-")), _value(value))
        for key, value in attributes.items()
        if value is not None
    )
    body = Markup("").join(escape(part) for part in inside)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), written, body)


def _value(value: object) -> object:
    """Shorten a coordinate: two decimals are enough for any screen."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def picture(
    width: float, height: float, label: str, *inside: object, **attributes: object
) -> Markup:
    """Make a picture that scales with its place; `label` is what a screen reader says of it."""
    named: dict[str, object] = {
        "viewBox": f"0 0 {width:g} {height:g}",
        "role": "img",
        "aria_label": label,
        **attributes,
    }
    return tag("svg", *inside, **named)


def short(text: str, limit: int) -> str:
    """Cut a text for a label."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
