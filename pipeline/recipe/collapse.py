"""From where on the comparison of generations raises an alarm."""

from pydantic import Field

from pipeline.recipe.part import Part, Share


class Collapse(Part):
    """Alarm levels of `thousand collapse`, each against the first generation."""

    min_tail_covered: Share = Field(
        default=0.8, description="Of the first generation's rarest rows, still near a row."
    )
    max_distance: float = Field(
        default=2.0,
        ge=0,
        description="Times the 2-Wasserstein distance that chance alone makes between two halves "
        "of the first generation.",
    )
    min_vocabulary: Share = Field(
        default=0.8, description="Of the first generation's effective words (e to the entropy)."
    )
    min_topics: Share = Field(
        default=0.8, description="Of the first generation's effective topics (e to the entropy)."
    )
    max_model_share: Share = Field(
        default=0.5, description="Of the rows, those that a model wrote."
    )
