"""Parameters of `explanation`."""

from pydantic import Field

from esm2_amp.parameters.base import Parameters
from esm2_amp.parameters.interpretability import ModelMethod


class ExplanationParameters(Parameters):
    """What is shown of given pairs. How they are explained is said by `InterpretabilityParameters`.

    Attributes
    ----------
    data_name : str
        What figures call the pairs.
    residues_up_to : int
        Pairs, those of highest probability, of which residues are explained; 0 leaves residues out.
    scanned_pairs : int
        How many of these, again those of highest probability, are scanned by changing their sequences.
    scanned_up_to : int
        Residues of the longest protein that is scanned; pairs with longer ones are passed over.
    drawn_pairs : int
        How many pairs, those of highest probability, get figures of their own.
    regions_by : {"attention", "attention_last_layer", "attention_rollout", "integrated_gradients"}
        The method whose most and least important segments are looked up in annotated regions.
    """

    data_name: str
    residues_up_to: int = Field(ge=0)
    scanned_pairs: int = Field(ge=0)
    scanned_up_to: int = Field(ge=1)
    drawn_pairs: int = Field(ge=0)
    regions_by: ModelMethod
